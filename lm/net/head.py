"""The output head: hidden states to logits of codes, one sub-token at a time.

A code is a tuple of sub-tokens. Sub-token k is predicted from the hidden state and the sub-tokens before it. That is
exact (the chain rule) and far cheaper than one softmax over all codes.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.sharding import tensor_parts
from reelm.lm.specials import Group

from .config import LMConfig
from .linear import Linear, split


class ValueTable(nn.Module):
    """A vector for each value of a sub-token: a row of its own, plus a vector for each bit, signed by that bit.

    Lookup-free codes have meaning bit by bit. The shared vectors of bits are learned long before rare rows are.
    """

    bits: int
    width: int
    row_std: float
    bit_std: float

    @nn.compact
    def __call__(self) -> jax.Array:
        """Return the table `[2^bits, width]`."""
        if self.has_variable("params", "table"):  # made ready for decoding
            return self.get_variable("params", "table")
        rows = self.param("rows", nn.initializers.normal(self.row_std), (1 << self.bits, self.width))
        return signed(rows, self.param("bits", nn.initializers.normal(self.bit_std), (self.bits, self.width)))


def signed(rows: jax.Array, vectors: jax.Array) -> jax.Array:
    """Return each row of `[2^bits, D]` plus the vectors `[bits, D]` of its bits, signed by them."""
    bits = len(vectors)
    signs = 2.0 * ((jnp.arange(1 << bits)[:, None] >> jnp.arange(bits)) & 1) - 1.0
    return rows + signs @ vectors


class GatedMLP(nn.Module):
    """SwiGLU (arXiv 2002.05202), gate and up in one matmul."""

    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        both = Linear(2 * self.hidden, self.dtype, name="gate_up")(x)
        gate, up = split(both, (self.hidden, self.hidden), tensor_parts())
        return Linear(x.shape[-1], self.dtype, name="down")(nn.silu(gate) * up)


class CodeHead(nn.Module):
    """Hidden states `[..., D]` to float32 logits of one sub-token of `split` bits, given those before it."""

    split: tuple[int, ...]
    width: int
    hidden: int
    dtype: DTypeLike

    def setup(self):
        later = self.split[:-1]
        self.tables = [ValueTable(bits, self.width, 0.0, 0.0) for bits in self.split]
        self.norms = [nn.RMSNorm(dtype=self.dtype) for _ in self.split]
        self.given = [ValueTable(bits, self.width, 0.02, 0.02) for bits in later]
        self.mixers = [GatedMLP(self.hidden, self.dtype) for _ in later]
        self.mixer_norms = [nn.RMSNorm(dtype=self.dtype) for _ in later]

    def logits(self, x: jax.Array, k: int) -> jax.Array:
        """Return logits float32 `[..., 2^bits]` of sub-token k; `x` is a hidden state `with_known` those before it."""
        if k:
            # A mere sum could not say "this value only together with that"; the mixer can.
            x = x + self.mixers[k - 1](self.mixer_norms[k - 1](x))
        return jnp.einsum(
            "...d,vd->...v",
            self.norms[k](x),
            self.tables[k]().astype(self.dtype),
            preferred_element_type=jnp.float32,
        )

    def with_known(self, x: jax.Array, values: jax.Array, k: int) -> jax.Array:
        """Return a hidden state with the sub-tokens before k, with the values int32 `[...]` of sub-token k too."""
        return x + self.given[k]().astype(self.dtype)[values]

    def __call__(self, hidden: jax.Array, sub_tokens: jax.Array) -> list[jax.Array]:
        """Return the logits of every sub-token, each given the true ones before it, int32 `[..., n]`."""
        x, found = hidden, [self.logits(hidden, 0)]
        for k in range(1, len(self.split)):
            x = self.with_known(x, sub_tokens[..., k - 1], k - 1)
            found.append(self.logits(x, k))
        return found


def of_group(params: dict, group: Group) -> dict:
    """Return the parameters of a group, which hold its own {"codes", "head"} among others."""
    return params if group == "video" else params["sound"]


def code_head(config: LMConfig, group: Group, dtype: DTypeLike) -> CodeHead:
    """Return the module that turns hidden states into logits of a group's sub-tokens."""
    hidden = config.hidden if group == "video" else config.sound_hidden or config.hidden
    return CodeHead(config.split(group), config.width, hidden, dtype)


def all_logits(
    config: LMConfig, params: dict, group: Group, hidden: jax.Array, sub_tokens: jax.Array
) -> list[jax.Array]:
    """Return float32 logits of every sub-token for hidden states `[..., D]`, given the true ones int32 `[..., n]`."""
    return _apply(config, params, group, CodeHead.__call__, hidden, sub_tokens)


def logits(config: LMConfig, params: dict, group: Group, x: jax.Array, k: int) -> jax.Array:
    """Return float32 logits of sub-token `k` for hidden states `[..., D]` `with_known` the sub-tokens before it."""
    return _apply(config, params, group, CodeHead.logits, x, k)


def with_known(config: LMConfig, params: dict, group: Group, x: jax.Array, values: jax.Array, k: int) -> jax.Array:
    """Return hidden states that know sub-tokens 0 ... k - 1 with the values int32 `[...]` of sub-token `k` too."""
    return _apply(config, params, group, CodeHead.with_known, x, values, k)


def _apply(config: LMConfig, params: dict, group: Group, method: Callable, x: jax.Array, *rest: Any) -> Any:
    module, own = code_head(config, group, x.dtype), of_group(params, group)["head"]
    return module.apply({"params": own}, x, *rest, method=method)
