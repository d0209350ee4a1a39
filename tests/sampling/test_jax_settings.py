"""A clip is that of its seed whatever the process has set for its own JAX code."""

import contextlib

import jax
import numpy as np
import pytest

from reelm.programs import kept
from reelm.programs.program import forget

SETTINGS = [
    ("jax_enable_x64", True),
    ("jax_numpy_dtype_promotion", "strict"),
    ("jax_numpy_rank_promotion", "raise"),
    ("jax_transfer_guard", "disallow"),
    ("jax_default_prng_impl", "rbg"),
    ("jax_default_prng_impl", "unsafe_rbg"),
    ("jax_threefry_partitionable", False),
    ("jax_debug_nans", True),
]


@contextlib.contextmanager
def set_to(name, value):
    """Set an option of JAX; programs are traced anew under it."""
    before = getattr(jax.config, name)
    forget()
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)
        forget()


@pytest.fixture(scope="module")
def asked():
    return {"image": np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8), "num_frames": 9, "seed": 3}


@pytest.fixture(scope="module")
def made(tiny_sound_model, asked):
    return [tiny_sound_model.generate("red", **asked), *tiny_sound_model.generate("red", num_samples=2, **asked)]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=str)
def test_a_clip_is_that_of_its_seed(tiny_sound_model, asked, made, name, value, monkeypatch):
    monkeypatch.setattr(kept, "_folder", None)
    with set_to(name, value):
        again = [tiny_sound_model.generate("red", **asked), *tiny_sound_model.generate("red", num_samples=2, **asked)]
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.video, other.video)
        np.testing.assert_array_equal(one.audio, other.audio)
