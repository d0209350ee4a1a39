"""Tests of the deblocking filter: a fitted one hides the borders of patches; chunks equal the whole."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.deblocking import Deblocking
from reelm.tokenizer.video.sizes import window_sizes
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params
from reelm.train import classes, deblocking

CONFIG = VideoTokenizerConfig(
    bits=6, patch=(2, 4, 4), encoder_channels=(), decoder_channels=(), levels=((3, 2), (2, 2, 1))
)


def waves(seed: int, clips: int = 6) -> np.ndarray:
    """Smooth pictures that move, float32 `[B, 5, 24, 24, 3]`."""
    rng = np.random.default_rng(seed)
    t, y, x = np.meshgrid(np.arange(5), np.arange(24), np.arange(24), indexing="ij")
    parts = rng.uniform(-0.4, 0.4, (clips, 3, 3)) @ np.stack([t, y, x]).reshape(3, -1)
    return np.sin(parts + rng.uniform(0, 6, (clips, 3, 1))).reshape(clips, 3, 5, 24, 24).transpose(0, 2, 3, 4, 1)


def batches() -> Iterator[dict[str, np.ndarray]]:
    seed = 0
    while True:
        yield {"clips": waves(seed).astype(np.float32)}
        seed += 1


@pytest.fixture(scope="module")
def fitted() -> dict:
    clips = batches()
    transform = classes.fit(CONFIG, classes.rounds(CONFIG, clips, 3, 900))
    return {"transform": transform, "deblocking": deblocking.fit(CONFIG, transform, clips, 8_000)}


def rebuilt(fitted: dict, clips: np.ndarray) -> np.ndarray:
    params = init_params(CONFIG, jax.random.key(0))
    own = {part: {name: fitted[name] for name in leaves if name in fitted} for part, leaves in params.items()}
    tokenizer = VideoTokenizer(CONFIG, {part: {**leaves, **own[part]} for part, leaves in params.items()})
    return tokenizer.reconstruct(np.uint8(np.rint((clips + 1) * 127.5))).astype(np.float32) / 127.5 - 1


def steps_at_borders(clips: np.ndarray) -> float:
    """Size of the steps between the columns of neighbouring patches, against that of all others."""
    steps = np.abs(np.diff(clips, axis=3)).mean((0, 1, 2, 4))
    borders = np.arange(3, 23, 4)
    return steps[borders].mean() / np.delete(steps, borders).mean()


def test_the_filter_loses_less_and_hides_borders(fitted):
    clips = waves(1_000)
    alone, filtered = rebuilt({"transform": fitted["transform"]}, clips), rebuilt(fitted, clips)
    for frames in (slice(0, 1), slice(1, None)):  # the first frame has a filter of its own
        before, after = (np.mean(np.square(x[:, frames] - clips[:, frames])) for x in (alone, filtered))
        assert after < 0.8 * before
    assert steps_at_borders(filtered) < 1 + 0.6 * (steps_at_borders(alone) - 1)


def test_chunks_are_the_whole(fitted):
    filtering = Deblocking((2, 4, 4), 0.14)
    frames = waves(2).astype(np.float32)
    past = None
    parts = []
    whole = np.asarray(filtering.apply({"params": fitted["deblocking"]}, frames, History()))
    for part in (frames[:, :1], frames[:, 1:3], frames[:, 3:]):
        history = History(past)
        parts.append(np.asarray(filtering.apply({"params": fitted["deblocking"]}, part, history)))
        past = history.after
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-6)


def test_a_patch_sees_only_its_window(fitted):
    """The window is two pixels around the patch, and one frame back; other pixels change nothing."""
    frames = waves(3, 1).astype(np.float32)
    filtering = Deblocking((2, 4, 4), 0.14)

    def one(x: jax.Array) -> jax.Array:
        return jnp.asarray(filtering.apply({"params": fitted["deblocking"]}, x, History()))[0, 3, 9, 9, 0]

    seen = np.asarray(jax.grad(one)(jnp.asarray(frames)))[0]
    touched = np.argwhere(np.abs(seen).max(-1) > 0)  # frame, row, column: the patch is frames 3, 4 and rows 8 to 11
    np.testing.assert_array_equal(touched.min(0), [2, 6, 6])
    np.testing.assert_array_equal(touched.max(0), [4, 13, 13])
    assert len(touched) == window_sizes((2, 4, 4))[1] // 3
