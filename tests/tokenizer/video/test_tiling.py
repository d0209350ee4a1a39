"""Tests of tiles and memory: tiles cover a picture once and join without a seam; the error names what fits."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reelm
from reelm.data.moving_digits.scenes import example
from reelm.errors import RequestError
from reelm.evaluation.scores.pictures import psnr
from reelm.tokenizer.history import History
from reelm.tokenizer.video import tiling
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

CONFIG = VideoTokenizerConfig(
    bits=10,
    patch=(1, 4, 4),
    encoder_channels=(8, 16),
    decoder_channels=(8, 16),
    strides=((4, 2),),
    encoder_blocks=1,
    decoder_blocks=1,
)


@pytest.fixture(scope="module")
def tokenizer(random_tokenizer) -> VideoTokenizer:
    return random_tokenizer(CONFIG)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(1, 5, 64, 160, 3), dtype=np.uint8)


@given(side=st.integers(2, 12), size=st.integers(1, 60), data=st.data())
def test_tiles_cover_every_place_once_and_share_what_was_asked(side, size, data):
    overlap = data.draw(st.integers(1, side - 1))
    tiles = tiling.cut(size, side, overlap)
    assert [place for tile in tiles for place in range(tile.first, tile.last)] == list(range(size))
    for tile in tiles:
        assert 0 <= tile.start <= tile.first < tile.last <= tile.stop <= size
        assert tile.stop - tile.start == min(side, size)
    for before, after in zip(tiles, tiles[1:], strict=False):
        assert before.stop - after.start >= overlap


def test_a_pointwise_net_gives_equal_results_in_tiles(video):
    means = lambda v: v.reshape(*v.shape[:2], v.shape[2] // 8, 8, v.shape[3] // 8, 8, 3).mean((3, 5, 6)).astype(int)  # noqa: E731
    codes = means(video)
    np.testing.assert_array_equal(tiling.map_codes(means, video, 8, 6, 2), codes)
    paint = lambda ids: np.repeat(np.repeat(ids, 8, 2), 8, 3)[..., None].repeat(3, -1).astype(np.uint8)  # noqa: E731
    np.testing.assert_array_equal(tiling.map_pixels(paint, codes, 8, 6, 2), paint(codes))


def test_overlapping_tiles_are_cross_faded():
    brightness = iter((100, 140))
    paint = lambda ids: np.full((1, 1, ids.shape[2] * 8, ids.shape[3] * 8, 3), next(brightness), np.uint8)  # noqa: E731
    joined = tiling.map_pixels(paint, np.zeros((1, 1, 2, 20), np.int32), 8, 12, 4)[0, 0, 0, :, 0].astype(int)
    assert joined[:64].tolist() == [100] * 64 and joined[96:].tolist() == [140] * 64
    assert np.diff(joined).max() <= 2 and (np.diff(joined) >= 0).all()


@pytest.mark.long
def test_seams_of_the_shipped_tokenizer_are_hard_to_see():
    tokenizer = reelm.load().video_tokenizer
    clips = [example("test", i, 5)["video"] for i in range(4)]
    video = np.concatenate([np.concatenate(clips[:2], 2), np.concatenate(clips[2:], 2)], 1)
    whole = tokenizer.reconstruct(video)
    tiled = tokenizer.reconstruct(video, tile=64, overlap=32)
    assert (tiled != whole).any()
    assert psnr(whole, tiled) > 55  # the codes alone cost far more: 27 dB


def test_an_overlap_of_twice_what_a_code_sees_gives_the_codes_of_the_whole(tokenizer, video):
    ids = tokenizer.encode(video)
    np.testing.assert_array_equal(tokenizer.encode(video, tile=96, overlap=64), ids)
    narrow = tokenizer.encode(video, tile=96, overlap=16)
    assert (narrow != ids).any()
    np.testing.assert_array_equal(narrow[..., :4], ids[..., :4])


def test_reconstruct_in_tiles_keeps_the_shape(tokenizer, video):
    clip = video[0, :3, :50, :130]
    assert tokenizer.reconstruct(clip, tile=64, overlap=16).shape == clip.shape


@pytest.mark.parametrize(("tile", "overlap"), [(60, 8), (64, 12), (64, 64), (64, 0)])
def test_impossible_tiles_are_refused(tokenizer, video, tile, overlap):
    with pytest.raises(RequestError, match="multiples of 8"):
        tokenizer.encode(video, tile=tile, overlap=overlap)


def test_clips_too_large_for_memory_are_refused_with_what_fits(tokenizer):
    def empty(*shape: int) -> np.ndarray:
        return np.broadcast_to(np.zeros((), np.uint8), (*shape, 3))  # takes no memory

    with pytest.raises(RequestError, match=r"GiB, free are .* GiB; what fits: chunks of \d+ frames"):
        tokenizer.encode(empty(1, 400_001, 1024, 1024))
    with pytest.raises(RequestError, match=r"what fits: tile=\d+ \(of files --tile \d+\), smaller frames"):
        tokenizer.encode(empty(1, 1, 1 << 20, 1 << 20))


LEVELS = replace(CONFIG, bits=14, background=0.0, levels=((3, 2, 1),))


@pytest.mark.parametrize("part", ["encode", "decode"])
@pytest.mark.parametrize("config", [CONFIG, LEVELS], ids=["nets", "levels"])
def test_the_estimate_is_near_what_the_compiler_says(config, part):
    batch, frames, height, width = 2, 33, 64, 64
    if part == "encode":
        net, x, estimate = config.encoder(), (batch, frames, height, width, 3), config.encode_bytes
    else:
        net, x = config.decoder(), (batch, *config.latent_shape(frames, height, width), config.bits)
        estimate = config.decode_bytes
    params = jax.eval_shape(lambda key: init_params(config, key), jax.random.key(0))
    run = jax.jit(lambda params, x: net.apply({"params": params}, x, History()))
    stats = run.lower(params[f"{part}r"], jax.ShapeDtypeStruct(x, jnp.float32)).compile().memory_analysis()
    assert stats is not None
    actual = stats.temp_size_in_bytes + 4 * math.prod(x) + 4 * math.prod((batch, frames, height, width, 3))
    assert 0.5 < estimate(batch, frames, height, width) / actual < 2
