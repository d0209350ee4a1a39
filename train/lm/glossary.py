"""New pieces of text that begin as what they mean in pieces that a model knows.

    红色	red
    向右移动	moves right

In: a file with a piece and its meaning in each line, parted by a tab. Out: the rows of those pieces, each the mean of
the rows of its meaning. Words of a second language are then read before the first step, in the order of the first.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reelm.errors import RequestError
from reelm.lm.specials import SPECIALS
from reelm.storage.fields import shown
from reelm.tokenizer.text.pieces import TextTokenizer


def read(path: Path) -> dict[str, str]:
    """Return the meaning of each piece; RequestError for a line of another shape."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the glossary {shown(str(path))} cannot be read: {error}") from None
    found = dict[str, str]()
    for number, line in enumerate(lines, 1):
        piece, tab, words = line.partition("\t")
        if not (piece.strip() and tab and words.strip()):
            raise RequestError(f"{path}, line {number}: {shown(line)} is no piece, a tab and its meaning")
        found[piece] = words
    return found


def with_meanings(table: np.ndarray, text: TextTokenizer, meanings: Mapping[str, str], known: np.ndarray) -> np.ndarray:
    """Return the table of a prefix's ids `[SPECIALS + V, D]` with new rows for the pieces of a glossary.

    known: bool `[SPECIALS + V]`, rows that stay as they are: a model may have learned some of the pieces.
    RequestError for a piece that `text` does not have.
    """
    new = np.array(table)
    for piece, words in meanings.items():
        if len(ids := text.encode(piece)) != 1:
            raise RequestError(
                f"{shown(piece)} is {len(ids)} pieces of this text tokenizer; a glossary takes single ones"
            )
        if not known[SPECIALS + ids[0]]:
            new[SPECIALS + ids[0]] = np.mean([table[SPECIALS + each] for each in text.encode(words)], axis=0)
    return new
