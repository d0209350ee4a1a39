"""Other words for animated emoji, as the file that `train/lm/thesaurus.py` reads.

    python -m reelm.data.animated_emoji.synonyms DOWNLOADS thesaurus.json

In: the folder of the packages that `emoji_packages.FETCH` brings. Out: for the usual name of each emoji that moves its
other names and its keywords, alone, beside the name and two together; skin tones and colours as modifiers. Nothing of
it comes from `emoji_paraphrases.tsv`, by which models are judged.
"""

import json
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.storage.atomic import replacing

from .captions import BACKGROUNDS, ending
from .packages import TONES, Emoji, read_packages

_PAIRS = 6  # of keywords for each emoji, and half as many beside its name


def thesaurus(emoji: Sequence[Emoji]) -> dict[str, Any]:
    """Return the content of the file, for emoji that move. Skin tones are listed by their modifier."""
    captions = {each.names[0]: _other_words(each) for each in emoji if each.animated and not each.tone}
    modifiers = {}
    for tone in TONES.values():
        for said in ("{} skin tone", "with {} skin", "{} skin", "{}-skinned"):
            modifiers[said.format(tone)] = ending(tone=tone)
    for colour in BACKGROUNDS:
        for said in ("on a {} background", "{} background", "on {}"):
            modifiers[said.format(colour)] = ending(background=colour)
    return {"captions": captions, "modifiers": modifiers}


def _other_words(emoji: Emoji) -> list[str]:
    name, keywords = emoji.names[0], emoji.keywords
    pairs = [" ".join(pair) for pair in combinations(keywords, 2)]
    np.random.default_rng(list(emoji.base.encode())).shuffle(pairs)
    return [
        *emoji.names[1:],
        *keywords,
        *(f"{name}, {keyword}" for keyword in keywords),
        *pairs[:_PAIRS],
        *(f"{name} {pair}" for pair in pairs[_PAIRS : _PAIRS + _PAIRS // 2]),
    ]


def main(arguments: Sequence[str]) -> None:
    """Write the file; RequestError if packages are missing."""
    packages, output = map(Path, arguments)
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(thesaurus(read_packages(packages)), indent=1) + "\n", encoding="utf-8")
    print(output)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m reelm.data.animated_emoji.synonyms DOWNLOADS FILE.json")
    try:
        main(sys.argv[1:])
    except RequestError as error:
        sys.exit(str(error))
