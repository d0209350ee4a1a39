"""The Chinese of moving digits for a text tokenizer that has learned English.

    python -m reelm.data.moving_digits.text_pieces runs/words/text.model runs/text.model

In: the file of a text tokenizer. Out: the same with the words of `chinese.PIECES` and the symbols behind its pieces.
`reelm train lm --text-pieces` takes it, beside `--start-from` a model of the smaller one.
"""

import sys
from pathlib import Path

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes
from reelm.tokenizer.text.grown import grown
from reelm.tokenizer.text.pieces import TextTokenizer

from .chinese import PIECES, SYMBOLS


def main(source: Path, output: Path) -> None:
    """Write the file; RequestError if there is nothing to read."""
    more = grown(TextTokenizer.read(source), PIECES, SYMBOLS)
    write_bytes(output, more.model)
    print(f"{output}: {more.vocabulary} pieces (--model.text-vocabulary {more.vocabulary})")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except IndexError:
        sys.exit("usage: python -m reelm.data.moving_digits.text_pieces TEXT.model OUTPUT.model")
    except RequestError as error:
        sys.exit(str(error))
