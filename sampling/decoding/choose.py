"""Choosing one value from logits: temperature, top-k, top-p, min-p and guidance, traced, so that no change recompiles.

A draw is `argmax(logits / temperature + noise)`: given its noise it is a function of the logits alone. The key of that
noise is `fold_in(fold_in(key of the clip, position of the code), sub-token)`, so neither batching nor the order in
which codes are found changes a clip, and the sub-tokens of one code never share noise.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from reelm.sampling.controls import Controls

_PLAUSIBLE = 0.1  # least share of the likeliest's probability, before guidance, of a value that guidance may lead to


def guide(logits: jax.Array, scale: jax.Array) -> jax.Array:
    """`[2B, ..., V]` logits, conditional rows before unconditional ones, to guided `[B, ..., V]`.

    Above a scale of 1, values less than a tenth as likely as the conditional model's likeliest are left out: of those
    that neither model expects, guidance would take the one whose two small probabilities lie furthest apart.
    """
    conditional, unconditional = jnp.split(logits, 2)
    least = jnp.max(conditional, axis=-1, keepdims=True) + jnp.log(_PLAUSIBLE)
    plausible = (scale <= 1) | (conditional >= least)
    return jnp.where(plausible, unconditional + scale * (conditional - unconditional), -jnp.inf)


def keys_of(seeds: Sequence[int]) -> jax.Array:
    """Return the random key of each clip, `[B]`. All randomness of a clip comes from its key, through `noise_of`."""
    return jax.vmap(jax.random.key)(jnp.asarray(list(seeds), jnp.uint32))


def noise_of(keys: jax.Array, places: jax.Array, split: Sequence[int]) -> tuple[jax.Array, ...]:
    """Gumbel noise float32 `[B, P, 2^bits]` for each sub-token of `split` bits of the codes at `places` `[P]`.

    keys: `[B]`, one a clip.
    """

    def of_code(key: jax.Array, place: jax.Array) -> tuple[jax.Array, ...]:
        key = jax.random.fold_in(key, place)
        return tuple(jax.random.gumbel(jax.random.fold_in(key, k), (1 << bits,)) for k, bits in enumerate(split))

    return jax.vmap(lambda key: jax.vmap(lambda place: of_code(key, place))(places))(keys)


def choose(logits: jax.Array, noise: jax.Array, controls: Controls) -> jax.Array:
    """One value int32 `[...]` of each row of float32 logits `[..., V]`, drawn with Gumbel noise of that shape."""
    # Temperature 0 must not divide: the noise is scaled instead, which has the same argmax.
    kept = jax.lax.cond(
        (controls.top_k > 0) | (controls.top_p < 1), lambda: _truncate(logits, controls), lambda: logits
    )
    # A share of the likeliest is a distance from its logit, whatever else was left out; it takes no sorting.
    distance = -controls.temperature * jnp.log(jnp.maximum(controls.min_p, 1e-30))
    distance = jnp.where(controls.min_p > 0, distance, jnp.inf)
    kept = jnp.where(kept >= jnp.max(kept, axis=-1, keepdims=True) - distance, kept, -jnp.inf)
    return _argmax(kept + controls.temperature * noise)


def _argmax(x: jax.Array) -> jax.Array:
    """int32, where the largest of each row is, the first of equals; XLA's own reads a row one by one on a CPU."""
    last = x.shape[-1] - 1
    places = jnp.where(x == jnp.max(x, axis=-1, keepdims=True), jnp.arange(last + 1, dtype=jnp.int32), last)
    return jnp.min(places, axis=-1)


def _truncate(logits: jax.Array, controls: Controls) -> jax.Array:
    """Logits with all but the top-k, and of those all but the top-p, at minus infinity."""
    size = logits.shape[-1]
    ordered = -jnp.sort(-logits, axis=-1)
    k = jnp.where(controls.top_k > 0, jnp.minimum(controls.top_k, size), size)
    ordered = jnp.where(jnp.arange(size) < k, ordered, -jnp.inf)
    probability = jax.nn.softmax(ordered / jnp.maximum(controls.temperature, 1e-6), axis=-1)
    # A value stays while those before it hold less than top_p: the likeliest always does.
    before = jnp.cumsum(probability, axis=-1) - probability
    stays = (before < controls.top_p) & (ordered > -jnp.inf)
    least = jnp.min(jnp.where(stays, ordered, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits >= least, logits, -jnp.inf)
