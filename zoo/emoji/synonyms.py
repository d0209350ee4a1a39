"""Write synonyms of animated emoji to the file that `train/lm/prompt_retrieval.py` reads.

    python -m reelm.zoo.emoji.synonyms DOWNLOADS synonyms.json [zh zh-hant ja es]

In: the folder of the packages that `packages.FETCH` downloads, of the wheel of `vocabulary.py` and, for names and
keywords in other languages, of `npm pack emojibase-data@17.0.0`. Out: for the usual name of each animated emoji its
other names and its keywords: single, with the name, and in pairs; its characters as a name of it; skin tones and
colours as modifiers, with other languages also in Chinese; sentences about these emoji and about what none of them
shows. Nothing is taken from `paraphrases.tsv`, `paraphrases_zh.tsv` and `unknown.tsv`, with which models are judged.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.storage.atomic import replacing
from reelm.tokenizer.text.words import visible

from .captions import BACKGROUNDS, ending
from .packages import TONES, Emoji, read_packages
from .phrases import phrases
from .translations import COLOURS, Translation, read_translations
from .translations import TONES as CHINESE_TONES
from .vocabulary import frequent

_FREQUENT = {"en": 100_000, "zh": 60_000}  # words of which most name what no emoji shows
_PAIRS = 6  # pairs of keywords for each emoji, and half as many with its name


def synonyms(emoji: Sequence[Emoji], translations: Mapping[str, Sequence[Translation]]) -> dict[str, Any]:
    """Return the content of the file, for animated emoji. Skin tones are modifiers.

    translations: of each emoji by its base; {} for only English.
    """
    moving = {each.names[0]: each for each in emoji if each.animated and not each.tone}
    translated = {caption: translations.get(each.base, ()) for caption, each in moving.items()}
    captions = {
        caption: [*_other_words(each), *(word for other in translated[caption] for word in other.keywords)]
        for caption, each in moving.items()
    }
    named = [(_characters(each), caption) for caption, each in moving.items()]
    named += [(other.name, caption) for caption, others in translated.items() for other in others]
    owners = Counter(name for name, _ in dict.fromkeys(named))
    names = {name: caption for name, caption in named if owners[name] == 1 and name not in captions}
    modifiers = {}
    for point, tone in TONES.items():
        modifiers[chr(point)] = ending(tone=tone)
        for said in ("{} skin tone", "with {} skin", "{} skin", "{}-skinned"):
            modifiers[said.format(tone)] = ending(tone=tone)
        for said in CHINESE_TONES[tone] if translations else ():
            modifiers |= dict.fromkeys((said, f"{said}的"), ending(tone=tone))
    for colour in BACKGROUNDS:
        for hue in COLOURS[colour] if translations else "":
            said = (f"在{hue}色背景上", f"{hue}色背景", f"{hue}色的背景")
            modifiers |= dict.fromkeys(said, ending(background=colour))
        for said in ("on a {} background", "{} background", "on {}"):
            modifiers[said.format(colour)] = ending(background=colour)
    return {"captions": captions, "modifiers": modifiers, "names": names}


def _characters(emoji: Emoji) -> str:
    """Return the characters of an emoji that show something, as prompts are read."""
    return visible("".join(chr(int(point, 16)) for point in emoji.base.split("-")))


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
    packages, output, languages = Path(arguments[0]), Path(arguments[1]), arguments[2:]
    translations = read_translations(packages, languages) if languages else {}
    emoji = read_packages(packages)
    shown, others = phrases(emoji, translations, frequent(packages, _FREQUENT))
    with replacing(output) as temporary:
        content = synonyms(emoji, translations) | {"phrases": shown, "others": others}
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(output)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python -m reelm.zoo.emoji.synonyms DOWNLOADS FILE.json [LANGUAGE ...]")
    try:
        main(sys.argv[1:])
    except RequestError as error:
        sys.exit(str(error))
