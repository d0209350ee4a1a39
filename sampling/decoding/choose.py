"""Drawing a value from logits: temperature, top-k, top-p, min-p and guidance.

Their numbers are traced values, so another number compiles no new program. Only whether there is a top-k or top-p is
static: both sort, which takes longer to compile than the rest of a draw.

A draw is `argmax(logits / temperature + noise)`. Given its noise it depends only on the logits. The key of the noise is
`fold_in(fold_in(key of the clip, position of the code in the stream), sub-token)`. So neither batching nor the order in
which codes are found changes a clip, and the sub-tokens of one code never share noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reelm.programs.program import program


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """The numbers that steer each draw, float32 or int32, of each of B clips.

    Attributes:
        temperature: `[B]`; 0 takes the most likely value.
        top_k: `[B]`; draw from the k most likely values; 0 for all.
        top_p: `[B]`; draw from the most likely values that hold this share of the probability; 1 for all.
        min_p: `[B, n]`, of latent frame 0, 1, ...; the last one repeats. Keep values with at least this fraction of the
            top probability (arXiv 2407.01082); 0 for all.
        cfg_scale: `[B, n]`, guidance scale, likewise. 1 is the conditional model. Above 1,
            classifier-free guidance on logits (arXiv 2207.12598) leads away from the unconditional one.
        cfg_min_p: `[B]`; guidance keeps values with at least this fraction of the conditional model's top probability
            (arXiv 2210.15097, the plausibility constraint); 0 for all.
        truncates: whether `top_k` or `top_p` leaves out any value; static.
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    cfg_scale: jax.Array
    cfg_min_p: jax.Array
    truncates: bool = field(metadata={"static": True})

    @classmethod
    def of(
        cls,
        clips: int,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: Sequence[float] = (0.0,),
        cfg_scale: Sequence[float] = (1.0,),
        cfg_min_p: float = 0.0,
    ) -> "SamplingParams":
        """Return the same parameters for each of `clips` clips, from plain numbers that `Options` has checked."""
        numbers: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "min_p": min_p}
        numbers |= {"cfg_scale": cfg_scale, "cfg_min_p": cfg_min_p}
        # Made on the host: each operation on the device would compile another program.
        numbers = {name: np.asarray(value, np.float32) for name, value in numbers.items()}
        numbers |= {"top_k": np.asarray(top_k, np.int32)}
        numbers = {name: np.repeat(value[None], clips, axis=0) for name, value in numbers.items()}
        return cls(**numbers, truncates=top_k > 0 or top_p < 1)


def guide(logits: jax.Array, scale: jax.Array, min_p: jax.Array) -> jax.Array:
    """Return guided logits `[B, ..., V]` of logits `[2B, ..., V]`, conditional rows before unconditional ones.

    Above a scale of 1, values with less than `min_p` of the conditional model's top probability are left out; 0 keeps
    all. Among values that neither model expects, guidance favours those whose two small probabilities differ most.
    """
    conditional, unconditional = jnp.split(logits, 2)
    least = jnp.max(conditional, axis=-1, keepdims=True) + jnp.log(min_p)
    plausible = (scale <= 1) | (conditional >= least)
    return jnp.where(plausible, unconditional + scale * (conditional - unconditional), -jnp.inf)


def keys_of(seeds: Sequence[int] | jax.Array) -> jax.Array:
    """Return the random keys `[B]` of clips by their seeds. All randomness of a clip comes from its key."""
    return _keys_of(seeds.astype(jnp.uint32) if isinstance(seeds, jax.Array) else np.asarray(list(seeds), np.uint32))


@program(static=())
def _keys_of(seeds: jax.Array) -> jax.Array:
    return jax.vmap(jax.random.key)(seeds)


def noise_of(keys: jax.Array, positions: jax.Array, split: Sequence[int]) -> tuple[jax.Array, ...]:
    """Return Gumbel noise float32 `[B, P, 2^bits]` for each sub-token of codes.

    Args:
        keys: `[B]`, one for each clip, as from `keys_of`.
        positions: int32 `[B, P]`, positions of the codes in the whole endless stream.
        split: bits of each sub-token.
    """

    def of_code(key: jax.Array, position: jax.Array) -> tuple[jax.Array, ...]:
        key = jax.random.fold_in(key, position)
        keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(len(split)))
        # Nearly always all sub-tokens have one size, and one draw serves them all.
        of_size = {bits: jax.vmap(partial(jax.random.gumbel, shape=(1 << bits,)))(keys) for bits in set(split)}
        return tuple(of_size[bits][k] for k, bits in enumerate(split))

    return jax.vmap(lambda key, positions: jax.vmap(partial(of_code, key))(positions))(keys, positions)


def draw(
    logits: jax.Array, noise: jax.Array, sampling: SamplingParams, scale: jax.Array, min_p: jax.Array
) -> jax.Array:
    """Draw a value for each place, with guidance; int32 `[B, ...]`.

    Args:
        logits: float32 `[B, ..., V]`, or `[2B, ..., V]` with those of the unconditional model after them.
        noise: Gumbel noise `[B, ..., V]`.
        sampling: parameters of each clip.
        scale: `[B, ..., 1]`, of guidance.
        min_p: `[B, ..., 1]`.
    """
    if len(logits) > len(noise):
        logits = guide(logits, scale, _spread(sampling.cfg_min_p, noise))
    return choose(logits, noise, sampling, min_p)


def choose(logits: jax.Array, noise: jax.Array, sampling: SamplingParams, min_p: jax.Array | float = 0.0) -> jax.Array:
    """Draw a value from each row of float32 logits `[B, ..., V]`, with Gumbel noise of that shape; int32 `[B, ...]`.

    min_p: `[B, ..., 1]`, or one number for all.
    """
    temperature, top_k, top_p = (
        _spread(each, logits) for each in (sampling.temperature, sampling.top_k, sampling.top_p)
    )
    kept = _truncate(logits, temperature, top_k, top_p) if sampling.truncates else logits
    # Temperature 0 must not divide: the noise is scaled instead, which has the same argmax.
    return _argmax(_likely(kept, jnp.asarray(min_p), temperature) + temperature * noise)


def at_frames(schedule: jax.Array, frames: jax.Array) -> jax.Array:
    """Return the numbers `[B, P, 1]` of a schedule `[B, n]` at latent frames `[B, P]`; the last one repeats."""
    return jnp.take_along_axis(schedule, jnp.minimum(frames, schedule.shape[1] - 1), axis=1)[..., None]


def _spread(control: jax.Array, logits: jax.Array) -> jax.Array:
    """Return a control `[B]` as `[B, ..., 1]`, which broadcasts with logits `[B, ..., V]`."""
    return control.reshape(-1, *[1] * (logits.ndim - 1))


def _likely(logits: jax.Array, min_p: jax.Array, temperature: jax.Array) -> jax.Array:
    """Return the logits with minus infinity where values have less than `min_p` of the top probability."""
    # A share of the largest probability is a distance from the largest logit, so min-p takes no sorting.
    distance = jnp.where(min_p > 0, -temperature * jnp.log(jnp.maximum(min_p, 1e-30)), jnp.inf)
    return jnp.where(logits >= jnp.max(logits, axis=-1, keepdims=True) - distance, logits, -jnp.inf)


def _argmax(x: jax.Array) -> jax.Array:
    """Return the index int32 of each row's largest value, the first of equals. On a CPU XLA's own is far slower."""
    last = x.shape[-1] - 1
    indices = jnp.where(x == jnp.max(x, axis=-1, keepdims=True), jnp.arange(last + 1, dtype=jnp.int32), last)
    return jnp.min(indices, axis=-1)


def _truncate(logits: jax.Array, temperature: jax.Array, top_k: jax.Array, top_p: jax.Array) -> jax.Array:
    """Return the logits with minus infinity outside the top-k, and outside the top-p of those."""
    size = logits.shape[-1]
    ordered = -jnp.sort(-logits, axis=-1)
    k = jnp.where(top_k > 0, jnp.minimum(top_k, size), size)
    ordered = jnp.where(jnp.arange(size) < k, ordered, -jnp.inf)
    probability = jax.nn.softmax(ordered / jnp.maximum(temperature, 1e-6), axis=-1)
    # A value stays while those before it hold less than top_p. So the likeliest always stays.
    before = jnp.cumsum(probability, axis=-1) - probability
    stays = (before < top_p) & (ordered > -jnp.inf)
    least = jnp.min(jnp.where(stays, ordered, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits >= least, logits, -jnp.inf)
