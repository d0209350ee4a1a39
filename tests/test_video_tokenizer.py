"""The video tokenizer: causal, the same in chunks, honest about shapes; as patches only, and with strided stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.request import RequestError
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig, autoencode, init_params

CONFIGS = {
    "patches": VideoTokenizerConfig(
        bits=10,
        patch=(4, 8, 8),
        encoder_channels=(16,),
        decoder_channels=(16,),
        encoder_blocks=1,
        decoder_blocks=1,
        encoder_kernel=(1, 1, 1),
        decoder_kernel=(2, 3, 3),
    ),
    "stages": VideoTokenizerConfig(
        bits=10,
        patch=(1, 2, 2),
        encoder_channels=(6, 8, 8),
        decoder_channels=(6, 8, 8),
        strides=((2, 2), (2, 2)),
        encoder_blocks=1,
        decoder_blocks=1,
    ),
}


@pytest.fixture(params=CONFIGS, scope="module")
def tokenizer(request) -> VideoTokenizer:
    config = CONFIGS[request.param]
    params = init_params(config, jax.random.key(0))
    # Fresh decoders paint a constant: noise makes every parameter count.
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return VideoTokenizer(config, jax.tree.unflatten(tree, noisy))


def random_video(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(*shape, 3), dtype=np.uint8)


def test_shapes_and_types(tokenizer):
    ids = tokenizer.encode(random_video(2, 9, 16, 24))
    assert ids.shape == (2, 3, 2, 3) and ids.dtype == np.int32
    video = tokenizer.decode(ids)
    assert video.shape == (2, 9, 16, 24, 3) and video.dtype == np.uint8


def test_an_image_is_a_clip_of_one_frame(tokenizer):
    video = random_video(1, 9, 16, 16)
    ids = tokenizer.encode(video)
    np.testing.assert_array_equal(tokenizer.encode(video[:, :1]), ids[:, :1])
    np.testing.assert_array_equal(tokenizer.decode(ids[:, :1]), tokenizer.decode(ids)[:, :1])


def test_no_output_frame_depends_on_a_later_input_frame(tokenizer):
    video = jax.random.uniform(jax.random.key(0), (1, 9, 16, 16, 3), minval=-1)

    def rebuilt(video, frame):
        whole, _ = autoencode(tokenizer.config, tokenizer.params, video)
        return jnp.sum(jnp.square(whole[0, frame]))

    for frame in (0, 1, 4, 5, 8):
        gradient = np.abs(np.asarray(jax.grad(rebuilt)(video, frame)[0])).sum((1, 2, 3))
        # A latent frame covers four frames, and its code may use all of them.
        last = frame + -frame % 4
        assert gradient[: last + 1].sum() > 0
        np.testing.assert_array_equal(gradient[last + 1 :], 0)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_chunks_equal_the_whole(tokenizer, cut):
    video = random_video(1, 25, 16, 16)
    whole_ids = tokenizer.encode(video)
    whole_video = tokenizer.decode(whole_ids)

    state, parts = tokenizer.init_encode_state(height=16, width=16), []
    for frames in np.split(video, range(1 + 4 * (cut - 1), 25, 4 * cut), axis=1):
        ids, state = tokenizer.encode_chunk(frames, state)
        parts.append(ids)
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole_ids)

    state, parts = tokenizer.init_decode_state(height=16, width=16), []
    for first in range(0, 7, cut):
        frames, state = tokenizer.decode_chunk(whole_ids[:, first : first + cut], state)
        parts.append(frames)
    difference = np.concatenate(parts, 1).astype(int) - whole_video
    # Rounding to uint8 can turn float noise of 1e-6 into one step.
    assert np.abs(difference).max() <= 1 and np.mean(difference != 0) < 1e-3


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 13, 7), (6, 17, 30), (3, 2, 9, 31)])
def test_reconstruct_returns_the_shape_given(tokenizer, shape):
    video = random_video(*shape)
    assert tokenizer.reconstruct(video).shape == video.shape


def test_ids_are_the_same_for_uint8_and_float(tokenizer):
    video = random_video(5, 16, 16)
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
def test_what_is_no_video_is_refused(tokenizer, video):
    with pytest.raises(RequestError):
        tokenizer.encode(video)


def test_codes_of_another_width_are_refused(tokenizer):
    with pytest.raises(RequestError, match="another tokenizer"):
        tokenizer.decode(np.full((1, 2, 2), 1 << 12))


def test_hash_follows_weights_and_config(tokenizer):
    changed = jax.tree.map(lambda leaf: leaf, tokenizer.params)
    changed["encoder"]["latent"]["bias"] = changed["encoder"]["latent"]["bias"] + 1e-6
    assert VideoTokenizer(tokenizer.config, changed).hash != tokenizer.hash
    assert VideoTokenizer(tokenizer.config, tokenizer.params).hash == tokenizer.hash


def test_a_fresh_decoder_paints_the_background():
    config = CONFIGS["patches"]
    video = VideoTokenizer(config, init_params(config, jax.random.key(0))).reconstruct(random_video(5, 16, 16))
    np.testing.assert_array_equal(video, 0)
