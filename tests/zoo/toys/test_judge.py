"""The judge of toys: how toys are found and followed, and what counts as right."""

from dataclasses import replace

import numpy as np
import pytest

from reelm.zoo.toys import judge
from reelm.zoo.toys.evaluation import scored
from reelm.zoo.toys.judge import Reading, SeenToy, looked_at
from reelm.zoo.toys.scenes import FPS, Scene, draw
from reelm.zoo.toys.stage import seen
from reelm.zoo.toys.toys import COLOURS, SHAPES

TIME = np.arange(17) / FPS


def said_of(toys: list[tuple[float, float, str, str]]) -> np.ndarray:
    """Return what the first net would say of a frame with discs at (x, y) in places, of a colour and a shape."""
    at = np.stack(np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5), -1)
    found = np.full((64, 64, 3 + sum(judge.KINDS.values())), -9.0, np.float32)
    for x, y, colour, shape in toys:
        inside = np.hypot(*np.moveaxis(at - (x, y), -1, 0)) < 5
        found[inside, 0] = 9
        found[inside, 1:3] = (((x, y) - at) * 10 / 64)[inside]
        found[inside, 3 + COLOURS.index(colour)] = 9
        found[inside, 3 + len(COLOURS) + SHAPES.index(shape)] = 9
    return found


def test_toys_that_pass_each_other_keep_their_tracks():
    frames = []
    for t in range(9):
        red, blue = (10 + 5 * t, 30.0, "red", "ball"), (50 - 5 * t, 32.0, "blue", "cube")
        frames.append(said_of([blue] if t == 4 else [blue, red]))  # the cube hides the ball
    tracks = judge._linked([judge._instances(frame) for frame in frames])
    assert sorted(len(track) for track in tracks) == [8, 9]
    for track in tracks:
        colours = {COLOURS[int(each.votes["colour"].argmax())] for each in track.values()}
        assert len(colours) == 1
        x = [each.centre[0] for each in track.values()]
        assert np.all(np.diff(x) > 0) if colours == {"red"} else np.all(np.diff(x) < 0)


def test_a_crop_follows_the_toy_over_the_edge_of_the_picture():
    video = np.zeros((3, 128, 128, 3), np.uint8)
    for t, x in enumerate((60, 124, 0)):
        video[t, 40:44, max(x - 2, 0) : x + 2] = 255
    place = np.array([[60, 42], [np.nan, np.nan], [0, 42]], np.float32) / 128
    crops, wholes, numbers = looked_at(video, place, np.full(3, 0.01, np.float32))
    assert crops.shape == (3, 24, 24, 3) and wholes.shape == (3, 32, 32, 3) and numbers.shape == (3, 4)
    assert crops[0, 11:13, 11:13].min() == 255 and crops[2, 11:13, 11].min() == 255
    np.testing.assert_allclose(numbers[1, :2], (30 / 128 * 10 - 5, 42 / 128 * 10 - 5), atol=1e-5)  # in between
    assert list(numbers[:, 2]) == [1, 0, 1]


def truth(scene: Scene) -> Reading:
    """Return what a perfect judge reads of a scene."""
    toys = [
        SeenToy(
            player.toy.shape,
            player.toy.colour,
            player.toy.material,
            player.toy.pattern,
            player.motion,
            player.side,
            track,
            np.full(17, 0.02, np.float32),
        )
        for player, track in zip(scene.players, seen(scene, TIME), strict=True)
    ]
    return Reading(tuple(toys[::-1]), scene.camera.move, scene.camera.path(TIME)[-1])


def test_truth_is_right_in_every_scene():
    scenes = [draw("test", index) for index in range(120)]
    figures = scored(scenes, [truth(scene) for scene in scenes])
    assert figures["all"] == figures["camera"] == figures["count"] == 1.0
    placed = [scene for scene in scenes if scene.link in ("left of", "right of", "on")]
    assert placed and scored(placed, [truth(scene) for scene in placed])["place"] == 1.0


@pytest.mark.parametrize("wrong", ["colour", "shape", "material", "motion", "side", "count", "camera", "place"])
def test_what_is_wrong_is_said(wrong):
    scene = next(scene for scene in map(lambda i: draw("test", i), range(999)) if _fits(scene, wrong))
    reading = truth(scene)
    *others, first = reading.toys
    match wrong:
        case "colour" | "shape" | "material" | "motion":
            known = {"colour": COLOURS, "shape": SHAPES, "material": judge.MATERIALS, "motion": judge.MOTIONS}[wrong]
            other = next(value for value in known if value != getattr(first, wrong))
            reading = replace(reading, toys=(*others, replace(first, **{wrong: other})))
        case "side":
            other = "left" if first.side == "right" else "right"
            reading = replace(reading, toys=(*others, replace(first, side=other)))
        case "count":
            reading = replace(reading, toys=(*reading.toys, first))
        case "camera":
            reading = replace(reading, camera="rises" if scene.camera.move != "rises" else "still")
        case "place":
            reading = replace(reading, toys=(*others, replace(first, track=first.track + (0.5, 0))))
    figures = scored([scene], [reading])
    assert figures["motion" if wrong == "side" else wrong] == 0.0
    assert figures["all"] == (1.0 if wrong in ("camera", "place") else 0.0)


def _fits(scene: Scene, wrong: str) -> bool:
    if wrong == "place":
        return scene.link == "left of"
    return wrong != "side" or scene.players[0].motion == "rolls" and len(scene.players) == 1
