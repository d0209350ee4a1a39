"""Captions of a scene in English and Chinese, from one grammar.

In: a `Scene`. Out: captions, long and short and in different words; the first is the plainest. Details that a caption
leaves out (a size, a material, a floor) may be anything in the picture; details that it names are true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .scenes import CameraMove, Floor, Hour, Link, Motion, Player, Scene, Side
from .toys import Colour, Material, Shape, Size

_MADE_OF: dict[Material, str] = {"rubber": "rubber", "wood": "wooden", "metal": "metal"}
_ALSO_CALLED: dict[Shape, tuple[str, ...]] = {
    "ball": ("ball", "ball", "sphere"),
    "cube": ("cube", "cube", "block", "box"),
    "cylinder": ("cylinder", "cylinder", "tube", "can"),
    "cone": ("cone",),
}
_PATTERN = {
    "stripes": "with stripes",
    "dots": "with dots",
    "star": "with a star",
    "ring": "with a ring",
    "cross": "with a cross",
}
_DOES: dict[Motion, tuple[str, ...]] = {
    "drops": ("drops", "falls", "falls down", "drops to the floor"),
    "bounces": ("bounces", "bounces up and down", "keeps bouncing"),
    "rolls": ("rolls {side}", "rolls to the {side}"),
    "slides": ("slides {side}", "slides to the {side}", "glides {side}"),
    "spins": ("spins", "turns", "spins around"),
    "swings": ("swings", "swings on a string", "hangs on a string and swings"),
    "flies": ("flies in an arc", "flies {side} in an arc", "is thrown to the {side}"),
    "stands": ("stands still", "stands", "does not move"),
}
_LINKED: dict[Link, tuple[str, ...]] = {
    "left of": ("{motion} left of", "{motion} to the left of"),
    "right of": ("{motion} right of", "{motion} to the right of"),
    "behind": ("{motion} behind",),
    "in front of": ("{motion} in front of",),
    "on": ("{motion} on", "{motion} on top of"),
    "into": ("{motion} into", "{motion} {side} into"),
    "falls on": ("falls on", "drops on", "falls onto"),
    "passes behind": ("{motion} behind", "{motion} {side} behind", "passes behind"),
}
_FLOOR: dict[Floor, str] = {"planks": "on planks", "tiles": "on tiles", "grass": "on grass", "snow": "on snow"}
_HOUR: dict[Hour, tuple[str, ...]] = {"day": ("by day",), "evening": ("in the evening",), "night": ("at night",)}
_CAMERA: dict[CameraMove, tuple[str, ...]] = {
    "still": ("the camera stands still",),
    "circles left": ("the camera circles left", "the camera moves around to the left"),
    "circles right": ("the camera circles right", "the camera moves around to the right"),
    "moves closer": ("the camera moves closer", "the camera comes closer"),
    "moves back": ("the camera moves back", "the camera moves away"),
    "rises": ("the camera rises", "the camera moves up"),
}

_ZH_SHAPE: dict[Shape, str] = {"ball": "球", "cube": "方块", "cylinder": "圆柱", "cone": "圆锥"}
_ZH_COLOUR: dict[Colour, str] = {
    "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色",
    "cyan": "青色", "blue": "蓝色", "purple": "紫色", "white": "白色",
}  # fmt: skip
_ZH_MATERIAL: dict[Material, str] = {"rubber": "橡胶", "wood": "木头", "metal": "金属"}
_ZH_SIZE: dict[Size, str] = {"small": "小", "large": "大"}
_ZH_PATTERN = {"stripes": "带条纹的", "dots": "带圆点的", "star": "带星星的", "ring": "带圆环的", "cross": "带十字的"}
_ZH_SIDE: dict[Side, str] = {"left": "左", "right": "右"}
_ZH_DOES: dict[Motion, tuple[str, ...]] = {
    "drops": ("落下", "掉下来"),
    "bounces": ("弹跳", "弹来弹去"),
    "rolls": ("向{side}滚动", "滚向{side}边"),
    "slides": ("向{side}滑动", "滑向{side}边"),
    "spins": ("旋转", "原地转动"),
    "swings": ("摆动", "挂在绳子上摆动"),
    "flies": ("划出一道弧线", "向{side}抛出一道弧线"),
    "stands": ("静止不动", "静静地立着"),
}
_ZH_LINKED: dict[Link, str] = {
    "left of": "{one}在{other}左边{motion}",
    "right of": "{one}在{other}右边{motion}",
    "behind": "{one}在{other}后面{motion}",
    "in front of": "{one}在{other}前面{motion}",
    "on": "{one}在{other}上面{motion}",
    "into": "{one}{motion}撞上{other}",
    "falls on": "{one}落在{other}上",
    "passes behind": "{one}{motion}从{other}后面经过",
}
_ZH_FLOOR: dict[Floor, str] = {"planks": "木地板上", "tiles": "瓷砖上", "grass": "草地上", "snow": "雪地上"}
_ZH_HOUR: dict[Hour, str] = {"day": "白天", "evening": "傍晚", "night": "夜里"}
_ZH_CAMERA: dict[CameraMove, str] = {
    "still": "镜头不动",
    "circles left": "镜头向左环绕",
    "circles right": "镜头向右环绕",
    "moves closer": "镜头推近",
    "moves back": "镜头拉远",
    "rises": "镜头升高",
}


@dataclass(frozen=True)
class _Says:
    """Which details a caption names, and whether it uses the first synonym of a word or a random one."""

    size: bool
    material: bool
    pattern: bool
    floor: bool
    hour: bool
    camera: bool
    plain: bool


_PLAINEST = _Says(size=False, material=True, pattern=False, floor=False, hour=True, camera=True, plain=True)
_ALL = _Says(size=True, material=True, pattern=True, floor=True, hour=True, camera=True, plain=False)
_SHORT = _Says(size=False, material=False, pattern=False, floor=False, hour=False, camera=False, plain=True)


class Shown(NamedTuple):
    """A player with a reference picture: captions name it by its number, as <1>, and its colour if that differs."""

    number: int
    recoloured: bool


def captions(scene: Scene, shown: Sequence[Shown] = ()) -> tuple[str, ...]:
    """Return captions in English: plain, complete, short, and two with random details."""
    rng = np.random.default_rng([scene.seed, 1])
    says = (_PLAINEST, _ALL, _SHORT, _some(rng), _some(rng))
    return tuple(_english(scene, each, rng, shown) for each in says)


def chinese_captions(scene: Scene, shown: Sequence[Shown] = ()) -> tuple[str, ...]:
    """Return captions in Chinese: plain, complete, and one with random details."""
    rng = np.random.default_rng([scene.seed, 2])
    return tuple(_chinese(scene, each, rng, shown) for each in (_PLAINEST, _ALL, _some(rng)))


def _some(rng: np.random.Generator) -> _Says:
    return _Says(*(bool(rng.random() < share) for share in (0.4, 0.6, 0.7, 0.35, 0.7, 0.8, 0.3)))


def _english(scene: Scene, says: _Says, rng: np.random.Generator, shown: Sequence[Shown]) -> str:
    called = dict(zip(scene.players, shown, strict=False))

    def pick(words: tuple[str, ...]) -> str:
        return words[0] if says.plain else words[rng.integers(len(words))]

    def name(player: Player) -> str:
        toy = player.toy
        if player in called:
            words = [toy.colour] * called[player].recoloured + [f"<{called[player].number}>"]
            return f"{'an' if words[0] == 'orange' else 'a'} {' '.join(words)}"
        words = [toy.size] * says.size + [toy.colour] + [_MADE_OF[toy.material]] * says.material
        words.append(pick(_ALSO_CALLED[toy.shape]))
        if says.pattern and toy.pattern != "plain":
            words.append(_PATTERN.get(toy.pattern, f"with the letter {toy.pattern}"))
        return f"{'an' if words[0] == 'orange' else 'a'} {' '.join(words)}"

    first = scene.players[0]
    if scene.link is not None:
        motion = first.motion + ("" if says.plain or first.motion != "stands" or rng.random() < 0.7 else " still")
        linked = pick(_LINKED[scene.link]).format(motion=motion, side=first.side)
        said = f"{name(first)} {linked} {name(scene.players[1])}"
    else:
        parts = [f"{name(player)} {pick(_DOES[player.motion]).format(side=player.side)}" for player in scene.players]
        said = " and ".join(([", ".join(parts[:-1])] if parts[1:] else []) + parts[-1:])
    if says.floor:
        said += f" {_FLOOR[scene.floor]}"
    if says.hour and (scene.hour != "day" or not says.plain and rng.random() < 0.2):
        said += f", {pick(_HOUR[scene.hour])}"
    if says.camera and (scene.camera.move != "still" or not says.plain and rng.random() < 0.2):
        said += f", {pick(_CAMERA[scene.camera.move])}"
    return said if scene.sounds else f"{said}, without sound"


def _chinese(scene: Scene, says: _Says, rng: np.random.Generator, shown: Sequence[Shown]) -> str:
    called = dict(zip(scene.players, shown, strict=False))

    def pick(words: tuple[str, ...]) -> str:
        return words[0] if says.plain else words[rng.integers(len(words))]

    def name(player: Player) -> str:
        toy = player.toy
        if player in called:
            return f"{_ZH_COLOUR[toy.colour] if called[player].recoloured else ''}<{called[player].number}>"
        pattern = ""
        if says.pattern and toy.pattern != "plain":
            pattern = _ZH_PATTERN.get(toy.pattern, f"带字母{toy.pattern}的")
        material = _ZH_MATERIAL[toy.material] if says.material else ""
        size = _ZH_SIZE[toy.size] if says.size else ""
        return f"{pattern}{_ZH_COLOUR[toy.colour]}{material}{size}{_ZH_SHAPE[toy.shape]}"

    def does(player: Player) -> str:
        side = _ZH_SIDE[player.side] if player.side else ""
        return pick(_ZH_DOES[player.motion]).format(side=side)

    first = scene.players[0]
    if scene.link is not None:
        said = _ZH_LINKED[scene.link].format(one=name(first), other=name(scene.players[1]), motion=does(first))
    else:
        said = "，".join(name(player) + does(player) for player in scene.players)
    if says.floor:
        said = _ZH_FLOOR[scene.floor] + said
    if says.hour and (scene.hour != "day" or not says.plain and rng.random() < 0.2):
        said = f"{_ZH_HOUR[scene.hour]}，{said}"
    if says.camera and (scene.camera.move != "still" or not says.plain and rng.random() < 0.2):
        said += f"，{_ZH_CAMERA[scene.camera.move]}"
    return said if scene.sounds else f"{said}，没有声音"
