"""Sliding windows and streams: one endless clip, of which every call gives the beginning."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

import reelm
from reelm.errors import RequestError

pytestmark = pytest.mark.slow  # long clips, and a program for each kind of prefix

LONG = 27  # frames: two windows of four latent frames, and some
HOT: dict[str, Any] = {"temperature": 5.0}  # the tiny model is sure of itself: at 1 its clips hardly differ


@pytest.fixture(scope="module")
def clip(tiny_model) -> reelm.Clip:
    return tiny_model.generate("a red seven moves", num_frames=LONG, seed=3, **HOT)


def ids(clip: reelm.Clip) -> np.ndarray:
    assert clip.tokens is not None and clip.tokens["video"] is not None
    return clip.tokens["video"]


def test_a_stream_in_pieces_is_the_clip(tiny_model, clip):
    pieces = list(tiny_model.stream("a red seven moves", num_frames=LONG, seed=3, **HOT))
    assert [len(piece.video) for piece in pieces] == [1, 4, 4, 4, 4, 4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([piece.video for piece in pieces]), clip.video)
    np.testing.assert_array_equal(np.concatenate([ids(piece) for piece in pieces]), ids(clip))
    assert pieces[-1].info | {"energy": clip.info["energy"]} == clip.info  # pieces have none of their own


@pytest.mark.parametrize("num_frames", [1, 5, 14, 25])
def test_a_clip_is_the_beginning_of_the_endless_one(tiny_model, clip, num_frames):
    shorter = tiny_model.generate("a red seven moves", num_frames=num_frames, seed=3, **HOT)
    np.testing.assert_array_equal(shorter.video, clip.video[:num_frames])


def test_no_num_frames_streams_for_ever(tiny_model, clip):
    pieces = list(islice(tiny_model.stream("a red seven moves", seed=3, **HOT), 9))
    assert sum(len(piece.video) for piece in pieces) == 33
    np.testing.assert_array_equal(np.concatenate([piece.video for piece in pieces])[:LONG], clip.video)


def test_windows_see_only_the_anchor_and_their_overlap(tiny_model, clip):
    # The second window opens at latent frame 4 with the two before it; what lies between these and the first is lost.
    def after(past: np.ndarray) -> np.ndarray:
        begun = reelm.Clip(video=clip.video[:13], fps=8.0, tokens={"video": past, "audio": None}, info=clip.info)
        return ids(tiny_model.generate("a red seven moves", video=begun, num_frames=21, seed=3, **HOT))[4:]

    codes = ids(clip)[:4]
    for changed, same in ((1, True), (2, False), (0, False)):
        past = codes.copy()
        past[changed] ^= 0b1111
        assert np.array_equal(after(past), after(codes)) == same, changed


def test_noise_does_not_repeat_from_window_to_window(tiny_model):
    still = tiny_model.generate("two", num_frames=29, seed=1, overlap=0.5, **HOT)
    frames = ids(still)[1:]
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_a_prompt_that_changes_leaves_the_past_and_changes_the_rest(tiny_model, clip):
    # Frame 8 is at one second; latent frame 3, of frames 9 to 12, is the first that begins later.
    changed = tiny_model.generate([(0.0, "a red seven moves"), (1.0, "blue")], num_frames=LONG, seed=3, **HOT)
    np.testing.assert_array_equal(ids(changed)[:3], ids(clip)[:3])
    assert (ids(changed)[3:] != ids(clip)[3:]).any()
    assert changed.info["prompt"] == [(0.0, "a red seven moves"), (1.0, "blue")]
    never = tiny_model.generate([(0, "a red seven moves"), (1e308, "blue")], num_frames=LONG, seed=3, **HOT)
    np.testing.assert_array_equal(ids(never), ids(clip))


def test_samples_and_batches_are_the_clips_of_their_seeds_also_past_the_first_window(tiny_model, clip):
    both = tiny_model.generate("a red seven moves", num_frames=LONG, seed=2, num_samples=2, **HOT)
    np.testing.assert_array_equal(ids(both[1]), ids(clip))
    lists = list(tiny_model.stream(["blue", "a red seven moves"], num_frames=5, seed=3, **HOT))
    np.testing.assert_array_equal(np.concatenate([ids(piece[1]) for piece in lists]), ids(clip)[:2])


def test_guidance_may_change_over_time(tiny_model):
    scales = (3.0, [1.0, 3.0], [3.0, 1.0])
    plain, first, later = (
        ids(tiny_model.generate("red", num_frames=9, seed=2, cfg_scale=each, **HOT)) for each in scales
    )
    assert (first[0] != plain[0]).any()
    np.testing.assert_array_equal(later[0], plain[0])
    assert (later[1:] != plain[1:]).any()


def test_a_model_refuses_what_it_was_not_trained_for(tiny_model, clip):
    assert tiny_model.lm is not None
    plain = replace(tiny_model, lm=replace(tiny_model.lm, tasks=("t2v",)))
    picture, mask = clip.video[0], np.ones((16, 24), bool)
    for settings, message in (
        ({"num_frames": 14}, "1 to 13"),
        ({"prompt": [(0.0, "red"), (0.5, "blue")]}, "one prompt"),
        ({"last_image": picture}, "image alone"),
        ({"video": clip.video[:5], "mask": mask}, "mask out"),
    ):
        with pytest.raises(RequestError, match=message) as error:
            plain.generate(**({"prompt": "red"} | settings))
        assert "\n" not in str(error.value)
    with pytest.raises(RequestError, match="1 to 13"):
        plain.stream("red")
    assert len(plain.generate("red", image=picture).video) == 5  # given codes are the past, as in all training


def test_an_unknown_argument_of_stream_is_named(tiny_model):
    with pytest.raises(TypeError, match="cfg_scale"):
        tiny_model.stream("red", guidance_scale=2.0)
