"""What stands in front of a clip's codes, as arrays: words, and pictures that the clip must show."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from .stream import Given

Array = jax.Array | np.ndarray


class Prefix(struct.PyTreeNode):
    """The prefixes of R rows, with G given pictures each; a row with fewer has some of kind `Given.NOTHING`.

    Attributes:
        words: int32 `[R, P]`, of `prefix_ids`.
        codes: int32 `[R, G, h, w]`, ids of the pictures; read where `kinds` says that there is a code.
        kinds: int32 `[R, G, h, w]`, values of `Given`.
        times: float32 `[R, G]`, where a picture belongs, in latent frames from the first code on.
    """

    words: Array
    codes: Array
    kinds: Array
    times: Array

    @classmethod
    def of_words(cls, words: Array, rows: int, columns: int) -> "Prefix":
        """Words int32 `[R, P]` and no pictures."""
        none = np.zeros((words.shape[0], 0, rows, columns), np.int32)
        return cls(words=words, codes=none, kinds=none, times=np.zeros((words.shape[0], 0), np.float32))

    @classmethod
    def concatenate(cls, parts: "list[Prefix]") -> "Prefix":
        """Rows of all parts, one after another."""
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    @property
    def has_code(self) -> jax.Array:
        """bool `[R, G, h, w]`, whether a slot of a picture holds a code."""
        kinds = jnp.asarray(self.kinds)
        return (kinds != Given.NOTHING) & (kinds != Given.UNKNOWN)

    def places(self, grid: np.ndarray) -> jax.Array:
        """Places float32 `[R, G x h x w, 3]` of the pictures, from those of a latent frame at time 0, `[h x w, 3]`."""
        times = jnp.asarray(self.times)[..., None, None]
        moved = jnp.asarray(grid) + jnp.pad(times, ((0, 0), (0, 0), (0, 0), (0, 2)))
        return moved.reshape(times.shape[0], -1, 3)
