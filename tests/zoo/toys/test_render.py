"""Pictures show the stage: toys where they are projected, whole, and the same whichever tiles are drawn closely."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from reelm.zoo.toys import render as rendering
from reelm.zoo.toys import scenes
from reelm.zoo.toys.acts import Spins, Swings
from reelm.zoo.toys.render import render
from reelm.zoo.toys.scenes import Camera, Player, Scene
from reelm.zoo.toys.stage import seen, stage
from reelm.zoo.toys.toys import SHAPES, Toy

SIZE = 64


def scene_of(*players: Player, **other) -> Scene:
    scene = Scene(players, None, "tiles", "day", Camera(elevation=13.0), light=30.0, turned=10.0, sounds=True, seed=3)
    return replace(scene, **other)


def standing(toy: Toy, x: float = 0.0, y: float = 0.0) -> Player:
    return Player(toy, "stands", Spins(toy, (x, y)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_toy_is_seen_where_its_centre_is_projected_at_its_distance(shape):
    toy = Toy(shape, "red", "rubber", "large")
    scene = scene_of(standing(toy, 0.6, 0.3))
    drawn = render(stage(scene, np.zeros(1)), SIZE)
    mask = np.asarray(drawn.toy[0]) == 0
    at = np.argwhere(mask).mean(0)[::-1] / SIZE
    # A cone's tip weighs less than its foot.
    assert np.allclose(at, seen(scene, np.zeros(1))[0, 0], atol=0.075 if shape == "cone" else 0.03)
    nearest = np.asarray(drawn.depth[0])[mask].min()
    away = scene.camera.distance + 0.3  # it stands that much behind the middle
    assert nearest == pytest.approx(away - toy.half_width, abs=0.35)
    assert np.isinf(np.asarray(drawn.depth[0])[:4]).all()
    red, green, _ = np.asarray(drawn.picture[0])[mask].mean(0)
    assert red > 2 * green


def test_all_tiles_drawn_closely_show_no_toy_and_no_shadow_that_was_missed(monkeypatch):
    """What `_touched` leaves out differs from a close look only by how finely the floor is sampled."""
    closely: Any = render
    closely = closely.__wrapped__  # without the compiled program, which knows the usual tiles
    for index in (3, 5, 11, 43):
        staged = stage(scenes.draw("train", index), np.array([0.0, 0.75]))
        drawn = render(staged, SIZE)
        with monkeypatch.context() as patched:
            patched.setattr(rendering, "_touched", lambda *_: jnp.ones((SIZE // 16, SIZE // 16), bool))
            close = closely(staged, SIZE)
        assert np.array_equal(drawn.toy, close.toy)
        error = np.abs(np.asarray(drawn.picture, int) - np.asarray(close.picture, int)).max(-1)
        assert (error > 60).mean() < 2e-3 and error.mean() < 2.0


def test_a_shadow_falls_away_from_the_light():
    toy = Toy("cube", "green", "wood", "large")
    left, right = (
        np.asarray(render(stage(scene_of(standing(toy), light=side, floor="snow"), np.zeros(1)), SIZE).picture[0], int)
        for side in (-60.0, 60.0)
    )
    row = slice(int(0.62 * SIZE), int(0.75 * SIZE))
    assert right[row, : SIZE // 3].mean() < left[row, : SIZE // 3].mean() - 4
    assert left[row, -SIZE // 3 :].mean() < right[row, -SIZE // 3 :].mean() - 4


def test_what_is_in_front_hides_what_is_behind():
    front, back = Toy("cube", "red", "rubber", "large"), Toy("ball", "blue", "rubber", "small")
    drawn = render(stage(scene_of(standing(front, 0, -1.0), standing(back, 0, 1.0)), np.zeros(1)), SIZE)
    alone = render(stage(scene_of(standing(back, 0, 1.0)), np.zeros(1)), SIZE)
    assert (np.asarray(drawn.toy) == 1).sum() < 0.5 * (np.asarray(alone.toy) == 0).sum()


def test_a_string_runs_from_the_toy_upwards():
    toy = Toy("ball", "white", "rubber", "small")
    scene = scene_of(Player(toy, "swings", Swings(toy, (0.0, 0.0, 3.1), 2.0, 0.0)))
    drawn = render(stage(scene, np.zeros(1)), SIZE)
    bare = render(stage(scene_of(standing(toy)), np.zeros(1)), SIZE)
    column = np.abs(np.asarray(drawn.picture[0], int) - np.asarray(bare.picture[0], int)).max(-1)[: SIZE // 5]
    assert (column.max(1) > 12).all() and np.abs(np.argmax(column, 1) + 0.5 - SIZE / 2).max() < 1


def test_a_camera_that_circles_right_sees_what_is_near_move_left():
    toy = Toy("cone", "yellow", "wood", "small")
    circling = replace(Camera(elevation=13.0), move="circles right", rate=12.0)
    near, far = (seen(scene_of(standing(toy, 0, y), camera=circling), np.array([0.0, 2.0]))[0] for y in (-1.0, 1.0))
    assert near[1, 0] < near[0, 0] and far[1, 0] > far[0, 0]


def test_a_size_that_is_no_multiple_of_a_tile_is_refused():
    with pytest.raises(ValueError, match="size is 100; it must be a multiple of 16"):
        render(stage(scenes.draw("train", 0), np.zeros(1)), 100)
