"""Byte-pair encoding (arXiv 1508.07909): symbols joined pair by pair, the best pair first.

In: symbols, and how good each pair of them is. Out: the pieces. And what goes before it in published tokenizers: the
patterns that cut a text into words, and the letters that stand for bytes.
"""

import heapq
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache

Priority = Callable[[str, str], float | None]
"""Of two neighbours: how early they are joined, the least first; None for never."""

_CATEGORY = re.compile(r"\\p\{([A-Z][a-z]?)\}")
_CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
GPT2 = rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"
QWEN2 = (
    rf"(?i:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
DIGITS = r"\p{N}"


def joined(symbols: Sequence[str], priority: Priority) -> list[str]:
    """Return the pieces that symbols are joined to; of pairs that are equally good, the first is joined."""
    pieces: list[str | None] = [*symbols]
    before, behind = [*range(-1, len(pieces) - 1)], [*range(1, len(pieces) + 1)]
    heap: list[tuple[float, int, str, str]] = []

    def offer(place: int) -> None:
        first, second = pieces[place], pieces[behind[place]]
        assert first is not None and second is not None  # both are there
        if (good := priority(first, second)) is not None:
            heapq.heappush(heap, (good, place, first, second))

    for place in range(len(pieces) - 1):
        offer(place)
    while heap:
        _, place, first, second = heapq.heappop(heap)
        other = behind[place]
        if pieces[place] != first or other == len(pieces) or pieces[other] != second:
            continue  # one of them was joined to another
        pieces[place], pieces[other] = first + second, None
        behind[place] = behind[other]
        if behind[place] < len(pieces):
            before[behind[place]] = place
            offer(place)
        if before[place] >= 0:
            offer(before[place])
    return [piece for piece in pieces if piece is not None]


def cut(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield what matches a pattern and what lies between, in order."""
    end = 0
    for found in pattern.finditer(text):
        yield from filter(None, (text[end : found.start()], found[0]))
        end = found.end()
    if end < len(text):
        yield text[end:]


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Return a pattern that may have categories of Unicode, such as \p{L}, which `re` does not know."""
    made, end, opened = "", 0, False
    for found in _CATEGORY.finditer(pattern):
        before = pattern[end : found.start()]
        opened = _is_open(before, opened)
        letters = _letters(found[1])
        made, end = made + before + (letters if opened else f"[{letters}]"), found.end()
    return re.compile(made + pattern[end:])


def _is_open(pattern: str, opened: bool) -> bool:
    """Return whether a class of letters is open behind a part of a pattern."""
    for mark in re.findall(r"\\.|[\[\]]", pattern, re.DOTALL):
        opened = opened if len(mark) > 1 else mark == "["
    return opened


@cache
def _letters(category: str) -> str:
    """Return all letters of a category as ranges of a class."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith(category)]
    ends = [i for i, code in enumerate(codes) if i + 1 == len(codes) or codes[i + 1] != code + 1]
    starts = [0, *(i + 1 for i in ends[:-1])]
    return "".join(f"\\U{codes[i]:08x}-\\U{codes[j]:08x}" for i, j in zip(starts, ends, strict=True))


@cache
def byte_letters() -> tuple[str, ...]:
    """Return the letter that stands for each byte: itself where it is visible, or one from 256 on (GPT-2)."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return tuple(chr(byte if byte in visible else next(others)) for byte in range(256))
