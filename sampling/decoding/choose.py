"""Drawing a value from logits: temperature, top-k, top-p, min-p and guidance.

Their numbers are traced values, so another number compiles no new program. Only whether there is a top-k or top-p is
static: both sort, which takes longer to compile than the rest of a draw.

A draw is `argmax(logits / temperature + noise)`. Given its noise it is a function of the logits alone. The key of the
noise is `fold_in(fold_in(key of the clip, position of the code in the stream), sub-token)`. So neither batching nor the
order in which codes are found changes a clip, and the sub-tokens of one code never share noise.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from reelm.programs.program import program

_MANY = 0.2  # share of the most likely of many values that may begin a thing; of fewer, `min_p` compares each


class Controls(struct.PyTreeNode):
    """The numbers that steer each draw, float32 or int32, of each of B clips.

    Attributes:
        temperature: `[B]`; 0 takes the most likely value.
        top_k: `[B]`; draw from the k most likely values; 0 for all.
        top_p: `[B]`; draw from the most likely values that hold this share of the probability; 1 for all.
        min_p: `[B]`; keep values with at least this fraction of the top probability (arXiv 2407.01082); 0 for all. See
            `draw` for a clip's first picture.
        cfg_scale: `[B, n]`, guidance scale of latent frame 0, 1, ...; the last one goes on. 1 is the conditional model.
            Above 1, classifier-free guidance on logits (arXiv 2207.12598) leads away from the unconditional one.
        cfg_min_p: `[B]`; guidance keeps values with at least this fraction of the conditional model's top probability
            (arXiv 2210.15097, the plausibility constraint); 0 for all.
        blank: bool `[B]`; whether no picture is given, so that the first one begins from nothing.
        truncates: whether `top_k` or `top_p` leaves out any value; static.
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    cfg_scale: jax.Array
    cfg_min_p: jax.Array
    blank: jax.Array
    truncates: bool = struct.field(pytree_node=False)

    @classmethod
    def of(
        cls,
        clips: int,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        cfg_scale: Sequence[float] = (1.0,),
        cfg_min_p: float = 0.0,
        blank: bool = False,
    ) -> "Controls":
        """Return the same controls for each of so many clips, of plain numbers, which `Options` has checked."""
        numbers: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "min_p": min_p}
        numbers |= {"cfg_scale": cfg_scale, "cfg_min_p": cfg_min_p}
        # Made on the host: each operation on the device would be a program of its own to compile.
        numbers = {name: np.asarray(value, np.float32) for name, value in numbers.items()}
        numbers |= {"top_k": np.asarray(top_k, np.int32), "blank": np.asarray(blank)}
        numbers = {name: np.repeat(value[None], clips, axis=0) for name, value in numbers.items()}
        return jax.device_put(cls(**numbers, truncates=top_k > 0 or top_p < 1))


def guide(logits: jax.Array, scale: jax.Array, min_p: jax.Array) -> jax.Array:
    """Return guided logits `[B, ..., V]` of logits `[2B, ..., V]`, conditional rows before unconditional ones.

    Above a scale of 1, values with less than `min_p` of the conditional model's top probability are left out; 0 keeps
    all. Among values that neither model expects, guidance favours those whose two small probabilities differ most. But
    where the likeliest is that nothing happens yet, leaving the others out would mean that nothing ever does.
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
        keys: `[B]`, one a clip, as from `keys_of`.
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


def draw(logits: jax.Array, noise: jax.Array, scale: jax.Array, first: jax.Array, controls: Controls) -> jax.Array:
    """Draw a value for each place, with guidance; int32 `[B, ...]`.

    Where a picture begins from nothing, the likeliest value is often that nothing is there yet. Many values begin
    something, each of them is rare, and `min_p` would leave out every one. So where none of the others has more than a
    fifth of what they have together, it compares all of them together with the likeliest, and then each of them with
    the likeliest of them. How often something begins is what the conditional model says, and guidance chooses what:
    guided, a thing that is there would begin a second time.

    Args:
        logits: float32 `[B, ..., V]`, or `[2B, ..., V]` with those of the unconditional model behind.
        noise: Gumbel noise `[B, ..., V]`.
        scale: `[B, ..., 1]`, of guidance.
        first: bool `[B, ..., 1]`, whether the place is in a picture that begins from nothing.
        controls: of each clip.
    """
    clips = len(noise)
    min_p, cfg_min_p = _beside(controls.min_p, noise), _beside(controls.cfg_min_p, noise)
    begins = first & (min_p > 0)

    def guided(logits: jax.Array) -> jax.Array:
        return guide(logits, scale, cfg_min_p) if len(logits) > clips else logits

    def later(logits: jax.Array) -> jax.Array:
        return choose(guided(logits), noise, controls)

    def beginning(logits: jax.Array) -> jax.Array:
        likeliest = _argmax(logits)[..., None] == jnp.arange(logits.shape[-1])
        agreed = jnp.all(likeliest[:clips] == likeliest[-clips:], axis=-1, keepdims=True)
        likeliest, conditional = likeliest[:clips], logits[:clips]
        shares = jax.nn.softmax(conditional)
        share = jnp.sum(jnp.where(likeliest, shares, 0), axis=-1, keepdims=True)
        many = jnp.max(jnp.where(likeliest, 0, shares), axis=-1, keepdims=True) <= _MANY * (1 - share)
        others = guided(logits.at[:clips].set(jnp.where(likeliest, -1e30, conditional)))
        others = _likely(jnp.where(likeliest, -jnp.inf, others), min_p, _beside(controls.temperature, noise))
        others = jax.nn.log_softmax(others) + jnp.log1p(-share)
        others = jnp.where(1 - share < min_p * share, -jnp.inf, others)
        # Where words change what is likeliest, something has begun.
        settled = begins & agreed & many
        values = jnp.where(settled, jnp.where(likeliest, jnp.log(share), others), guided(logits))
        return choose(values, noise, controls, settled)

    # Most of a clip comes later and need not wait for this.
    return jax.lax.cond(jnp.any(begins), beginning, later, logits)


def choose(logits: jax.Array, noise: jax.Array, controls: Controls, likely: jax.Array | bool = False) -> jax.Array:
    """Draw a value from each row of float32 logits `[B, ..., V]`, with Gumbel noise of that shape; int32 `[B, ...]`.

    `likely`, bool `[B, ..., 1]`, says where `min_p` has left out what it should.
    """
    temperature, top_k, top_p, min_p = (
        _beside(each, logits) for each in (controls.temperature, controls.top_k, controls.top_p, controls.min_p)
    )
    kept = _truncate(logits, temperature, top_k, top_p) if controls.truncates else logits
    kept = jnp.where(likely, kept, _likely(kept, min_p, temperature))
    # Temperature 0 must not divide: the noise is scaled instead, which has the same argmax.
    return _argmax(kept + temperature * noise)


def _beside(control: jax.Array, logits: jax.Array) -> jax.Array:
    """Return a control `[B]` as `[B, ..., 1]` beside logits `[B, ..., V]`."""
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
