"""The output head: turns hidden states into logits of codes, one sub-token at a time.

A code is a tuple of sub-tokens. Sub-token k is predicted from the hidden state and the sub-tokens before it. That is
exact (the chain rule) and far cheaper than one softmax over all codes.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.parameters import signed
from reelm.lm.sharding import gather
from reelm.lm.specials import Group

from .config import LMConfig
from .mlp import GatedMLP


class ValueTable(nn.Module):
    """A vector for each value of a sub-token: a row of a table, plus a vector for each bit, signed by that bit.

    Lookup-free codes have meaning bit by bit. The shared vectors of bits are learned long before rare rows are.
    """

    bits: int
    width: int
    row_std: float
    bit_std: float

    @nn.compact
    def __call__(self) -> jax.Array:
        """Return the table `[2^bits, width]`."""
        if self.has_variable("params", "table"):  # prepared for decoding
            return self.get_variable("params", "table")
        rows = self.param("rows", nn.initializers.normal(self.row_std), (1 << self.bits, self.width))
        return signed(rows, self.param("bits", nn.initializers.normal(self.bit_std), (self.bits, self.width)))


class CodeHead(nn.Module):
    """Hidden states `[..., D]` to float32 logits of one sub-token of `split` bits, given those before it."""

    split: tuple[int, ...]
    width: int
    hidden: int
    dtype: DTypeLike

    def setup(self):
        others = self.split[:-1]
        self.tables = [ValueTable(bits, self.width, 0.0, 0.0) for bits in self.split]
        self.norms = [nn.RMSNorm(dtype=self.dtype) for _ in self.split]
        # Files name parameters by these attributes; `given` embeds the earlier sub-tokens.
        self.given = [ValueTable(bits, self.width, 0.02, 0.02) for bits in others]
        self.mixers = [GatedMLP(self.hidden, self.dtype) for _ in others]
        self.mixer_norms = [nn.RMSNorm(dtype=self.dtype) for _ in others]

    def logits(self, x: jax.Array, k: int) -> jax.Array:
        """Return logits float32 `[..., 2^bits]` of sub-token k; `x` is a hidden state `with_known` those before it."""
        if k:
            # A sum cannot express "this value only together with that one"; the mixer can.
            x = x + self.mixers[k - 1](self.mixer_norms[k - 1](x))
        return jnp.einsum(
            "...d,vd->...v",
            self.norms[k](x),
            self.tables[k]().astype(self.dtype),
            preferred_element_type=jnp.float32,
        )

    def with_known(self, x: jax.Array, values: jax.Array, k: int) -> jax.Array:
        """Add the values int32 `[...]` of sub-token k to a hidden state that knows the sub-tokens before k."""
        return x + jnp.asarray(self.given[k](), self.dtype)[values]

    def __call__(self, hidden: jax.Array, sub_tokens: jax.Array) -> list[jax.Array]:
        """Return the logits of every sub-token, each given the true ones before it, int32 `[..., n]`."""
        x, found = hidden, [self.logits(hidden, 0)]
        for k in range(1, len(self.split)):
            x = self.with_known(x, sub_tokens[..., k - 1], k - 1)
            found.append(self.logits(x, k))
        return found


def of_group(params: dict, group: Group) -> dict:
    """Return the parameters of a group, which include its {"codes", "head"}."""
    return params if group == "video" else params["sound"]


def code_head(config: LMConfig, group: Group, dtype: DTypeLike) -> CodeHead:
    """Return the module that turns hidden states into logits of a group's sub-tokens."""
    hidden = config.hidden if group == "video" else config.sound_hidden or config.hidden
    return CodeHead(config.split(group), config.width, hidden, dtype)


def all_logits(
    config: LMConfig, params: dict, group: Group, hidden: jax.Array, sub_tokens: jax.Array
) -> list[jax.Array]:
    """Return float32 logits of every sub-token for hidden states `[..., D]`, given the true ones int32 `[..., n]`."""
    module, own = code_head(config, group, hidden.dtype), gather(of_group(params, group)["head"])
    return cast(list, module.apply({"params": own}, hidden, sub_tokens))


def first_logits(config: LMConfig, params: dict, group: Group, hidden: jax.Array) -> jax.Array:
    """Return float32 logits of sub-token 0 for hidden states `[..., D]`."""
    module, own = code_head(config, group, hidden.dtype), of_group(params, group)["head"]
    return cast(jax.Array, module.apply({"params": own}, hidden, 0, method=CodeHead.logits))


class NextSubTokens(NamedTuple):
    """Later sub-tokens of a code that are sampled in a loop, because they and the ones before them have one size.

    Attributes:
        module: the head of a code of two sub-tokens: any of them, and the one before it.
        params: the parameters of `module` for each of them, stacked.
        indices: which sub-tokens they are.
    """

    module: CodeHead
    params: dict
    indices: range

    def logits(self, params: dict, x: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return hidden states that know one more sub-token, and the float32 logits of the next.

        Args:
            params: one element of `self.params`.
            x: hidden states `[..., D]` that know the sub-tokens before it.
            values: int32 `[...]`, of the one more sub-token.
        """
        known = cast(jax.Array, self.module.apply({"params": params}, x, values, 0, method=CodeHead.with_known))
        return known, cast(jax.Array, self.module.apply({"params": params}, known, 1, method=CodeHead.logits))


def next_sub_tokens(config: LMConfig, params: dict, group: Group, dtype: DTypeLike) -> Iterator[NextSubTokens]:
    """Yield the sub-tokens of a group's codes after the first, in order."""
    whole, own = code_head(config, group, dtype), of_group(params, group)["head"]

    def named(k: int) -> dict:
        as_second = {"tables_1": f"tables_{k}", "norms_1": f"norms_{k}"}
        parts = ("given", "mixers", "mixer_norms")
        return {name: own[of] for name, of in (as_second | {f"{part}_0": f"{part}_{k - 1}" for part in parts}).items()}

    for sizes, run in groupby(range(1, len(whole.split)), lambda k: whole.split[k - 1 : k + 1]):
        indices = list(run)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(named, indices))
        yield NextSubTokens(whole.copy(split=sizes), stacked, range(indices[0], indices[-1] + 1))
