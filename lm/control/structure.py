"""Structure in the control field: the codes of a control clip, such as outlines, that the pictures follow.

There is one channel for each kind of structure that a net knows, then the K sign bits of the code at that position. The
net joins them to a code again, and embeds it with a separate table (ControlAR, arXiv 2410.02705, section 3.2).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.codes import bits_to_ids


def structure_field(codes: np.ndarray, kind: str, kinds: Sequence[str], bits: int) -> np.ndarray:
    """Return the part of structure float32 `[t, h, w, len(kinds) + bits]` in the control field.

    Args:
        codes: int32 `[t, h, w]`, of the control clip.
        kind: one of `kinds`.
        kinds: those that a net knows.
        bits: of a code.
    """
    of_kind = np.broadcast_to(np.array(kinds) == kind, (*codes.shape, len(kinds)))
    signs = 2 * (codes[..., None] >> np.arange(bits) & 1) - 1
    return np.concatenate([of_kind, signs], axis=-1).astype(np.float32)


def structure_ids(field: jax.Array, bits: int) -> tuple[jax.Array, jax.Array]:
    """Return the codes int32 `[...]` in a part of structure `[..., kinds + bits]`, and whether there is one."""
    signs = field[..., -bits:]
    return bits_to_ids(signs > 0), jnp.any(signs != 0, axis=-1)
