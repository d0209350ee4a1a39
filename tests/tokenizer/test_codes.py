"""Bits, ids and sub-tokens: one fixed order, exact inverses, refusals on the host."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelm.errors import RequestError
from reelm.tokenizer import codes
from reelm.tokenizer.code_spec import CodeSpec


def test_bit_order_is_fixed():
    assert codes.bits_to_ids(jnp.array([True, False, False])) == 1
    assert codes.bits_to_ids(jnp.array([False, False, True])) == 4
    assert list(codes.ids_to_sub_tokens(jnp.array(0b1_000000011), CodeSpec(bits=18))) == [3 | 0, 1]


@given(bits=st.integers(1, 30), seed=st.integers(0, 2**16))
def test_ids_bits_and_sub_tokens_are_inverses(bits, seed):
    spec = CodeSpec(bits=bits)
    ids = np.random.default_rng(seed).integers(0, 1 << bits, size=(2, 3), dtype=np.int32)
    ids[0, 0] = (1 << bits) - 1

    @jax.jit
    def there_and_back(ids: jax.Array) -> tuple[jax.Array, ...]:
        sub_tokens = codes.ids_to_sub_tokens(ids, spec)
        of_bits = codes.bits_to_ids(codes.ids_to_bits(ids, bits))
        return of_bits, sub_tokens, codes.sub_tokens_to_ids(sub_tokens, spec)

    of_bits, sub_tokens, of_sub_tokens = there_and_back(ids)
    np.testing.assert_array_equal(of_bits, ids)
    assert (np.asarray(sub_tokens) < np.array(spec.vocabulary)).all()
    np.testing.assert_array_equal(of_sub_tokens, ids)


@given(bits=st.integers(1, 30))
def test_split_covers_all_bits_nearly_evenly(bits):
    split = CodeSpec(bits=bits).split
    assert sum(split) == bits and max(split) <= 9 and max(split) - min(split) <= 1


@pytest.mark.parametrize("bad", [-1, 1 << 8])
def test_ids_out_of_range_are_refused(bad):
    with pytest.raises(RequestError, match="0 to 255"):
        codes.check_ids(np.array([0, bad]), CodeSpec(bits=8))


def test_more_bits_than_an_id_holds_are_refused():
    with pytest.raises(RequestError, match="1 to 60"):
        CodeSpec(bits=61)


@given(bits=st.integers(1, 60), seed=st.integers(0, 2**16))
def test_latents_signs_sub_tokens_and_ids_of_host_and_device_are_inverses(bits, seed):
    latents = np.random.default_rng(seed).normal(size=(2, 3, bits)).astype(np.float32)
    latents[0, 0] = 1
    spec = CodeSpec(bits=bits)

    @jax.jit
    def there_and_back(latents: jax.Array) -> tuple[jax.Array, ...]:
        ids = codes.latents_to_ids(latents)
        sub_tokens = codes.ids_to_sub_tokens(ids, spec)
        return ids, codes.ids_to_signs(ids, bits), sub_tokens, codes.sub_tokens_to_ids(sub_tokens, spec)

    there, signs, sub_tokens, back = there_and_back(jnp.asarray(latents))
    np.testing.assert_array_equal(signs, np.where(latents >= 0, 1, -1))
    np.testing.assert_array_equal(back, there)
    ids = np.array(codes.to_host(there, bits))
    assert ids.shape == (2, 3) and ids.dtype == (np.int32 if bits <= 30 else np.int64)
    codes.check_ids(ids, spec)
    # Bit j has weight 2^j, however many words there are.
    np.testing.assert_array_equal(ids, (latents >= 0).astype(np.int64) @ (1 << np.arange(bits)))
    np.testing.assert_array_equal(sub_tokens, ids[..., None] >> np.array(spec.offsets) & np.array(spec.vocabulary) - 1)
    ids[1, 1] = -1
    device = codes.to_device(ids, bits)
    assert device.dtype == np.int32
    np.testing.assert_array_equal(codes.to_host(device, bits), ids)
    np.testing.assert_array_equal(codes.are_known(jnp.asarray(device), bits), ids >= 0)
