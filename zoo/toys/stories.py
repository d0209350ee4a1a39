"""Clips with reference pictures of their toys, and the shot that follows after a cut.

A picture shows one toy in another scene: at another position, on another floor, and sometimes in another colour, which
the caption then names (cross-pairs; Phantom-Data, arXiv 2506.18851). The next shot shows the same toys with other
motions at another place. All of this uses a separate random generator, so the clip is the same as in `source`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from . import captions, scenes
from .acts import Spins
from .captions import Shown
from .render import render
from .scenes import Camera, Player, Scene, Split
from .stage import stage
from .toys import COLOURS, Toy

_RECOLOURED = 0.3  # fraction of the toys whose picture has another colour
_CLOSE = {"small": 2.4, "large": 3.3}  # distance at which a toy fills most of the picture


class Story(NamedTuple):
    """The pictures, captions and next shot of a clip.

    Attributes:
        pictures: uint8 [n, size, size, 3], one of each toy.
        captions: of the clip, which name its toys <1> to <n>.
        next_shot: the scene after the cut; next_captions: its captions, which use the same names.
    """

    pictures: np.ndarray
    captions: tuple[str, ...]
    next_shot: Scene
    next_captions: tuple[str, ...]


def story(split: Split, index: int, size: int) -> Story:
    """Return the story of clip `index` of a split; its pictures are squares of `size` pixels."""
    scene, rng = scenes.draw(split, index), np.random.default_rng([scenes.SPLITS.index(split), index, 3])
    shown, pictures = [], []
    for number, player in enumerate(scene.players, 1):
        toy, recoloured = player.toy, bool(rng.random() < _RECOLOURED)
        if recoloured:
            others = [colour for colour in COLOURS if colour != toy.colour]
            toy = replace(toy, colour=others[rng.integers(len(others))])
        shown.append(Shown(number, recoloured))
        pictures.append(picture(toy, rng, size))
    after = next_shot(scene, rng)
    return Story(np.stack(pictures), _said(scene, shown), after, _said(after, shown))


def picture(toy: Toy, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a picture uint8 [size, size, 3] of one toy, which fills most of it."""
    stands = Player(toy, "stands", Spins(toy, (0.0, 0.0), facing=float(rng.uniform(-0.5, 0.5))))
    scene = scenes.staged(rng, (stands,), None)
    camera = Camera(elevation=float(rng.uniform(8, 24)), distance=_CLOSE[toy.size], aim=toy.half_height)
    hour = "evening" if scene.hour == "evening" else "day"
    return np.asarray(render(stage(replace(scene, camera=camera, hour=hour), np.zeros(1)), size).picture[0])


def next_shot(scene: Scene, rng: np.random.Generator) -> Scene:
    """Return a scene in which the first toy of `scene`, or the first two, have other motions."""
    toys = [player.toy for player in scene.players][: 1 + int(rng.random() < 0.5)]
    players = scenes.again(rng, tuple(toys))
    return replace(scenes.staged(rng, players, None), sounds=scene.sounds)


def _said(scene: Scene, shown: list[Shown]) -> tuple[str, ...]:
    return (*captions.captions(scene, shown), *captions.chinese_captions(scene, shown))
