"""Score how well a model of toys follows captions (`reelm evaluate generation --task toys`, and `--task toys-chinese`).

In: a `Model`. Out: figures for each group of prompts, as plain JSON values, and the same for renders of these scenes
rebuilt by the tokenizer, which is the best that a language model can reach. Clips are read by `judge.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice, permutations
from pathlib import Path
from typing import Any

import numpy as np

from reelm.evaluation.groups import Group, HasVideo, check_at_least, judged_groups
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .captions import captions, chinese_captions
from .judge import Reading, SeenToy, read
from .render import render
from .scenes import FPS, Player, Scene, Split, draw
from .source import SIZE
from .stage import stage

FRAMES = 17
_PLACES = ("left of", "right of", "behind", "in front of", "on")
_SHEET_ROWS = 25

_GROUPS: Mapping[str, tuple[Split, Callable[[Scene], bool]]] = {
    "trained": ("test", lambda scene: len(scene.players) == 1),
    "held_out": ("held_out", lambda scene: len(scene.players) == 1),
    "two": ("test", lambda scene: len(scene.players) == 2 and scene.link is None),
    "places": ("test", lambda scene: scene.link in _PLACES),
    "camera": ("test", lambda scene: len(scene.players) == 1 and scene.camera.move != "still"),
}


def generation(
    model: Model,
    *,
    clips: int = 200,
    batch: int = 10,
    seed: int = 0,
    best_of: int = 1,
    chinese: bool = False,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Score clips of two seconds from plain captions of unseen scenes, `clips` of each group.

    trained: one toy, a combination of colour, material, shape and motion that training shows
    held_out: one toy, a combination that training never shows
    two: two independent toys
    places: a toy left of, right of, behind, in front of or on another one
    camera: one toy and a moving camera

    Figures of a group are rates with 95% intervals, see `scored`; `rebuilt` has those of the real clips. Batch i is
    generated with seed + i, each clip the best of `best_of`. sheets: a folder for contact sheets GROUP.png.
    """
    check_at_least(1, clips=clips, batch=batch)

    def group(split: Split, belongs: Callable[[Scene], bool]) -> Group:
        scenes = list(islice(filter(belongs, _scenes(split)), clips))
        prompts = [(chinese_captions if chinese else captions)(scene)[0] for scene in scenes]

        def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
            rebuilt = (model.video_tokenizer.reconstruct(_drawn(scene)) for scene in scenes)
            scores = scored(scenes, [read(clip.video) for clip in made])
            return scores | {"rebuilt": scored(scenes, [read(video) for video in rebuilt])}

        return Group(prompts, min(batch, len(scenes)), judge)

    return judged_groups(
        model,
        {name: group(*of) for name, of in _GROUPS.items()},
        seed=seed,
        num_frames=FRAMES,
        best_of=best_of,
        sheets=sheets,
        sheet_rows=_SHEET_ROWS,
        progress=progress,
    )


in_chinese = partial(generation, chinese=True)


def scored(scenes: Sequence[Scene], readings: Sequence[Reading]) -> dict[str, Any]:
    """Return the figures of clips, given their target scenes: the fraction of clips in which each of these is right.

    all: colour, material, shape and motion of every toy, and there is no other toy; `all_interval`, its Wilson bounds
    colour, material, shape, motion: of every toy; a motion includes the side that the caption names
    count: the number of toys
    place: position of the first toy relative to the second; None if the caption names none
    camera: the motion of the camera
    """
    rows = [_right(scene, reading) for scene, reading in zip(scenes, readings, strict=True)]
    placed = [scene.link for scene in scenes if scene.link in _PLACES]
    figures: dict[str, Any] = {
        name: float(np.mean([row[name] for row in rows])) for name in rows[0] if placed or name != "place"
    }
    return {"clips": len(rows), "all_interval": list(wilson_interval(sum(row["all"] for row in rows), len(rows)))} | (
        {"place": None} | figures
    )


def _right(scene: Scene, reading: Reading) -> dict[str, bool]:
    """Return which of these are right in a clip. Each seen toy is matched to the most similar player."""
    players, toys = scene.players, reading.toys[: len(scene.players) + 1]
    best, paired = dict[str, list[bool]](), list[SeenToy]()
    for order in permutations(toys, min(len(players), len(toys))):
        found = [_agrees(*pair) for pair in zip(players, order, strict=False)]
        found += [dict.fromkeys(_NAMES, False)] * (len(players) - len(found))
        of = {name: [each[name] for each in found] for name in _NAMES}
        if not best or sum(map(sum, of.values())) > sum(map(sum, best.values())):
            best, paired = of, [*order]
    right = {name: all(each) for name, each in best.items()} | {"count": len(reading.toys) == len(players)}
    return {
        "all": all(right.values()),
        **right,
        "place": len(paired) > 1 and scene.link in _PLACES and _placed(scene.link, *paired[:2]),
        "camera": reading.camera == scene.camera.move,
    }


_NAMES = ("colour", "material", "shape", "motion")


def _agrees(player: Player, seen: SeenToy) -> dict[str, bool]:
    toy = player.toy
    sided = player.motion in ("rolls", "slides")
    return {
        "colour": seen.colour == toy.colour,
        "material": seen.material == toy.material,
        "shape": seen.shape == toy.shape,
        "motion": seen.motion == player.motion and (not sided or seen.side == player.side),
    }


def _placed(link: str, first: SeenToy, second: SeenToy) -> bool:
    """Return whether the first toy is where a link says: a toy behind another is higher in the picture and smaller."""
    (x, y), (other_x, other_y) = (np.nanmedian(toy.track, axis=0) for toy in (first, second))
    return {
        "left of": x < other_x - 0.06,
        "right of": x > other_x + 0.06,
        "behind": y < other_y,
        "in front of": y > other_y,
        "on": y < other_y - 0.06 and abs(x - other_x) < 0.06,
    }[link]


def _scenes(split: Split) -> Iterator[Scene]:
    return (draw(split, index) for index in count())


def _drawn(scene: Scene) -> np.ndarray:
    return np.asarray(render(stage(scene, np.arange(FRAMES) / FPS), SIZE).picture)
