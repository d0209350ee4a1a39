"""The judge is right about real clips, sees through softness, and is not taken in by clips that are wrong."""

import dataclasses

import jax
import numpy as np
import pytest

from reelm.data.moving_digits import mnist
from reelm.data.moving_digits.scenes import (
    COLOURS,
    DIGIT_SIZE,
    DIRECTIONS,
    Scene,
    Split,
    digits_for,
    render,
    sample_scene,
)
from reelm.evaluation.judges.digits import WEIGHTS_FILE, DigitNet, read
from reelm.evaluation.judges.train_digits import accuracy, train
from reelm.storage.tensors import load_params, save_params

CLIPS = 120


def what(scene: Scene) -> set:
    return {(mover.digit, mover.colour, mover.direction) for mover in scene.movers}


def scenes(count: int, split: Split = "test", number: int = CLIPS) -> list[Scene]:
    rng = np.random.default_rng(count)
    return [sample_scene(rng, digits_for(split), split=split, count=count) for _ in range(number)]


def clip(scene: Scene, num_frames: int = 17) -> np.ndarray:
    return render(scene, digits_for("test"), num_frames)


def share_right(count: int, split: Split = "test", num_frames: int = 17, spoil=lambda video: video) -> float:
    right = []
    for scene in scenes(count, split):
        readings = read(spoil(clip(scene, num_frames)), count)
        right.append({reading.what for reading in readings} == what(scene))
    return float(np.mean(right))


def soften(video: np.ndarray) -> np.ndarray:
    """As a lossy tokenizer leaves a clip: strokes smeared, dimmed, colours leaking, the black not quite black."""
    x = video.astype(float)
    for axis in (1, 2):
        x = (np.roll(x, 1, axis) + 2 * x + np.roll(x, -1, axis)) / 4
    leak = np.array([[0.9, 0.08, 0.05], [0.05, 0.9, 0.1], [0.1, 0.05, 0.9]])
    noise = np.random.default_rng(0).normal(0, 12, x.shape)
    return (0.8 * x @ leak + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("split", ["test", "held_out"])
@pytest.mark.parametrize(("count", "floor"), [(1, 0.98), (2, 0.96)])
def test_reads_real_clips_of_unseen_handwriting(split, count, floor):
    assert share_right(count, split) >= floor


@pytest.mark.parametrize(("count", "floor"), [(1, 0.96), (2, 0.92)])
def test_reads_soft_strokes_and_leaking_colours(count, floor):
    assert share_right(count, spoil=soften) >= floor


def test_reads_clips_that_bounce_and_cross():
    assert share_right(2, num_frames=33) >= 0.95


def test_reads_every_colour_and_direction_always():
    rng = np.random.default_rng(0)
    base = sample_scene(rng, digits_for("test"), split="test", count=1).movers[0]
    for colour in COLOURS:
        for direction in DIRECTIONS:
            mover = dataclasses.replace(base, colour=colour, direction=direction, start=(18, 18), slow=True)
            (reading,) = read(soften(clip(Scene((mover,)))))
            assert (reading.colour, reading.direction) == (colour, direction)


def test_velocity_and_centres_follow_the_digit():
    for scene in scenes(1, number=10):
        (reading,) = read(clip(scene))
        assert reading.velocity == pytest.approx(scene.movers[0].velocity, abs=0.05)
        steps = np.diff(scene.trajectory(17)[0], axis=0)
        np.testing.assert_allclose(np.diff(reading.centres, axis=0), steps, atol=1e-6)


def test_two_digits_are_not_passed_off_as_one():
    taken_in = [read(clip(scene))[0].what in what(scene) for scene in scenes(2)]
    assert np.mean(taken_in) <= 0.03


def test_one_digit_is_not_passed_off_as_two():
    for scene in scenes(2, number=40):
        readings = read(clip(Scene(scene.movers[:1])), 2)
        assert {reading.what for reading in readings} != what(scene)


def test_a_digit_that_changes_colour_half_way_has_none():
    for scene in scenes(1, number=20):
        (mover,) = scene.movers
        other = dataclasses.replace(mover, colour="red" if mover.colour != "red" else "green")
        video = np.concatenate([clip(scene)[:8], clip(Scene((other,)))[8:]])
        assert read(video)[0].colour != mover.colour


def test_what_stands_still_moves_nowhere():
    still = np.repeat(clip(scenes(1)[0])[:1], 17, axis=0)
    assert read(still)[0].direction is None
    assert read(still[:1])[0].direction is None


def test_what_moves_across_moves_in_no_direction():
    mover = dataclasses.replace(scenes(1)[0].movers[0], start=(10, 10))
    frame = clip(Scene((mover,)))[0]
    diagonal = np.stack([np.roll(frame, (i, i), axis=(0, 1)) for i in range(9)])
    assert read(diagonal)[0].direction is None


def test_an_empty_clip_shows_nothing():
    for reading in read(np.zeros((17, 64, 64, 3), np.uint8), 2):
        assert reading.what == (None, None, None)
        assert np.isnan(reading.centres).all()


def test_scribbles_are_seldom_digits():
    """Digits cut in four and put together the wrong way round."""
    digits, half = digits_for("test"), DIGIT_SIZE // 2
    rng = np.random.default_rng(0)
    named = []
    for image in digits.images[rng.choice(len(digits.images), 60)]:
        scribble = np.roll(image, (half, half), axis=(0, 1))
        frame = np.zeros((64, 64, 3), np.uint8)
        frame[10:38, 10:38] = scribble[..., None]
        named.append(read(np.stack([np.roll(frame, i, axis=1) for i in range(9)]))[0].digit is not None)
    assert np.mean(named) <= 0.3


def test_brightness_does_not_change_a_reading():
    for scene in scenes(1, number=20):
        assert read(clip(scene))[0].what == read(clip(scene) // 2)[0].what


@pytest.mark.parametrize(
    ("video", "count", "message"),
    [
        (np.zeros((9, 64, 64, 3), np.float32), 1, "uint8"),
        (np.zeros((9, 64, 64), np.uint8), 1, "T,H,W,3"),
        (np.zeros((9, 16, 64, 3), np.uint8), 1, "28"),
        (np.zeros((0, 64, 64, 3), np.uint8), 1, "frame"),
        (np.zeros((9, 64, 64, 3), np.uint8), 3, "1 or 2"),
    ],
)
def test_what_is_no_clip_is_refused(video, count, message):
    with pytest.raises(ValueError, match=message):
        read(video, count)


def test_the_shipped_weights_fit_the_net_and_read_mnist():
    expected = jax.eval_shape(DigitNet().init, jax.random.key(0), np.zeros((1, DIGIT_SIZE, DIGIT_SIZE), np.float32))
    assert jax.tree.map(np.shape, load_params(WEIGHTS_FILE)) == jax.tree.map(lambda x: x.shape, expected["params"])
    assert accuracy(load_params(WEIGHTS_FILE), mnist.load("test", "compact")) >= 0.99
    assert WEIGHTS_FILE.stat().st_size < 300_000


@pytest.mark.slow
def test_training_learns_and_saves_what_is_loaded(tmp_path):
    params = train(mnist.load("train", "compact"), steps=60, batch_size=36)
    assert accuracy(params, mnist.load("test", "compact")) >= 0.5
    save_params(params, tmp_path / "judge.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["judge.safetensors"]
    jax.tree.map(np.testing.assert_array_equal, load_params(tmp_path / "judge.safetensors"), params)
