"""The Chinese of moving digits for a text tokenizer that has learned English.

    python -m reelm.data.moving_digits.text_pieces runs/words/text.model runs/text.model

In: the file of a text tokenizer. Out: the same with the words of `chinese.PIECES` and the symbols behind its pieces,
and beside it a file that ends in .tsv, with what they mean in English. `reelm train lm` takes them as `--text-pieces`
and `--glossary`, beside `--start-from` a model of the smaller one.
"""

import sys
from pathlib import Path

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes
from reelm.tokenizer.text.grown import grown
from reelm.tokenizer.text.pieces import TextTokenizer

from .chinese import MEANINGS, PIECES, SYMBOLS


def main(source: Path, output: Path) -> None:
    """Write the files; RequestError if there is nothing to read."""
    more = grown(TextTokenizer.read(source), PIECES, SYMBOLS)
    write_bytes(output, more.model)
    meanings = "".join(f"{piece}\t{words}\n" for piece, words in MEANINGS.items())
    write_bytes(output.with_suffix(".tsv"), meanings.encode())
    print(f"{output}: {more.vocabulary} pieces (--model.text-vocabulary {more.vocabulary})")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except IndexError:
        sys.exit("usage: python -m reelm.data.moving_digits.text_pieces TEXT.model OUTPUT.model")
    except RequestError as error:
        sys.exit(str(error))
