"""What is said of moving digits in Chinese: "红色的七向右移动".

In: a `Scene`. Out: captions by templates, full and short, with digits as 七, 7 or seven, and some half in English. What
is said is drawn from a random stream of its own, so clips and their English captions stay what they are.
"""

from collections.abc import Sequence

import numpy as np

from .scenes import COLOURS, DIGIT_WORDS, SPLITS, Mover, Scene, Split
from .soundtracks import SILENT_WORDS, SoundingExample

DIGITS = "零一二三四五六七八九"
HUES = dict(zip(COLOURS, ("白", "红", "绿", "蓝", "黄", "青", "品红"), strict=True))
WAYS = {"left": "左", "right": "右", "up": "上", "down": "下"}
WITHOUT_SOUND = "没有声音"

SYMBOLS = ("<1>", "<2>", "<3>", "<4>")
"""What a caption says of things that are shown and have no name."""

# What follows a way, and what stands in front of it.
_TOWARDS = ("向", "向", "往", "朝")
_MOVES = ("移动", "移动", "移动", "走", "飘", "漂移", "运动")
_SLOWLY = ("慢慢", "慢慢", "慢慢地", "缓慢", "缓慢地", "缓缓")
_ONE = ("", "", "", "一个", "一个", "这个")
_NUMBER = ("", "", "", "", "数字")
_AND = ("，", "，", "，", "、", "和", "；", "，同时")

_ALSO = {"magenta": ("品红", "品红", "洋红", "紫红", "紫")}  # other names of a colour

_SHORT = 0.3  # share of captions that leave out what is not asked for
_MIXED = 0.15  # share of captions half in English
_NUMERAL = 0.4  # share of captions with digits as 7; in some more they are English words
_ENGLISH_WORD = 0.1
_FULL_STOP = 0.1


def caption_beside(split: Split, index: int, clip: SoundingExample) -> str:
    """Return the Chinese caption of a clip with sound, which says so where the English ones ask for silence."""
    return example_caption(split, index, clip["scene"], silent=clip["captions"][0].endswith(SILENT_WORDS))


def example_caption(
    split: Split, index: int, scene: Scene, *, silent: bool = False, names: Sequence[str | None] | None = None
) -> str:
    """Return the Chinese caption of clip `index` of a split, the same for ever.

    Args:
        scene: of the clip.
        silent: say that there is no sound.
        names: what stands for the digit of each mover, such as two of `SYMBOLS`; None for its own name.
    """
    rng = np.random.default_rng([86, SPLITS.index(split), index])
    said = (short_caption if rng.random() < _SHORT else caption)(scene, rng, names)
    said = f"{said}，{WITHOUT_SOUND}" if silent else said
    return f"{said}。" if rng.random() < _FULL_STOP else said


def caption(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] | None = None) -> str:
    """Return one of many phrasings of all that varies in a scene but handwriting and place.

    All clauses share one manner, "slow" is said exactly when slow. names: as in `example_caption`.
    """
    if rng.random() < _MIXED:
        return _mixed(scene, rng, names)
    one, of = _pick(rng, _ONE), _pick(rng, ("色的", "色的", "色", "的", ""))
    towards, moves, slowly = _pick(rng, _TOWARDS), _pick(rng, _MOVES), _pick(rng, _SLOWLY)
    number, now, side = _pick(rng, _NUMBER), _pick(rng, ("", "", "", "在", "正在")), _pick(rng, ("", "", "", "边"))
    if len(scene.movers) > 1:  # as much as the prefix of `demo` holds
        number = now = side = ""
    names = _names(scene, rng, names)

    def clause(mover: Mover, name: str) -> str:
        noun = number if name not in SYMBOLS else ""
        manner = slowly if mover.slow else ""
        return f"{one}{_hue(mover, rng)}{of}{noun}{name}{now}{manner}{towards}{WAYS[mover.direction]}{side}{moves}"

    return _pick(rng, _AND).join(map(clause, scene.movers, names))


def short_caption(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] | None = None) -> str:
    """Return a short caption, digits with random details: "七", "红七", "红色的3向左"."""
    coloured = _pick(rng, ("", "", "", "{}", "{}色", "{}色的"))
    way = _pick(rng, ("", "", "向{}", "{}移", "向{}移动", "移动"))
    names = _names(scene, rng, names)

    def clause(mover: Mover, name: str) -> str:
        return f"{coloured.format(_hue(mover, rng))}{name}{way.format(WAYS[mover.direction])}"

    return _pick(rng, ("和", "和", "，", "、")).join(map(clause, scene.movers, names))


def _mixed(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] | None) -> str:
    """Return a full caption with colour, digit and way each in one of both languages: "red七向右移动"."""
    english_hue, english_way, article = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.3
    names = _names(scene, rng, names)

    def clause(mover: Mover, name: str) -> str:
        hue = mover.colour if english_hue else f"{_hue(mover, rng)}色"
        if english_way:
            way = f"moves {mover.direction}{' slowly' if mover.slow else ''}"
        else:
            way = f"{'慢慢' if mover.slow else ''}向{WAYS[mover.direction]}移动"
        return f"{'a ' if article and english_hue else ''}{hue} {name} {way}"

    return _pick(rng, (" and ", "，", " 和 ")).join(map(clause, scene.movers, names))


def _names(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] | None) -> list[str]:
    if names is not None and all(names):
        return [name for name in names if name]
    digits = _digits(scene, rng)
    return digits if names is None else [name or digit for name, digit in zip(names, digits, strict=True)]


def _digits(scene: Scene, rng: np.random.Generator) -> list[str]:
    draw = rng.random()
    if draw < _NUMERAL:
        return [str(mover.digit) for mover in scene.movers]
    words = DIGIT_WORDS if draw < _NUMERAL + _ENGLISH_WORD else DIGITS
    return [words[mover.digit] for mover in scene.movers]


def _hue(mover: Mover, rng: np.random.Generator) -> str:
    return _pick(rng, _ALSO.get(mover.colour, (HUES[mover.colour],)))


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
