"""The likeliest tokens behind a prompt, one by one, with a cache of keys and values.

In: sizes, parameters, the table of embeddings, the ids of a prompt. Out: ids. The prompt is read in one pass. One
program for all prompts that have room in as many ids.
"""

from functools import partial

import jax
import jax.numpy as jnp

from .config import TowerConfig
from .net import attend, block, heads, normalised

State = tuple[jax.Array, jax.Array, tuple[jax.Array, jax.Array]]


@partial(jax.jit, static_argnums=0)
def go_on(
    config: TowerConfig,
    params: dict,
    table: tuple[jax.Array, jax.Array],
    ids: jax.Array,
    count: jax.Array,
    ends: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Return (ids `[L]` with new ones behind the prompt, how many there are in all).

    Args:
        config: sizes.
        params: of all layers, as `weights.read_params` returns them.
        table: `[V, D]` of embeddings, and of what gives the logits.
        ids: int32 `[L]`, of which the first `count` are the prompt; L is the most that there may be.
        count: int32, at least 1.
        ends: bool `[V]`, whether a token ends the text; it is the last of the ids then.
    """
    rows, logits_of = table
    length, layers = ids.shape[0], len(config.local)
    empty = jnp.zeros((layers, 1, length, config.key_heads, config.head_width))
    # What this keeps of the slots behind the prompt is overwritten before it is seen.
    _, cache = _states(config, params, rows[ids][None], jnp.int32(0), (empty, empty))

    def unfinished(state: State) -> jax.Array:
        place, ids, _ = state
        return (place < length - 1) & ((place < count) | ~ends[ids[place]])

    def step(state: State) -> State:
        place, ids, cache = state
        x, cache = _states(config, params, rows[ids[place]][None, None], place, cache)
        new = jnp.argmax(logits_of @ x[0, 0].astype(logits_of.dtype)).astype(jnp.int32)
        return place + 1, ids.at[place + 1].set(new), cache

    place, ids, _ = jax.lax.while_loop(unfinished, step, (count - 1, ids, cache))
    return ids, place + 1


def _states(
    config: TowerConfig, params: dict, x: jax.Array, first: jax.Array, cache: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Return (the last states `[1, n, D]` of n tokens from a place on, the cache with their keys and values)."""
    places = first + jnp.arange(x.shape[1])
    angles = places[:, None] * params["rates"][:, None]  # [2, n, K / 2]
    behind = places[:, None] - jnp.arange(cache[0].shape[2])
    sees = jnp.stack([behind >= 0, (behind >= 0) & (behind < config.window)])  # [2, n, L]

    def layer(x: jax.Array, each: tuple) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        p, local, known = each

        def attention(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            q, *new = heads(config, p, x, angles[local])
            k, v = (
                jax.lax.dynamic_update_slice_in_dim(old, one, first, axis=1)
                for old, one in zip(known, new, strict=True)
            )
            return attend(config, p, q, k, v, sees[local]), (k, v)

        return block(config, p, x, attention)

    x = x.astype(jnp.float32) * config.embedding_scale
    x, cache = jax.lax.scan(layer, x, (params["layers"], jnp.array(config.local, jnp.int32), cache))
    return normalised(config, params, x), cache
