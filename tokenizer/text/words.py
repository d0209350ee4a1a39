"""The words of a text in scripts that put spaces between them.

In: a string. Out: its words. What reads another script has `words` of its own; see `TextEncoder`.
"""

import re

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters."""
    return _WORD.findall(text.lower())
