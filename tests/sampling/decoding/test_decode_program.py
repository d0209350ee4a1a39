"""What XLA makes of decoding: read from the compiled program of a small net."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import narrowed, unroll
from reelm.lm.prefix import Prefix
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram

# No other array has the shape of a kernel.
CONFIG = LMConfig(
    bits=10, text_vocabulary=20, prefix=6, frames=2, width=32, layers=2, heads=4, kv_heads=2, head_width=16, hidden=80
)
LAYOUT = CONFIG.layout(2, 3, 3)
SIZES = np.array([LAYOUT.per_picture], np.int32)


@cache
def compiled(window: int) -> Any:
    """The program of a picture, of int8 weights."""
    params = jax.eval_shape(lambda: narrowed(unroll(init_params(CONFIG, jax.random.key(0))), "int8"))
    prefix = Prefix.of_words(jnp.zeros((1, CONFIG.prefix), jnp.int32), LAYOUT.rows, LAYOUT.columns)
    keys = jax.random.split(jax.random.key(0), 1)
    prefill = Prefill(CONFIG, LAYOUT, LAYOUT.slots, window, False, jnp.float32)
    state = jax.eval_shape(prefill.start, params, prefix, 0, keys, None)
    sampling = SamplingParams.of(1)
    program = FrameProgram(CONFIG, LAYOUT, LAYOUT.frames, "video", window)
    draw: Any = FrameProgram.draw_program.jitted
    passes = LAYOUT.per_picture if window == 1 else None  # as on a GPU
    return draw.lower(program, passes, params, state, SIZES, sampling).compile()


def loop(window: int) -> str:
    """The instruction that goes from code to code."""
    lines = str(compiled(window).as_text()).splitlines()
    (found,) = (line for line in lines if re.search(r' while\(.*jit\(draw_program\)/while"', line))
    return found


@pytest.mark.parametrize("window", [1, 4])
def test_int8_kernels_are_widened_where_they_are_read_and_not_once_before_the_loop(window):
    shapes = jax.eval_shape(lambda: init_params(CONFIG, jax.random.key(0)))
    kernels = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(shapes) if path[-1].key == "kernel"]
    assert len(kernels) == 6  # four of the stacked layers, two of the head
    carried = loop(window).split(" while(")[0]
    for kernel in kernels:
        rows, columns = kernel.shape[-2:]
        assert set(re.findall(rf"(\w+)\[{rows},{columns}\]", carried)) == {"s8"}


def test_the_program_of_decoding_one_by_one_knows_how_long_its_loop_is():
    assert f'"known_trip_count":{{"n":"{LAYOUT.per_picture}"}}' in loop(1)


def test_every_latent_frame_is_the_same_program():
    """A state of other types than before, be it a weak dtype alone, would compile all anew at the second frame."""
    config = replace(CONFIG, sound_levels=2, sound_frames=(1, 3))
    layout = config.layout(2, 3, 3)
    params = jax.eval_shape(lambda: unroll(init_params(config, jax.random.key(0))))
    prefix = Prefix.of_words(jnp.zeros((1, config.prefix), jnp.int32), layout.rows, layout.columns)
    keys = jax.random.split(jax.random.key(0), 1)
    prefill = Prefill(config, layout, layout.slots, 4, False, jnp.float32)
    first = jax.eval_shape(prefill.start, params, prefix, 0, keys, None)
    sampling = SamplingParams.of(1)
    picture, sound = (FrameProgram(config, layout, 2, group, 4) for group in ("video", "sound"))
    draw: Any = FrameProgram.draw_program.jitted
    read: Any = FrameProgram.read.jitted
    after = {
        "a picture drawn": draw.eval_shape(picture, None, params, first, np.array([9], np.int32), sampling)[2],
        "sound drawn": draw.eval_shape(sound, None, params, first, np.array([1], np.int32), sampling)[2],
        "a picture read": read.eval_shape(picture, params, first, jnp.zeros((1, 3, 3), jnp.int32)),
        "sound read": read.eval_shape(sound, params, first, jnp.zeros((1, 1, 2), jnp.int32)),
    }
    for what, state in after.items():
        assert state == first, what


@pytest.mark.slow
def test_the_cache_is_given_away_and_written_where_it_lies():
    shapes = jax.eval_shape(lambda: unroll(init_params(CONFIG, jax.random.key(0))))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    prefix = Prefix.of_words(jnp.zeros((1, CONFIG.prefix), jnp.int32), LAYOUT.rows, LAYOUT.columns)
    keys = jax.random.split(jax.random.key(0), 1)
    state = Prefill(CONFIG, LAYOUT, LAYOUT.slots, 1, False, jnp.float32).start(params, prefix, 0, keys, None)
    cache = jax.tree.leaves(state.cache)
    places = [leaf.unsafe_buffer_pointer() for leaf in cache]
    sampling = SamplingParams.of(1)
    program = FrameProgram(CONFIG, LAYOUT, LAYOUT.frames, "video")
    state = program.draw(params, state, SIZES, sampling)[-1]
    assert all(leaf.is_deleted() for leaf in cache)
    assert [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state.cache)] == places
