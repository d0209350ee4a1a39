"""Crops of clips: where and when each lies, mirrored, backwards and faster as often as asked."""

import numpy as np
import pytest

from reelm.data.augment import RandomClip
from reelm.errors import RequestError

FRAMES, SIDE = 12, 10


def numbered() -> np.ndarray:
    """uint8 `[T, H, W, 3]` whose channels say frame, row and column, times 20."""
    t, y, x = np.meshgrid(np.arange(FRAMES), np.arange(SIDE), np.arange(SIDE), indexing="ij")
    return (20 * np.stack([t, y, x], axis=-1)).astype(np.uint8)


def crops(count: int = 200, **options) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(frames, rows, columns) of the clip that each crop of 4 x 3 x 3 shows."""
    transform, seen = RandomClip(4, 3, **options), []
    for seed in range(count):
        crop = transform.random_map({"video": numbered()}, np.random.default_rng(seed))
        assert crop.dtype == np.float32 and crop.shape == (4, 3, 3, 3)
        places = np.round((crop + 1) * 127.5 / 20).astype(int)
        t, y, x = places[:, 0, 0, 0], places[0, :, 0, 1], places[0, 0, :, 2]
        expected = np.stack(np.meshgrid(t, y, x, indexing="ij"), axis=-1)
        np.testing.assert_array_equal(places, expected)  # one crop of the clip, not mixed
        seen.append((t, y, x))
    return seen


def test_without_options_crops_are_as_the_clip_is():
    for t, y, x in crops():
        assert all((np.diff(axis) == 1).all() for axis in (t, y, x))


def test_half_are_mirrored_and_nothing_else_changes():
    seen = crops(mirror=True)
    steps = [set(np.diff(x)) for _, _, x in seen]
    assert all(each in ({1}, {-1}) for each in steps) and 0.4 < np.mean([each == {-1} for each in steps]) < 0.6
    assert all((np.diff(t) == 1).all() and (np.diff(y) == 1).all() for t, y, _ in seen)


def test_half_run_backwards_and_nothing_else_changes():
    seen = crops(reverse=True)
    steps = [set(np.diff(t)) for t, _, _ in seen]
    assert all(each in ({1}, {-1}) for each in steps) and 0.4 < np.mean([each == {-1} for each in steps]) < 0.6
    assert all((np.diff(x) == 1).all() and (np.diff(y) == 1).all() for _, y, x in seen)


def test_speeds_that_the_clip_is_long_enough_for_are_drawn_alike():
    steps = [set(np.diff(t)) for t, _, _ in crops(speeds=(1, 3, 4))]  # four frames at speed 4 would span 13
    assert all(each in ({1}, {3}) for each in steps) and 0.4 < np.mean([each == {3} for each in steps]) < 0.6


def test_a_clip_that_is_too_short_at_every_speed_is_refused():
    with pytest.raises(RequestError, match="no crop of 13 frames"):
        crops(1, speeds=(4,))
