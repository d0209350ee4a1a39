"""Captions of an animated emoji: its name or other words for it, its skin tone, the background colour.

In: an `Emoji`, the name of a colour, a random generator. Out: one line. Pure functions without pictures.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from .packages import Emoji

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (136, 136, 136),
    "red": (214, 60, 55),
    "orange": (240, 142, 48),
    "yellow": (250, 220, 88),
    "green": (84, 176, 92),
    "blue": (70, 130, 220),
    "purple": (142, 92, 200),
    "pink": (246, 164, 194),
}
"""Background colours; a caption without a colour means white."""

# Cumulative probabilities of the kinds of captions: usual name, any name, name with a keyword, keywords; the rest is a
# keyword that no other emoji has.
_PLAIN, _NAMED, _WITH_WORD, _OF_WORDS = 0.3, 0.55, 0.7, 0.9


def plain(emoji: Emoji, background: str = "white") -> str:
    """Return the usual name, Unicode's name of the tone, and any colour but white: "woman running: dark skin tone"."""
    return emoji.names[0] + ending(tone=emoji.tone, background=background)


def ending(*, tone: str = "", background: str = "white") -> str:
    """Return what follows a name in a plain caption."""
    toned = f": {tone} skin tone" if tone else ""
    return toned if background == "white" else f"{toned} on {background}"


def varied(emoji: Emoji, background: str, distinct: tuple[str, ...], rng: np.random.Generator) -> str:
    """Return a random phrasing. Tone and colour are always named; the emoji may be named only by keywords.

    distinct: keywords that no other emoji has, each of which can replace its name.
    """

    def pick(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    draw, name = rng.random(), emoji.names[0]
    if draw >= _PLAIN:
        name = pick(emoji.names)
    if _NAMED <= draw < _WITH_WORD and emoji.keywords:
        name = f"{name}, {pick(emoji.keywords)}"
    elif _WITH_WORD <= draw < _OF_WORDS and len(emoji.keywords) > 1:
        count = min(len(emoji.keywords), int(rng.integers(2, 4)))
        name = pick((" ", ", ", " and ")).join(rng.choice(emoji.keywords, count, replace=False))
    elif _OF_WORDS <= draw and distinct:
        name = pick(distinct)
    kind = f"{emoji.tone}-skinned" if rng.random() < 0.3 else f"{emoji.tone} skin tone"
    if emoji.tone:
        ways = (
            f"{name}: {emoji.tone} skin tone",
            f"{name} with {emoji.tone} skin",
            f"{name}, {kind}",
            f"{kind} {name}",
        )
        name = pick(ways)
    said = pick(("", "", "", "animated ", "emoji of ", "a moving ", f"{emoji.group.lower()}: "))
    if background == "white":
        return f"{said}{name}{pick(('', '', '', '', ' on white', ' on a white background'))}"
    return f"{said}{name}{pick((f' on {background}', f' on a {background} background', f', {background} background'))}"


def distinct_words(emoji: Iterable[Emoji]) -> dict[str, tuple[str, ...]]:
    """Return for each `base` the keywords that no other emoji has in a name or as a keyword."""
    by_base = {each.base: (each.names, each.keywords) for each in emoji}
    owners = Counter(word for names, keywords in by_base.values() for word in {*names, *keywords})
    return {base: tuple(word for word in keywords if owners[word] == 1) for base, (_, keywords) in by_base.items()}
