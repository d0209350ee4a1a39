"""Tests of the upscaler: chunks, batches and tiles do not change frames; a fresh one is bicubic interpolation."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.models import tiny_upscaler

from reelm.errors import RequestError
from reelm.tokenizer.upscaling import tiles
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.upscaling.net import UpscalerNet, init_params
from reelm.tokenizer.upscaling.upscaler import Upscaler

CONFIG = UpscalerConfig(width=8, blocks=1)


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return tiny_upscaler()


def clip(frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_a_fresh_upscaler_is_bicubic_interpolation():
    video = clip(2, 16, 16)
    made = Upscaler(CONFIG, init_params(CONFIG, jax.random.key(0))).upscale(video)
    padded = np.pad(video.astype(np.float32), ((0, 0), (8, 8), (8, 8), (0, 0)), mode="edge")
    plain = jax.image.resize(padded, (2, 64, 64, 3), "cubic")[:, 16:-16, 16:-16]
    assert np.abs(made.astype(int) - np.clip(np.round(plain), 0, 255)).max() <= 1


@pytest.mark.parametrize("scale", [2, 4])
def test_chunking_does_not_change_frames(upscaler, scale):
    video = clip(6, 16, 24)
    whole, state, parts = upscaler.upscale(video, scale), upscaler.init_state(scale), []
    assert whole.shape == (6, 16 * scale, 24 * scale, 3)
    for piece in (video[:1], video[1:3], video[3:]):
        made, state = upscaler.upscale_chunk(piece, state)
        parts.append(made)
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(np.stack([*upscaler.upscale_stream(iter(video), scale)]), whole)


def test_a_clip_does_not_depend_on_others_in_its_batch(upscaler):
    both = np.stack([clip(3, 16, 16), clip(3, 16, 16, seed=1)])
    made = upscaler.upscale(both)
    assert np.array_equal(made[1], upscaler.upscale(both[1]))


def test_tiles_leave_no_seam(upscaler, monkeypatch):
    video = clip(2, 40, 56)
    whole = upscaler.upscale(video)
    monkeypatch.setattr(tiles, "LARGEST", 16)
    grid = tiles.Grid.of(40, 56)
    assert (grid.rows, grid.columns, grid.tile) == (3, 4, (16, 16))
    tiled = upscaler.upscale(video)
    # The order of sums may differ with the size of a tile, and a value may round the other way.
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert np.mean(tiled != whole) < 0.001


def test_the_receptive_field_is_the_halo(upscaler):
    halo, side = CONFIG.halo, 4
    net, key = UpscalerNet(CONFIG), jax.random.key(2)
    frames = jax.random.uniform(key, (1, CONFIG.past + 1, side + 2 * halo, side + 2 * halo, 3), minval=-1)

    def corner(x: jax.Array) -> jax.Array:
        return jnp.sum(cast(jax.Array, net.apply({"params": upscaler.params}, x))[0, 0, 0])

    slopes = jax.grad(corner)(frames)
    touched = np.abs(np.asarray(slopes[0])).sum((0, 3)) > 0
    assert touched[0, 0] and not touched[-2:].any() and not touched[:, -2:].any()
    assert np.abs(np.asarray(slopes[0, 0])).sum() > 0  # and so many frames back


def test_only_the_configured_past_frames_are_seen(upscaler):
    video = clip(CONFIG.past + 2, 16, 16)
    other = video.copy()
    other[0] = 255 - other[0]
    made, changed = upscaler.upscale(video), upscaler.upscale(other)
    assert not np.array_equal(made[CONFIG.past], changed[CONFIG.past])
    assert np.array_equal(made[CONFIG.past + 1], changed[CONFIG.past + 1])


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (130, 20)])
def test_any_frame_size_is_enlarged(upscaler, size):
    height, width = size
    assert upscaler.upscale(clip(1, height, width)).shape == (1, 2 * height, 2 * width, 3)


@pytest.mark.parametrize(
    ("video", "scale", "words"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), 2, "uint8"),
        (np.zeros((8, 8, 3), np.uint8), 2, "[T, H, W, 3]"),
        (np.zeros((0, 8, 8, 3), np.uint8), 2, "[T, H, W, 3]"),
        (np.zeros((1, 8, 8, 3), np.uint8), 3, "2 or 4"),
        (np.zeros((1, 8, 8, 3), np.uint8), "two", "whole number"),
    ],
)
def test_invalid_videos_and_scales_are_refused(upscaler, video, scale, words):
    with pytest.raises(RequestError, match=words.replace("[", r"\[").replace("]", r"\]")):
        upscaler.upscale(video, scale)
