"""The moving part of decoding: one pytree that goes into each program and comes out of it."""

import jax
import jax.numpy as jnp
from flax import struct

from reelm.lm.net.attention import Cache
from reelm.lm.net.transformer import CodePositions
from reelm.lm.sharding import constrain
from reelm.lm.specials import Group


class DecodeState(struct.PyTreeNode):
    """Everything that moves while B clips are decoded in R rows; R is B, or 2B with guidance, conditional rows first.

    Attributes:
        code_positions: positions of the window's codes.
        cache: keys and values of the prefix and of all codes but the last, `[R, S, N_kv, K]` a layer. Slots behind them
            hold wrong guesses, and are written again.
        last: `[R, D]`, the input of the slot that predicts the next code: that of the last code, or of the prefix.
        guesses: group -> sub-tokens int32 `[B, N, n]`, what to try first in the next latent frame; -1 for no idea.
        position: int32 scalar, number of codes known; the index of the next one in the window.
        origin: int32 scalar, position of the window's first code in the whole endless stream. Draws are keyed by
            positions in the stream.
        keys: random keys `[B]`, one a clip.
    """

    code_positions: CodePositions
    cache: Cache
    last: jax.Array
    guesses: dict[Group, jax.Array]
    position: jax.Array
    origin: jax.Array
    keys: jax.Array

    def stream_positions(self, count: int) -> jax.Array:
        """Return the positions int32 `[count]`, in the whole stream, of the next `count` codes."""
        return self.origin + self.position + jnp.arange(count)

    def after(
        self, group: Group, guesses: jax.Array, *, count: jax.Array | int, last: jax.Array, cache: Cache
    ) -> "DecodeState":
        """Return the state after the next `count` codes, which are of a group.

        guesses: what to try first in the group's codes of the next latent frame, int32 `[B, N, n]`.
        """
        return self.replace(
            cache=cache, last=last, guesses=self.guesses | {group: guesses}, position=self.position + count
        ).constrained()

    def constrained(self) -> "DecodeState":
        """Return the state constrained to its place on the mesh, the same after every program.

        Otherwise the next program would be compiled anew.
        """
        by_clip = {"last": self.last, "guesses": self.guesses, "keys": self.keys}
        whole = {"code_positions": self.code_positions, "position": self.position, "origin": self.origin}
        return self.replace(
            **jax.tree.map(lambda leaf: constrain(leaf, "batch", *[None] * (leaf.ndim - 1)), by_clip),
            **jax.tree.map(lambda leaf: constrain(leaf, *[None] * leaf.ndim), whole),
        )
