"""Traditional Chinese characters as simplified ones, one by one.

In: words. Out: the same words. `simplified.txt` has two lines, the characters and what each becomes: the likeliest one
of TSCharacters of OpenCC (github.com/BYVoid/OpenCC, Apache-2.0). What depends on the word beside it is not known here.
"""

from functools import cache
from pathlib import Path


def simplified(words: str) -> str:
    """Return words whose traditional characters are replaced by simplified ones; Japanese changes with them."""
    return words.translate(_table())


@cache
def _table() -> dict[int, int]:
    before, after = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return str.maketrans(before, after)
