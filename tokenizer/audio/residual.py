"""Residual lookup-free quantization: each round takes the signs of the remainder of the rounds before it.

In: latents `float [..., D]` in [-2, 2], D = G K for G groups of K. Out: signs `float [..., L, K]`, one code of K bits a
level, and back. The levels are all groups of the first round, then all of the second. So the language model draws first
what matters most, and the first levels by themselves are the same sound at a lower bit rate. Round r has the fixed
scale 2^-r, so that R rounds are a uniform quantizer of 2^R values a dimension. The levels follow the residual quantizer
of SoundStream (arXiv 2107.03312, section III-C), the signs follow `quantizer.py`; there is no table.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from reelm.tokenizer.quantizer import quantize


@dataclass(frozen=True, kw_only=True)
class ResidualQuantizer:
    """Sizes of a residual quantizer.

    Attributes:
        bits: K, the bits of a level's code.
        groups: G, the levels of a round.
        levels: L, a multiple of `groups`.
        whole: number of first values of a latent that already are signs and so leave no remainder. Each later round
            takes as many separate values in their place, which follow the others in the latent.
    """

    bits: int
    groups: int
    levels: int
    whole: int = 0

    @property
    def rounds(self) -> int:
        return self.levels // self.groups

    @property
    def size(self) -> int:
        """The number D of values of a latent."""
        return self.groups * self.bits + self.whole * (self.rounds - 1)

    def remainders(self, latent: jax.Array) -> jax.Array:
        """Return the remainder that each level quantizes, in units of its scale: `[..., D]` -> `[..., L, K]`.

        The signs of a remainder are the level's code. Scaling by powers of two is exact. Gradients flow only to the
        latent: a level treats the signs of earlier levels as constants.
        """
        left, own = jnp.split(latent, [self.groups * self.bits], axis=-1)
        seen = []
        for number in range(self.rounds):
            seen.append(left.reshape(*left.shape[:-1], self.groups, self.bits))
            left = 2.0 * (left - jax.lax.stop_gradient(quantize(left)))
            if self.whole:
                mine = own[..., number * self.whole : (number + 1) * self.whole]
                left = jnp.concatenate([mine, left[..., self.whole :]], axis=-1)
        return jnp.concatenate(seen, axis=-2)

    def values(self, signs: jax.Array) -> jax.Array:
        """Return the latent of signs -1 and +1: `float [..., n, K]` -> `[..., D]`, odd multiples of 2^(1 - L / G).

        A sign of 0 means unknown, and the levels from n on are unknown. A value whose first sign is unknown is 0.
        """
        *batch, count, _ = signs.shape
        signs = jnp.pad(signs, [*[(0, 0)] * len(batch), (0, self.levels - count), (0, 0)])
        rounds = signs.reshape(*batch, self.rounds, self.groups * self.bits)
        scales = 0.5 ** jnp.arange(self.rounds, dtype=jnp.float32)
        refined = jnp.sum(rounds[..., self.whole :] * scales[:, None], axis=-2)
        own = rounds[..., 1:, : self.whole].reshape(*batch, -1)
        return jnp.concatenate([rounds[..., 0, : self.whole], refined, own], axis=-1)

    def quantize(self, latent: jax.Array, kept: jax.Array | None = None) -> jax.Array:
        """Round latents `[..., D]` to the nearest value of L levels, within 2^(1 - L / G) for latents in [-2, 2].

        kept: int `[...]`, the number of first levels that each latent keeps; None for all. The gradient passes straight
        through to the values that are known.
        """
        signs = jnp.where(self.remainders(latent) >= 0, 1.0, -1.0)
        if kept is not None:
            signs = jnp.where(jnp.arange(self.levels)[:, None] < kept[..., None, None], signs, 0.0)
        nearest = self.values(signs).astype(latent.dtype)
        latent = latent if kept is None else jnp.where(nearest == 0, 0, latent)
        return latent + jax.lax.stop_gradient(nearest - latent)
