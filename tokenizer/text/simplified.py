"""Replace traditional Chinese characters by simplified ones, one by one.

In: words. Out: the same words in simplified characters. `simplified.txt` has two lines, the characters and their
replacements: the first choice in TSCharacters of OpenCC (github.com/BYVoid/OpenCC, Apache-2.0). Replacements that
depend on neighbouring characters are not supported.
"""

from functools import cache
from pathlib import Path


def simplified(words: str) -> str:
    """Replace the traditional characters of words by simplified ones; this changes Japanese words too."""
    return words.translate(_table())


@cache
def _table() -> dict[int, int]:
    before, after = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return str.maketrans(before, after)
