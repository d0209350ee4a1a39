"""The words of a text in any script.

In: a string. Out: the one form of it that models read, its Han characters set apart, its words. Chinese puts no spaces
between words, so that a whole clause would count as one: each Han character counts as a word. What reads another
script has `words` of its own; see `TextEncoder`.
"""

import re
import unicodedata

from reelm.errors import RequestError

_WORD = re.compile(r"[^\W_]+")
# Script=Han of Unicode 16 in the blocks that NFKC leaves, with the marks that repeat a character or write zero.
_HAN = r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]"
_BEFORE_HAN = re.compile(f"(?={_HAN})")
_BEHIND_HAN = re.compile(rf"(?<={_HAN})(?=[^\W_])")


def normalised(text: str) -> str:
    """Return the text as all models read it; RequestError when it is not valid Unicode.

    Letters, digits and punctuation have one width (NFKC). Control characters count as spaces, and spaces are single.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"the prompt holds a lone surrogate at character {error.start}; pass valid text") from error
    letters = unicodedata.normalize("NFKC", text)
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in letters).split())


def set_apart(text: str) -> str:
    """Return the text with a space in front of each Han character, and behind it where a letter or a digit follows."""
    return " ".join(_BEHIND_HAN.sub(" ", _BEFORE_HAN.sub(" ", text)).split())


def is_han(letter: str) -> bool:
    """Whether a letter is a Han character."""
    return re.match(_HAN, letter) is not None


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters; RequestError as `normalised` raises it."""
    return _WORD.findall(set_apart(normalised(text)).lower())
