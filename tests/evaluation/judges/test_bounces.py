"""Tests of bounces read from pixels: right frames in real clips, and none without a turn at an edge."""

import numpy as np
import pytest

from reelm.data.moving_digits import scenes as moving_digits
from reelm.data.moving_digits.scenes import DIGIT_SIZE, SIZE
from reelm.data.moving_digits.soundtracks import bounces
from reelm.evaluation.digits.generation import prompts
from reelm.evaluation.judges.bounces import Bounces, shown_bounces
from reelm.evaluation.judges.digits import Reading, read

LOW, HIGH = DIGIT_SIZE / 2 - 0.5, SIZE - DIGIT_SIZE / 2 - 0.5


def seen(way: np.ndarray) -> Bounces:
    """What is read of a mover whose centre goes that way from left to right, and stays at one height."""
    centres = np.stack([np.full(len(way), 30.0), way], axis=-1)
    return shown_bounces([Reading(digit=3, colour="red", direction="right", velocity=(0, 2), centres=centres)])


def reflected(start: float, velocity: float, frames: int) -> np.ndarray:
    straight = start - LOW + velocity * np.arange(frames)
    room = HIGH - LOW
    return LOW + room - np.abs(straight % (2 * room) - room)


@pytest.mark.slow
@pytest.mark.parametrize(("group", "exactly"), [("trained", 1.0), ("two", 0.97)])
@pytest.mark.parametrize("noise", [0, 10])
def test_true_bounces_of_real_pixels_are_found(group, exactly, noise):
    rng = np.random.default_rng(0)
    scenes, _ = prompts(group, 60)
    digits = moving_digits.digits_for("test")
    true = found = 0
    for scene in scenes:
        video = moving_digits.render(scene, digits, 25)
        video = np.clip(video + rng.normal(0, noise, video.shape), 0, 255).astype(np.uint8)
        shown = shown_bounces(read(video, len(scene.movers)))
        known = {*shown.frames.tolist(), *shown.unsure.tolist()}
        truth = bounces(scene, 25)
        true, found = true + len(truth), found + sum(frame in known for frame in truth)
        assert all(any(abs(frame - other) <= 1 for other in truth) for frame in shown.frames)
    assert true > 40 and found >= exactly * true


@pytest.mark.parametrize("speed", [1, 2])
@pytest.mark.parametrize("start", [0, 1])
def test_the_frame_is_that_of_the_scene(speed, start):
    way = reflected(LOW + start, speed, 60)
    scene = moving_digits.Scene(
        (moving_digits.Mover(digit=3, colour="red", direction="right", slow=speed == 1, image=0, start=(16, start)),)
    )
    assert seen(way).frames.tolist() == [frame for frame in bounces(scene, 60) if frame < 57]


def test_turns_away_from_the_edges_are_none():
    middle = 32 - 8 * np.abs(np.arange(24) % 8 - 4) / 4
    assert seen(middle).frames.tolist() == []
    early = np.concatenate([np.arange(24, LOW + 1, -2), np.arange(LOW + 9, 40, 2)])  # jumps off well before
    assert len(seen(early).frames) <= 1


def test_what_stands_still_or_trembles_does_not_bounce():
    assert seen(np.full(30, HIGH)).frames.tolist() == []
    assert seen(HIGH + np.random.default_rng(0).uniform(-0.6, 0.6, 30)).frames.tolist() == []
    assert shown_bounces(read(np.zeros((9, 64, 64, 3), np.uint8))).frames.tolist() == []


def test_a_bounce_that_the_clip_ends_in_is_unsure():
    way = reflected(HIGH - 20, 2, 11)  # frame 10 is at the edge
    assert seen(way).frames.tolist() == [] and 10 in seen(way).unsure
    longer = seen(reflected(HIGH - 20, 2, 20))
    assert longer.frames.tolist() == [10] and longer.unsure.tolist() == []


def test_frames_without_ink_are_bridged():
    way = reflected(HIGH - 20, 2, 20)
    way[[3, 7, 14]] = np.nan
    centres = np.stack([np.where(np.isnan(way), np.nan, 30.0), way], axis=-1)
    mover = Reading(digit=3, colour="red", direction="right", velocity=(0, 2), centres=centres)
    assert shown_bounces([mover]).frames.tolist() == [10]
