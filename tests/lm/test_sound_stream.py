"""Sound and picture in one stream: where codes lie, what sees what, and clips of a model with sound."""

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

import reelm
from reelm.errors import RequestError
from reelm.lm.layout import Layout
from reelm.lm.likelihood import cross_entropy
from reelm.lm.net import head, transformer
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_clip
from reelm.lm.net.rotary import SlotFields
from reelm.lm.parameters import unroll
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import Group
from reelm.sampling.decoding import windows
from reelm.tokenizer.codes import ids_to_sub_tokens
from reelm.train.lm.config import LMRun
from reelm.train.lm.loss import make_loss

SOUND = (2, 8)  # audio frames beside the first latent frame, and each later one
LAYOUT = Layout(prefix=6, frames=3, rows=2, columns=3, sound=SOUND)
IS_SOUND = np.asarray(LAYOUT.interleave(jnp.zeros((1, 18), bool), jnp.ones((1, 18), bool)))[0]
CONFIG = LMConfig(
    bits=10, text_vocabulary=20, prefix=6, frames=3, width=32, layers=2, heads=4, kv_heads=2, head_width=16, hidden=48,
    sound_levels=3, sound_bits=5, sound_frames=SOUND,
)  # fmt: skip
HOT: dict[str, Any] = {"temperature": 5.0}  # the tiny model is sure of itself: at 1 its clips hardly differ


@pytest.fixture(scope="module")
def params():
    return random_params(transformer.init_params, CONFIG, noise=0.1)


# One program each: operation by operation, these few calls compile for a minute.
score = jax.jit(partial(transformer.forward_all, CONFIG), static_argnums=1)
prefill = jax.jit(partial(transformer.prefill, CONFIG), static_argnums=1)
loss_parts = jax.jit(partial(cross_entropy, CONFIG))


@partial(jax.jit, static_argnames="layout")
def extend(unrolled, layout: Layout, inputs, place, cache):
    rows = inputs.shape[0]
    positions = SlotFields.of(CONFIG, layout, layout.slots, rows)
    return transformer.extend(CONFIG, unrolled, inputs, jnp.full(rows, place), positions, cache, layout.slots)


@partial(jax.jit, static_argnames="layout")
def inputs_of(unrolled, layout: Layout, last, codes):
    """The inputs of the slots that predict the codes, of which `last` is the prefix's last one."""
    codes = embed_clip(CONFIG, unrolled, layout, codes, jnp.float32)
    return jnp.concatenate([last[:, None], codes[:, :-1]], axis=1)


@partial(jax.jit, static_argnames="group")
def logits(params, group: Group, states, sub_tokens):
    return head.all_logits(CONFIG, params, group, states, sub_tokens)


def sample(layout: Layout) -> tuple[Prefix, ClipCodes]:
    rng = np.random.default_rng(0)
    video = rng.integers(0, 1 << 10, (2, layout.frames, 2, 3), np.int32)
    sound = rng.integers(0, 32, (2, layout.codes - layout.frames * 6, 3), np.int32)
    prefix = Prefix.of_words(rng.integers(0, 276, (2, 6)).astype(np.int32), 2, 3)
    return replace(prefix, sound=sound if layout.sound_in_prefix else sound[:, :0]), ClipCodes(
        video=video, sound=sound, at_start=layout.at_start
    )


def test_a_latent_frame_is_its_picture_then_its_sound():
    assert LAYOUT.codes == 3 * 6 + 2 + 8 + 8
    frame = [False] * 6
    np.testing.assert_array_equal(IS_SOUND, [*frame, True, True, *frame, *[True] * 8, *frame, *[True] * 8])
    together = jnp.array([*range(100, 118), *range(200, 218)])  # all of the pictures, then all of the sound
    stream = LAYOUT.interleave(together[None, :18], together[None, 18:])
    np.testing.assert_array_equal(stream[0, IS_SOUND], together[18:])
    for part, own in zip(LAYOUT.separate(stream), (together[:18], together[18:]), strict=True):
        np.testing.assert_array_equal(part[0], own)
    assert [LAYOUT.end(n) for n in range(4)] == [0, 8, 22, 36]


def test_sound_and_picture_go_by_one_clock():
    places = LAYOUT.key_positions[6:]
    times, picture = places[IS_SOUND, 0], places[~IS_SOUND]
    np.testing.assert_allclose(np.diff(times), 1 / 8, atol=1e-6)  # eight audio frames a latent frame, without a gap
    np.testing.assert_array_equal(times[[1, 9, 17]], [0, 1, 2])  # the last one beside a picture ends with it
    np.testing.assert_array_equal(picture[::6, 0], [0, 1, 2])
    later = replace(LAYOUT, at_start=False)
    np.testing.assert_allclose(
        later.key_positions[6 + 14 :], LAYOUT.key_positions[6 + 8 :]
    )  # after the first latent frame


def test_every_code_of_an_endless_stream_has_its_place():
    assert [LAYOUT.stream_position(n) for n in range(4)] == [0, 8, 22, 36]
    np.testing.assert_array_equal(LAYOUT.frame_at(jnp.arange(36)), [0] * 8 + [1] * 14 + [2] * 14)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{}, {"at_start": False}, {"sound_in_prefix": True}])
def test_cached_equals_uncached(params, change):
    layout = replace(LAYOUT, **change)
    prefix, codes = sample(layout)
    assert CONFIG.layout_of(codes, prefix) == layout
    expected = score(params, layout, prefix, codes)
    unrolled = unroll(params)
    last, cache = prefill(unrolled, layout, prefix, empty_cache(CONFIG, 2, layout.slots))
    inputs, hidden, place = inputs_of(unrolled, layout, last, codes), [], 0
    for frame in range(layout.frames):
        for count in (layout.per_picture, layout.sound_of(frame)):
            more, cache = extend(unrolled, layout, inputs[:, place : place + count], place, cache)
            hidden.append(more)
            place += count
    np.testing.assert_allclose(jnp.concatenate(hidden, axis=1), expected, atol=1e-4)
    assert np.std(expected) > 0.1  # otherwise equality would say nothing


def test_what_is_heard_reaches_the_first_picture_and_other_sound_does_not(params):
    for heard in (True, False):
        layout = replace(LAYOUT, sound_in_prefix=heard)
        prefix, codes = sample(layout)
        changed = (codes.sound + 1) % 32
        other = (replace(prefix, sound=changed) if heard else prefix, replace(codes, sound=changed))
        one, two = (score(params, layout, *each)[:, :6] for each in ((prefix, codes), other))
        assert (np.abs(one - two).max() > 1e-3) == heard


def test_a_clip_without_a_track_trains_its_pictures_alone(params):
    prefix, codes = sample(LAYOUT)
    track = np.array([True, False])
    mixed = replace(codes, sound=np.where(track[:, None, None], codes.sound, -1))
    nats = loss_parts(params, prefix, mixed)
    both = loss_parts(params, prefix, codes)
    assert (np.asarray(nats.sound)[0] > 0).all() and (np.asarray(nats.sound)[1] == 0).all()
    np.testing.assert_allclose(nats.video[0], both.video[0], rtol=1e-5)
    assert np.abs(nats.video[1] - both.video[1]).max() > 1e-3  # it reads that there is none


def test_fine_levels_count_less_where_that_is_wanted(params):
    prefix, codes = sample(LAYOUT)
    nats = loss_parts(params, prefix, codes)
    run = LMRun(model=CONFIG, sound_decay=0.5, z_loss=0.0, attention="xla")
    loss, metrics = jax.jit(make_loss(run))(params, {"prefix": prefix, "codes": codes}, jax.random.key(0), jnp.int32(0))
    of_sound = nats.sound.sum(axis=(0, 1)) @ np.array([1, 0.5, 0.25])
    np.testing.assert_allclose(loss, (nats.video.sum() + of_sound) / (36 + 36), rtol=1e-5)
    np.testing.assert_allclose(metrics["nats_sound"], nats.sound.sum() / 36, rtol=1e-5)  # what they are, all the same


@pytest.mark.slow
def test_the_loss_rises_with_the_squared_log_normalisers(params):
    prefix, codes = sample(LAYOUT)
    codes = replace(codes, sound=np.where(np.array([True, False])[:, None, None], codes.sound, -1))

    def loss(weight: float) -> jax.Array:
        run, batch = LMRun(model=CONFIG, z_loss=weight, attention="xla"), {"prefix": prefix, "codes": codes}
        return jax.jit(make_loss(run))(params, batch, jax.random.key(0), jnp.int32(0))[0]

    hidden = LAYOUT.separate(score(params, LAYOUT, prefix, codes))
    video = ids_to_sub_tokens(jnp.asarray(codes.video.reshape(2, -1)), CONFIG.code)
    squares = 0.0
    groups: list[tuple[Group, jax.Array, jax.Array]] = [
        ("video", hidden[0], video),
        ("sound", hidden[1][:1], jnp.asarray(codes.sound[:1])),  # the other clip has no track
    ]
    for group, states, sub_tokens in groups:
        for values in logits(params, group, states, sub_tokens):
            values = np.asarray(values, np.float64)
            squares += np.square(np.log(np.exp(values).sum(-1))).sum()
    np.testing.assert_allclose(loss(0.5) - loss(0.0), 0.5 * squares / (36 + 18), rtol=1e-5)


@pytest.fixture(scope="module")
def clip(tiny_sound_model) -> reelm.Clip:
    return tiny_sound_model.generate("a red seven moves", num_frames=23, seed=3, **HOT)


@pytest.mark.slow
def test_a_clip_has_sound_as_long_as_its_pictures(clip):
    assert clip.audio is not None and clip.tokens is not None
    assert clip.audio.shape == (round(23 * 2000 / 8), 1) and clip.sample_rate == 2000
    assert clip.tokens["audio"].shape == (5 + 6 * 20, 2) and np.unique(clip.tokens["audio"]).size > 4
    assert clip.info["sound_forwards"] > 0


@pytest.mark.slow
def test_streams_and_both_ways_of_decoding_give_the_same_sound(tiny_sound_model, clip):
    pieces = list(islice(tiny_sound_model.stream("a red seven moves", seed=3, **HOT), 7))
    np.testing.assert_array_equal(np.concatenate([piece.audio for piece in pieces])[: len(clip.audio)], clip.audio)
    np.testing.assert_array_equal(np.concatenate([piece.video for piece in pieces])[:23], clip.video)
    slow = tiny_sound_model.generate("a red seven moves", num_frames=23, seed=3, decoding="sequential", **HOT)
    for name in ("video", "audio"):
        np.testing.assert_array_equal(slow.tokens[name], clip.tokens[name])


@pytest.mark.slow
def test_a_video_gets_its_sound_and_keeps_its_pixels(tiny_sound_model):
    video = np.random.default_rng(0).integers(0, 256, (7, 16, 24, 3), np.uint8)
    made = tiny_sound_model.generate("red", video=video, seed=1, **HOT)
    np.testing.assert_array_equal(made.video, video)
    assert made.audio.shape == (round(7 * 2000 / 8), 1)
    with pytest.raises(RequestError, match="7 frames already"):
        tiny_sound_model.generate("red", video=replace(made, info={}))  # it has its sound


@pytest.mark.parametrize("num_frames", [5, 9])
def test_a_clip_for_a_sound_has_a_window_of_its_own_length(tiny_sound_model, monkeypatch, num_frames):
    """As in training: slots of no sound behind it would be read like any other."""

    class Opened(Exception):
        pass

    def prefill(config, layout, *rest):
        raise Opened(layout)

    monkeypatch.setattr(windows, "Prefill", prefill)
    latent_frames = tiny_sound_model.latent_frames(num_frames)
    assert latent_frames < tiny_sound_model.language_model().config.frames
    with pytest.raises(Opened) as opened:
        tiny_sound_model.generate(audio=np.zeros(2000, np.float32), num_frames=num_frames, seed=1)
    [layout] = opened.value.args
    assert (layout.sound_in_prefix, layout.frames) == (True, latent_frames)


@pytest.mark.slow
def test_a_sound_gets_its_pictures(tiny_sound_model):
    sound = np.random.default_rng(0).uniform(-1, 1, 3250).astype(np.float32)  # thirteen video frames
    made = tiny_sound_model.generate(audio=sound, seed=1)
    assert len(made.video) == 13
    codes = tiny_sound_model.audio_tokenizer.encode(sound, 2000)[0]
    np.testing.assert_array_equal(made.tokens["audio"], codes)
    other = tiny_sound_model.generate(audio=sound[::-1].copy(), seed=1)
    assert (other.tokens["video"] != made.tokens["video"]).any()
    guided = tiny_sound_model.generate(audio=sound, seed=1, cfg_scale=4.0)  # towards the sound: there are no words
    assert (guided.tokens["video"] != made.tokens["video"]).any()
    longer = tiny_sound_model.generate(audio=sound[:2250], num_frames=13, seed=1, **HOT)
    assert len(longer.video) == 13 and longer.audio.shape == (3250, 1)


@pytest.mark.slow
def test_picture_and_sound_are_gone_on_with(tiny_sound_model, clip):
    begun = replace(clip, video=clip.video[:9], audio=clip.audio[:2250])
    longer = tiny_sound_model.generate("a red seven moves", video=begun, num_frames=13, seed=3, **HOT)
    whole = tiny_sound_model.generate("a red seven moves", num_frames=13, seed=3, **HOT)
    for name in ("video", "audio"):
        np.testing.assert_array_equal(longer.tokens[name], whole.tokens[name])


@pytest.mark.slow
def test_a_model_with_sound_is_saved_whole(tiny_sound_model, clip, tmp_path):
    tiny_sound_model.save(tmp_path / "model")
    there = reelm.load(str(tmp_path / "model"))
    again = there.generate("a red seven moves", num_frames=23, seed=3, **HOT)
    np.testing.assert_array_equal(again.tokens["audio"], clip.tokens["audio"])
    assert there.info()["audio tokenizer"]["codes of an audio frame"] == "2 of 4 bits"


def test_parts_that_do_not_go_together_are_refused(tiny_sound_model, tiny_model):
    with pytest.raises(RequestError, match="2 levels of sound of 4 bits, the model has no audio tokenizer"):
        replace(tiny_sound_model, audio_tokenizer=None)
    lm = replace(tiny_model.lm, config=replace(tiny_model.lm.config, bits=12))
    with pytest.raises(RequestError, match="codes of 12 bits, the video tokenizer has 10"):
        replace(tiny_model, lm=lm)
    with pytest.raises(RequestError, match="8 frames a second, not 10"):
        tiny_sound_model.generate("red", fps=10)
    with pytest.raises(RequestError, match="knows no sound"):
        tiny_model.generate(audio=np.zeros(10, np.float32))
    with pytest.raises(RequestError, match="or none of these"):
        LMConfig(sound_levels=2)
