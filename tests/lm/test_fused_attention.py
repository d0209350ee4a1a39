"""Fused attention is attention under the stream's mask: values and gradients, and the choice of the kernel."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.lm.layout import Layout
from reelm.lm.net.attention import attend
from reelm.lm.net.fused_attention import PrefixAttention, in_blocks, in_two_calls, kernel_for

LAYOUT = Layout(prefix=9, frames=2, rows=2, columns=3, given_pictures=1)


@pytest.fixture(scope="module")
def heads() -> list[jax.Array]:
    """Queries of four heads, keys and values of two, over all slots of a sample."""
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = [(2, LAYOUT.slots, n, 128) for n in (4, 2, 2)]
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def plain(query, key, value):
    return attend(query, key, value, jnp.asarray(LAYOUT.mask))


def results(attention, heads) -> tuple[jax.Array, ...]:
    """What attention gives, and the gradients of a sum over it in queries, keys and values."""
    value = lambda *heads: (jnp.sum(jnp.sin(y := attention(*heads))), y)  # noqa: E731
    (_, y), gradient = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2), has_aux=True))(*heads)
    return (y, *gradient)


@pytest.mark.slow
def test_two_calls_are_attention_under_the_mask_of_the_stream(heads):
    ours = results(lambda q, k, v: in_two_calls(q, k, v, LAYOUT.before, "xla"), heads)
    for one, other in zip(ours, results(plain, heads), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("size", [4, 8, 64])
def test_blocks_are_attention_under_the_mask_of_the_stream(heads, monkeypatch, size):
    monkeypatch.setattr("reelm.lm.net.fused_attention._QUERIES", size)
    ours = results(lambda q, k, v: in_blocks(q, k, v, LAYOUT.before), heads)
    for one, other in zip(ours, results(plain, heads), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.long
@pytest.mark.slow
def test_splash_is_attention_under_the_mask_of_the_stream(heads, monkeypatch):
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel

    make = splash_attention_kernel.make_splash_mha
    monkeypatch.setattr(splash_attention_kernel, "make_splash_mha", partial(make, interpret=True))
    ours = results(PrefixAttention(LAYOUT.before, "splash"), heads)
    for one, other in zip(ours, results(plain, heads), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    ("backend", "head_width", "dtype", "sequence", "kernel"),
    [
        ("cpu", 128, "bfloat16", 1, "blocks"),
        ("cpu", 48, "float32", 1, "blocks"),
        ("cpu", 48, "float32", 2, "xla"),
        ("gpu", 64, "bfloat16", 1, "cudnn"),
        ("gpu", 64, "float32", 1, "xla"),
        ("gpu", 128, "bfloat16", 2, "xla"),
        ("tpu", 128, "bfloat16", 1, "splash"),
        ("tpu", 64, "bfloat16", 1, "xla"),
    ],
)
def test_the_kernel_is_what_the_device_has(backend, head_width, dtype, sequence, kernel):
    assert kernel_for(backend, head_width, dtype, sequence) == kernel
