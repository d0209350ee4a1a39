"""Worlds: a key changes the frame that it is pressed for, and the same keys give the same frames whichever way."""

from itertools import islice

import jax
import numpy as np
import pytest
from made.models import tiny_world

from reelm.errors import RequestError
from reelm.lm.likelihood import cross_entropy
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix
from reelm.media.clip import Clip
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.play import PlaySession

KEYS = [["left"], [], ["right"], ["right"], [], ["left"], ["left"], ["right"]]


@pytest.fixture(scope="module")
def world() -> Model:
    return tiny_world()


def play(session: PlaySession, keys=KEYS) -> Clip:
    return Clip.join([session.beginning, *(session.step(each) for each in keys)])


def codes(clip: Clip) -> np.ndarray:
    assert clip.tokens is not None and clip.tokens["video"] is not None
    return clip.tokens["video"]


SETTINGS = {"seed": 3, "overlap": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("decoding", ["parallel", pytest.param("sequential", marks=pytest.mark.long)])
def test_played_or_made_at_once_in_parallel_or_one_by_one_a_clip_is_the_same(world, decoding):
    played = play(world.play(**SETTINGS))
    assert played.info["keys"] == KEYS and len(codes(played)) == 1 + len(KEYS)
    made = world.generate(keys=KEYS, decoding=decoding, **SETTINGS)
    np.testing.assert_array_equal(codes(made), codes(played))
    np.testing.assert_array_equal(made.video, played.video)
    assert made.info["keys"] == KEYS


@pytest.mark.slow
def test_samples_of_a_call_are_the_clips_of_their_seeds(world):
    asked = {"keys": KEYS[:3], "cfg_scale": 2.0}  # one window
    both = world.generate(num_samples=2, **asked, **SETTINGS)
    second = world.generate(**asked, **SETTINGS | {"seed": 4})
    np.testing.assert_array_equal(codes(both[1]), codes(second))


@pytest.mark.slow
def test_a_key_changes_the_frame_that_it_is_pressed_for_and_none_before(world):
    other = [*KEYS[:5], ["right"], *KEYS[6:]]  # one latent frame after a window was opened
    one, two = (codes(world.generate(keys=keys, **SETTINGS)) for keys in (KEYS, other))
    np.testing.assert_array_equal(one[:6], two[:6])
    assert (one[6] != two[6]).any()


@pytest.mark.slow
def test_players_beside_each_other_get_what_each_gets_alone(world):
    alone = [play(world.play(seed=seed)) for seed in (3, 4)]
    batch = ContinuousBatch(world.lm)
    requests = [plan(world, None, *read_arguments({"seed": seed}), endless=True) for seed in (3, 4)]
    sessions = [PlaySession(each, batch.join(each.drawer, each.stream, ahead=0)) for each in requests]
    pieces = [[session.beginning] for session in sessions]
    for keys in KEYS:
        for session, of_session in zip(sessions, pieces, strict=True):
            of_session.append(session.step(keys))
    for one, together in zip(alone, pieces, strict=True):
        np.testing.assert_array_equal(codes(one), codes(Clip.join(together)))


@pytest.mark.slow
def test_a_window_may_be_opened_before_its_words_and_keys_are_known(world):
    made = []
    for ahead in (False, True):
        request = plan(world, None, *read_arguments(SETTINGS), endless=True)
        slot = ContinuousBatch(world.lm).join(request.drawer, request.stream, ahead=0)
        session = PlaySession(request, slot)
        pieces = [session.beginning]
        for number, keys in enumerate(KEYS[:5]):
            if ahead:
                slot.prepare()
            pieces.append(session.step(keys, "blue" if number == 3 else None))  # the latent frame of a new window
        made.append(Clip.join(pieces))
    np.testing.assert_array_equal(codes(made[0]), codes(made[1]))
    assert (codes(made[0])[4:] != codes(world.generate(keys=KEYS[:5], **SETTINGS))[4:]).any()


@pytest.mark.slow
def test_decoding_asks_for_what_training_learned(world):
    # Greedy draws are the likeliest codes by the net that training reads, in one window.
    config, params = world.lm.config, world.lm.params
    clip = world.generate(keys=KEYS[:3], temperature=0.0, **SETTINGS)
    field = np.zeros((1, 4, 1, 1, 3), np.float32)
    for at, keys in enumerate(KEYS[:3]):
        field[0, 1 + at, 0, 0] = [1, "left" in keys, "right" in keys]
    words = prompt_prefix(config, world.lm.text, [""], rows=2, columns=3, fps=8.0)
    nats, read = {}, jax.jit(cross_entropy, static_argnums=0)
    for name, asked in {"right": field, "wrong": field[..., [0, 2, 1]], "none": None}.items():
        drawn = ClipCodes(video=codes(clip)[None], sound=np.zeros((1, 0, 0), np.int32), control=asked)
        nats[name] = np.asarray(read(config, params, words, drawn).video)[0]
    assert nats["right"].sum() < min(nats["wrong"].sum(), nats["none"].sum())
    np.testing.assert_array_equal(nats["right"][0], nats["wrong"][0])  # no key made the first


@pytest.mark.slow
def test_a_stream_is_the_same_and_waits_after_the_last_key(world):
    pieces = list(islice(world.stream(keys=KEYS[:2], **SETTINGS), 5))
    assert Clip.join(pieces).info["keys"] == [*KEYS[:2], [], []]
    np.testing.assert_array_equal(codes(Clip.join(pieces[:3])), codes(world.generate(keys=KEYS[:2], **SETTINGS)))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["jump"], "this world has no key 'jump'; its keys are left, right"),
        (["left", "right"], "this world takes 1 key at a time, not left, right"),
        (["left"] * 1000, None),
        (["left", "right"] * 500, "this world takes 1 key at a time"),
        ("left", "keys are a list of names"),
        ([3], "keys are a list of names"),
    ],
)
def test_keys_that_no_world_has_are_refused_in_a_line(world, keys, says):
    session = world.play(seed=0)
    if says is None:
        session.step(keys)
        return
    with pytest.raises(RequestError, match=says) as refused:
        session.step(keys)
    assert "\n" not in str(refused.value)
    assert len(session.step([]).video) == world.video_tokenizer.config.time_stride  # and play goes on


def test_a_model_without_keys_says_so(tiny_model):
    with pytest.raises(RequestError, match="'tiny' was not trained to be played"):
        tiny_model.generate(keys=[["left"]])
    session = tiny_model.play("a red seven moves", seed=1)
    with pytest.raises(RequestError, match="'tiny' was not trained to be played"):
        session.step(["left"])
    first = session.step()
    # Steered by words alone, it is the stream until they change.
    pieces = list(islice(tiny_model.stream("a red seven moves", seed=1), 3))
    np.testing.assert_array_equal(codes(first), codes(pieces[1]))
    np.testing.assert_array_equal(codes(session.step()), codes(pieces[2]))
    session.step(prompt="blue")


@pytest.mark.parametrize(
    ("asked", "says"), [({"keys": [["left"]]}, "step by step"), ({"num_samples": 2}, "one clip is played at a time")]
)
def test_a_session_is_of_one_clip_and_takes_keys_step_by_step(world, asked, says):
    with pytest.raises(RequestError, match=says):
        world.play(**asked)


def test_a_world_begins_with_a_recording_and_its_codes(world):
    before = world.generate(keys=KEYS[:2], **SETTINGS)
    session = world.play(video=before, seed=5)
    np.testing.assert_array_equal(codes(session.beginning), codes(before))
    made = world.generate(video=before, keys=KEYS[:3], seed=5, num_frames=1 + 4 * 5)
    np.testing.assert_array_equal(codes(play(session, KEYS[:3])), codes(made))
