"""Split a text in any script into words.

In: a string. Out: its normalised form, the same with Han characters separated, its words, or the form of it that a
vocabulary knows. Chinese has no spaces between words, so a whole clause would count as one word: each Han character
counts as a word instead. An encoder for another script has its own `words`; see `TextEncoder`.
"""

import re
import unicodedata
from collections.abc import Callable

from reelm.errors import RequestError

from .simplified import simplified

_WORD = re.compile(r"[^\W_]+")
# Script=Han of Unicode 16 in the blocks that NFKC keeps, with the marks that repeat a character or mean zero.
_HAN = r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]"
_BEFORE_HAN = re.compile(f"(?={_HAN})")
_BEHIND_HAN = re.compile(rf"(?<={_HAN})(?=[^\W_])")
_KANA = re.compile(r"[\u3041-\u30ff]")
# Combining marks over Latin letters; those of other scripts, such as the voicing marks of Japanese, make other letters.
_ACCENTS = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")


def visible(text: str) -> str:
    """Return a text without the characters that show nothing.

    These are format characters (category Cf: zero-width spaces, marks of direction, soft hyphens), and what only
    changes how the character before it looks: variation selectors, and enclosing marks such as that of a keycap.
    """
    return "".join(each for each in text if unicodedata.category(each) not in ("Cf", "Me") and not _is_selector(each))


def _is_selector(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"


def normalised(text: str) -> str:
    """Return the normalised text, as all models read it; RequestError when it is not valid Unicode.

    NFKC gives letters, digits and punctuation one width. Characters that show nothing go. Control characters become
    spaces, and repeated spaces are joined.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"the prompt holds a lone surrogate at character {error.start}; pass valid text") from error
    letters = unicodedata.normalize("NFKC", visible(text))
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in letters).split())


def readable(text: str, pieces: Callable[[str], int]) -> str:
    """Return a text with each word in the form that a vocabulary knows better.

    Letters lose their accents where the word then has fewer pieces, so a vocabulary that knows them keeps them.
    Traditional characters become simplified ones unless the word then has more pieces, or has Japanese letters, because
    a character may be known and its word not.

    Args:
        text: words with spaces between them.
        pieces: counts the pieces of a word; one that the vocabulary cannot read counts more than its letters.
    """
    return " ".join(_readable(word, pieces) for word in text.split(" "))


def _readable(word: str, pieces: Callable[[str], int]) -> str:
    bare = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))
    if bare != word and pieces(bare) < pieces(word):
        word = bare
    chinese = word if _KANA.search(word) else simplified(word)
    return chinese if chinese != word and pieces(chinese) <= pieces(word) else word


def set_apart(text: str) -> str:
    """Put a space before each Han character, and after it where a letter or a digit follows."""
    return " ".join(_BEHIND_HAN.sub(" ", _BEFORE_HAN.sub(" ", text)).split())


def is_han(letter: str) -> bool:
    """Return whether a letter is a Han character."""
    return re.match(_HAN, letter) is not None


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case; RequestError when it is not valid Unicode."""
    return _WORD.findall(set_apart(normalised(text)).lower())
