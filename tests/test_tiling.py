"""Tiles and memory: tiles cover a picture once, meet without a seam; what does not fit is refused by what would."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelm.tokenizer import tiling
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig, init_params

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
def tokenizer() -> VideoTokenizer:
    leaves, tree = jax.tree.flatten(init_params(CONFIG, jax.random.key(0)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return VideoTokenizer(CONFIG, jax.tree.unflatten(tree, noisy))


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


def test_a_net_that_knows_no_neighbours_gives_the_very_same_in_tiles(video):
    means = lambda v: v.reshape(*v.shape[:2], v.shape[2] // 8, 8, v.shape[3] // 8, 8, 3).mean((3, 5, 6)).astype(int)  # noqa: E731
    codes = means(video)
    np.testing.assert_array_equal(tiling.map_codes(means, video, 8, 6, 2), codes)
    paint = lambda ids: np.repeat(np.repeat(ids, 8, 2), 8, 3)[..., None].repeat(3, -1).astype(np.uint8)  # noqa: E731
    np.testing.assert_array_equal(tiling.map_pixels(paint, codes, 8, 6, 2), paint(codes))


def test_seams_fade_with_the_overlap(tokenizer, video):
    ids = tokenizer.encode(video)
    whole = tokenizer.decode(ids).astype(int)
    errors = {o: np.abs(tokenizer.decode(ids, tile=64, overlap=o) - whole) for o in (8, 32)}
    # Where no tile ends nothing changes; elsewhere a wide overlap leaves a smaller step.
    assert errors[32][:, :, :, :24].max() <= 1
    assert 0 < errors[32].mean() < 0.5 * errors[8].mean()


def test_codes_in_tiles_are_those_of_the_whole_but_near_the_cuts(tokenizer, video):
    ids = tokenizer.encode(video)
    tiled = tokenizer.encode(video, tile=64, overlap=32)
    assert tiled.shape == ids.shape
    np.testing.assert_array_equal(tiled[..., :4], ids[..., :4])
    assert np.mean(tiled == ids) > 0.9


def test_reconstruct_in_tiles_keeps_the_shape(tokenizer, video):
    clip = video[0, :3, :50, :130]
    assert tokenizer.reconstruct(clip, tile=64, overlap=16).shape == clip.shape


@pytest.mark.parametrize(("tile", "overlap"), [(60, 8), (64, 12), (64, 64), (64, 0)])
def test_impossible_tiles_are_refused(tokenizer, video, tile, overlap):
    with pytest.raises(RequestError, match="multiples of 8"):
        tokenizer.encode(video, tile=tile, overlap=overlap)


def test_what_does_not_fit_is_refused_by_what_would(tokenizer):
    def empty(*shape: int) -> np.ndarray:
        return np.broadcast_to(np.zeros((), np.uint8), (*shape, 3))  # takes no memory

    with pytest.raises(RequestError, match=r"GiB, free are .* GiB; chunks of \d+ frames fit"):
        tokenizer.encode(empty(1, 400_001, 1024, 1024))
    with pytest.raises(RequestError, match="tile=.* fits"):
        tokenizer.encode(empty(1, 1, 1 << 20, 1 << 20))


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_the_estimate_is_near_what_the_compiler_says(tokenizer, part):
    shape = (1, 17, 64, 64)
    if part == "encode":
        net, x = CONFIG.encoder(), jnp.zeros((*shape, 3))
    else:
        net, x = CONFIG.decoder(), jnp.zeros((1, *CONFIG.latent_shape(*shape[1:]), CONFIG.bits))
    del net, x
