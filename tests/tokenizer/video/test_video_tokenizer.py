"""Tests of the video tokenizer: causality, chunks, invalid shapes; with patches, with stages, and with both."""

import functools
import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelm.errors import RequestError
from reelm.tokenizer import quantizer
from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, autoencode, init_params

PATCHES = VideoTokenizerConfig(
    bits=10,
    patch=(4, 8, 8),
    encoder_channels=(16,),
    decoder_channels=(16,),
    encoder_blocks=1,
    decoder_blocks=1,
    encoder_kernel=(1, 1, 1),
    decoder_kernel=(2, 3, 3),
)
LARGER = replace(PATCHES, patch=(4, 4, 4), decoder_channels=(6, 16), decoder_scale=2, decoder_split=2)
CONFIGS = {
    "patches": replace(PATCHES, bits=36),  # more than one word of a device
    "stages": VideoTokenizerConfig(
        bits=10,
        patch=(1, 2, 2),
        encoder_channels=(6, 8, 8),
        decoder_channels=(6, 8, 8),
        strides=((2, 2), (2, 2)),
        encoder_blocks=1,
        decoder_blocks=1,
    ),
    "levels": VideoTokenizerConfig(
        bits=10,
        patch=(4, 4, 4),
        encoder_channels=(6, 8),
        decoder_channels=(6, 8),
        strides=((1, 2),),
        encoder_blocks=1,
        decoder_blocks=1,
        encoder_kernel=(1, 3, 3),
        decoder_kernel=(2, 3, 3),
        levels=((4, 3), (3, 2, 1, 1)),
    ),
    "larger": LARGER,
}


@pytest.fixture(params=CONFIGS, scope="module")
def tokenizer(request, random_tokenizer) -> VideoTokenizer:
    return random_tokenizer(CONFIGS[request.param])


def random_video(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(*shape, 3), dtype=np.uint8)


def test_no_output_frame_depends_on_a_later_input_frame(tokenizer):
    video = jax.random.uniform(jax.random.key(0), (1, 9, 16, 16, 3), minval=-1)

    @jax.jit
    @jax.grad
    def gradient_of(video, frame):
        whole, _ = autoencode(tokenizer.config, tokenizer.params, video)
        return jnp.sum(jnp.square(whole[0, frame]))

    for frame in (0, 1, 4, 5, 8):
        gradient = np.abs(np.asarray(gradient_of(video, frame)[0])).sum((1, 2, 3))
        # A latent frame covers four frames, and its code may use all of them.
        last = frame + -frame % 4
        assert gradient[: last + 1].sum() > 0
        np.testing.assert_array_equal(gradient[last + 1 :], 0)


def test_bsq_trains_on_the_sphere_and_keeps_the_codes(random_tokenizer):
    tokenizer = random_tokenizer(PATCHES)
    video = jax.random.uniform(jax.random.key(0), (1, 5, 16, 16, 3), minval=-1)
    bsq = replace(tokenizer.config, quantizer="bsq")

    @functools.partial(jax.jit, static_argnums=0)
    def run(config, params):
        rebuilt, latent = autoencode(config, params, video)
        return rebuilt, latent, quantizer.commitment(latent)

    rebuilt, latent, commitment = run(tokenizer.config, tokenizer.params)
    same, on_sphere, nearer = run(bsq, tokenizer.params)
    np.testing.assert_allclose(np.linalg.norm(on_sphere, axis=-1), np.sqrt(bsq.bits), rtol=1e-5)
    np.testing.assert_array_equal(on_sphere >= 0, latent >= 0)
    np.testing.assert_allclose(same, rebuilt, atol=1e-4)
    assert abs(nearer - commitment) > 1e-2
    shrunk = {**tokenizer.params, "encoder": {**tokenizer.params["encoder"]}}
    shrunk["encoder"]["latent"] = jax.tree.map(lambda leaf: 0.1 * leaf, tokenizer.params["encoder"]["latent"])
    np.testing.assert_allclose(run(bsq, shrunk)[1], on_sphere, rtol=1e-3, atol=1e-4)  # the length teaches nothing
    np.testing.assert_array_equal(
        VideoTokenizer(bsq, tokenizer.params).encode(np.asarray(video)), tokenizer.encode(np.asarray(video))
    )


LONGEST = 9  # latent frames: 33 frames


@pytest.fixture(scope="module")
def whole(tokenizer):
    """(video, its ids, decoded to floats) of a clip of 33 frames at once."""
    video = random_video(1, 1 + 4 * (LONGEST - 1), 8, 16)
    ids = tokenizer.encode(video)
    pixels, _ = decoded(tokenizer, ids, None)
    return video, ids, pixels


def test_shapes_and_types(tokenizer, whole):
    _, ids, _ = whole
    assert ids.shape == (1, LONGEST, 1, 2) and ids.dtype == (np.int32 if tokenizer.config.bits <= 30 else np.int64)
    video = tokenizer.decode(ids)
    assert video.shape == (1, 33, 8, 16, 3) and video.dtype == np.uint8


def test_an_image_is_a_clip_of_one_frame(tokenizer, whole):
    video, ids, pixels = whole
    np.testing.assert_array_equal(tokenizer.encode(video[:, :1]), ids[:, :1])
    np.testing.assert_array_equal(tokenizer.decode(ids[:, :1]), tokenizer.decode(ids)[:, :1])


@functools.partial(jax.jit, static_argnums=0)
def _decoded(config, params, code, past):
    history = History(past)
    return config.decoder().apply({"params": params}, code, history), history.after


def decoded(tokenizer: VideoTokenizer, ids: np.ndarray, past):
    """Frames before they are rounded, and the past of the next chunk."""
    code = np.where(ids[..., None] >> np.arange(tokenizer.config.bits) & 1, np.float32(1), np.float32(-1))
    return _decoded(tokenizer.config, tokenizer.params["decoder"], code, past)


@pytest.mark.slow
@given(first=st.sampled_from([1, 5]), later=st.lists(st.sampled_from([1, 4]), max_size=LONGEST))
@example(first=1, later=[1] * LONGEST)
@example(first=5, later=[4])
def test_chunks_equal_the_whole(tokenizer, whole, first, later):
    # As nothing depends on what comes later, a clip of any length is the beginning of the longest.
    video, whole_ids, whole_pixels = whole
    cuts = [first, *later]
    cuts = [n for n, done in zip(cuts, itertools.accumulate(cuts), strict=True) if done <= LONGEST]
    state = tokenizer.init_encode_state(height=8, width=16)
    past, done = None, 0
    for n in cuts:
        first, last = (0 if done == 0 else 4 * done - 3), 4 * (done + n) - 3
        ids, state = tokenizer.encode_chunk(video[:, first:last], state)
        np.testing.assert_array_equal(ids, whole_ids[:, done : done + n])
        pixels, past = decoded(tokenizer, ids, past)
        np.testing.assert_allclose(pixels, whole_pixels[:, first:last], atol=1e-4)
        done += n


def test_decode_chunk_gives_the_frames_of_decode(tokenizer, whole):
    _, ids, pixels = whole
    expected = (np.clip(pixels, -1, 1) + 1) * 127.5
    state, done = tokenizer.init_decode_state(height=8, width=16), 0
    for n in (1, 4):
        frames, state = tokenizer.decode_chunk(ids[:, done : done + n], state)
        there = expected[:, (0 if done == 0 else 4 * done - 3) : 4 * (done + n) - 3]
        # Rounded once, to uint8: what was rounded is that of the whole to 1e-4.
        assert frames.dtype == np.uint8 and np.abs(frames - there).max() <= 0.5 + 1e-4 * 127.5
        done += n


def test_long_clips_are_rebuilt_in_chunks_and_alike(tokenizer, whole):
    video = whole[0][0, :30]
    padded = np.pad(video, [(0, 3), (0, 0), (0, 0), (0, 0)], mode="edge")
    expected = tokenizer.decode(tokenizer.encode(padded))[0, :30]
    difference = tokenizer.reconstruct(video).astype(int) - expected
    assert np.abs(difference).max() <= 1 and np.mean(difference != 0) < 1e-3


@pytest.mark.parametrize("shape", [(2, 13, 7), (3, 2, 9, 31)])
def test_reconstruct_returns_the_shape_given(random_tokenizer, shape):
    video = random_video(*shape)
    assert random_tokenizer(CONFIGS["stages"]).reconstruct(video).shape == video.shape


def test_ids_are_the_same_for_uint8_and_float(tokenizer):
    video = random_video(1, 8, 16)
    np.testing.assert_array_equal(tokenizer.encode(video), tokenizer.encode(video.astype(np.float32) / 127.5 - 1))


@pytest.mark.parametrize(
    ("shape", "nearest"), [((6, 16, 16), "5 frames of 16x16"), ((5, 15, 30), "5 frames of 16x32"), ((3, 3, 8), "8x8")]
)
def test_an_impossible_shape_names_the_nearest(tokenizer, shape, nearest):
    with pytest.raises(RequestError, match=nearest):
        tokenizer.encode(random_video(*shape))


@pytest.mark.parametrize(
    "video",
    [
        np.zeros((5, 16, 16)),
        np.zeros((5, 16, 16, 3), np.int32),
        np.full((5, 16, 16, 3), 2.0),
        np.full((5, 16, 16, 3), np.nan),
        np.zeros((0, 16, 16, 3), np.uint8),
    ],
    ids=["rank", "dtype", "range", "nan", "empty"],
)
def test_invalid_videos_are_refused(tokenizer, video):
    with pytest.raises(RequestError):
        tokenizer.encode(video)


def test_codes_of_another_width_are_refused(tokenizer):
    with pytest.raises(RequestError, match="another tokenizer"):
        tokenizer.decode(np.full((1, 2, 2), 1 << tokenizer.config.bits))


def test_hash_follows_weights_and_config(tokenizer):
    changed = jax.tree.map(lambda leaf: leaf, tokenizer.params)
    last, leaf = ("transform", "mean") if tokenizer.config.levels else ("latent", "bias")
    changed["encoder"][last][leaf] = changed["encoder"][last][leaf] + 1e-6
    assert VideoTokenizer(tokenizer.config, changed).hash != tokenizer.hash
    assert VideoTokenizer(tokenizer.config, tokenizer.params).hash == tokenizer.hash


def test_codes_without_levels_keep_their_names():
    """Token sets hold this hash; a new field of the config must not change it."""
    config = replace(PATCHES, encoder_channels=(1,), encoder_kernel=(1, 1, 1))
    params = jax.tree.map(jnp.zeros_like, init_params(config, jax.random.key(0)))
    assert VideoTokenizer(config, params).hash == "563f7577fab63e43"


def test_a_larger_decoder_draws_the_same_codes(random_tokenizer):
    larger = random_tokenizer(LARGER)
    config = replace(larger.config, decoder_scale=1, decoder_split=1, decoder_channels=(16,))
    small = VideoTokenizer(config, {**init_params(config, jax.random.key(1)), "encoder": larger.params["encoder"]})
    video = random_video(5, 8, 12)
    doubled = video.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(larger.encode(doubled), small.encode(video))
    assert larger.hash == small.hash
    assert larger.config.decoder_shapes(9, 16, 24) == [(3, 8, 12), (3, 2, 3)]  # the finest and the old stage
    assert small.reconstruct(video).shape == video.shape and larger.reconstruct(doubled).shape == doubled.shape


def test_a_fresh_decoder_draws_the_background():
    config = PATCHES
    video = VideoTokenizer(config, init_params(config, jax.random.key(0))).reconstruct(random_video(5, 16, 16))
    np.testing.assert_array_equal(video, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"bits": 61},
        {"quantizer": "vq"},
        {"patch": (4, 8)},
        {"patch": (4, 8, 4)},
        {"strides": ((1, 0),), "encoder_channels": (8, 8), "decoder_channels": (8, 8)},
        {"strides": ((1, 2),)},
        {"encoder_channels": ()},
        {"decoder_channels": (0,)},
        {"encoder_blocks": -1},
        {"decoder_kernel": (3, 3, 0)},
        {"background": -1.5},
        {"decoder_scale": 0},
        {"decoder_finish": -1},
        {"decoder_scale": 2},
        {"decoder_scale": 2, "decoder_channels": (8, 8), "levels": ((9, 9),)},
        {"decoder_split": 3, "decoder_channels": (8, 8)},
        {"decoder_split": 2, "decoder_channels": (8, 8), "levels": ((9, 9),)},
        {"levels": ((4, 3), (3, 2))},
        {"levels": ((4, 0),)},
        {"levels": ((),)},
        {"levels": ((9, 9, 1),)},
        {"levels": ((5,),)},
        {"levels": ((6, 6), (6, 6), (6, 6))},
        {"levels": ((6, 6),), "quantizer": "bsq"},
    ],
)
def test_impossible_sizes_are_refused(fields):
    with pytest.raises(RequestError):
        VideoTokenizerConfig(**fields)


def test_frames_after_a_cut_do_not_depend_on_the_shot_before(tokenizer, whole):
    _, ids, _ = whole
    others = np.concatenate([(ids[:, :5] + 1) % (1 << 10), ids[:, 5:]], axis=1)
    made, of_others = (tokenizer.decode(each, cuts=[1, 5]) for each in (ids, others))
    np.testing.assert_array_equal(made[:, 17:], of_others[:, 17:])
    assert (made[:, 1:17] != of_others[:, 1:17]).any()
    np.testing.assert_array_equal(made[:, :1], tokenizer.decode(ids[:, :1]))
    assert made.shape == tokenizer.decode(ids).shape


@pytest.mark.parametrize("cuts", [[0], [3], [2, 1], [1, 1], [1.5]])
def test_cuts_lie_in_order_inside_the_clip(random_tokenizer, cuts):
    with pytest.raises(RequestError, match="cut"):
        random_tokenizer(PATCHES).decode(np.zeros((3, 2, 2), np.int32), cuts=cuts)
