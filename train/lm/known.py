"""Fit the net of prompt retrieval that tells whether a prompt means any caption.

In: embeddings of sentences that mean a caption, and of sentences that mean none. Out: the net, and the least
probability of a sentence that means one. Nets that learned from other seeds err in other ways, so several small ones
are fitted, and their mean is stored as one wider net. `tokenizer/text/prompt_retrieval.py` has the form of the net.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.tokenizer.text.prompt_retrieval import known_share

_NETS, _WIDTH, _EPOCHS, _BATCH = 8, 128, 8, 512
_RATE, _DECAY, _SMOOTHING = 1e-3, 0.1, 0.025
# One sentence of so many is not fitted. The threshold is the probability that all but so many of those reach.
_HELD_OUT, _UNLIKE = 20, 0.04
_LEAST_STEPS = 200


class _Examples(NamedTuple):
    """Sentences `[N, E]`, whether each means a caption, and its weight, `[N]`."""

    x: np.ndarray
    known: np.ndarray
    weight: np.ndarray


def fit(meant: np.ndarray, others: np.ndarray, *, seed: int = 0) -> tuple[dict, float]:
    """Return the net, and the least probability of a sentence that means a caption.

    Args:
        meant: embeddings float32 `[N, E]` of sentences that mean a caption.
        others: embeddings float32 `[M, E]` of sentences that mean none, of which an encoder may read not one; both
            kinds weigh the same.
        seed: of the nets.
    """
    held = np.arange(len(meant)) % _HELD_OUT == _HELD_OUT - 1
    fitted = meant[~held]
    counts = np.array([len(fitted), len(others)])
    examples = _Examples(
        x=np.concatenate([fitted, others]).astype(np.float32),
        known=np.repeat(np.array([1, 0], np.float32), counts),
        weight=np.repeat(1 / counts.clip(1), counts).astype(np.float32),
    )
    net = _mean([_fitted(examples, seed + number) for number in range(_NETS)])
    reached = known_share(net, meant[held] if held.any() else meant)
    return net, float(np.quantile(reached, _UNLIKE))


def _fitted(examples: _Examples, seed: int) -> dict:
    rng, count = np.random.default_rng(seed), len(examples.x)
    batch = min(_BATCH, count)
    steps = max(_LEAST_STEPS, _EPOCHS * (count // batch))
    optimizer = optax.adamw(optax.cosine_decay_schedule(_RATE, steps), weight_decay=_DECAY)
    net = _init(rng, examples.x.shape[1])
    state = optimizer.init(net)
    step = jax.jit(partial(_step, optimizer))
    order = np.empty(0, int)
    for _ in range(steps):
        if len(order) < batch:
            order = rng.permutation(count)
        taken, order = order[:batch], order[batch:]
        net, state = step(net, state, _Examples(*(each[taken] for each in examples)))
    return jax.tree.map(np.asarray, net)


def _init(rng: np.random.Generator, width: int) -> dict:
    def layer(inputs: int, outputs: int) -> dict:
        kernel = rng.standard_normal((inputs, outputs)) / inputs**0.5
        return {"kernel": kernel.astype(np.float32), "bias": np.zeros(outputs, np.float32)}

    return {"in": layer(width, _WIDTH), "out": layer(_WIDTH, 1)}


def _step(
    optimizer: optax.GradientTransformation, net: dict, state: optax.OptState, examples: _Examples
) -> tuple[dict, optax.OptState]:
    def loss(net: dict) -> jax.Array:
        share = jnp.clip(known_share(net, examples.x), 1e-6, 1 - 1e-6)
        target = examples.known * (1 - 2 * _SMOOTHING) + _SMOOTHING
        nats = -(target * jnp.log(share) + (1 - target) * jnp.log1p(-share))
        return jnp.sum(nats * examples.weight) / jnp.sum(examples.weight)

    updates, state = optimizer.update(jax.grad(loss)(net), state, net)
    return optax.apply_updates(net, updates), state  # type: ignore[return-value]  (a dict goes in, and comes out)


def _mean(nets: list[dict]) -> dict:
    """Return one net whose logits are the mean of those of the nets."""
    inner, outer = ([net[name] for net in nets] for name in ("in", "out"))
    return {
        "in": {name: np.concatenate([layer[name] for layer in inner], axis=-1) for name in ("kernel", "bias")},
        "out": {
            "kernel": np.concatenate([layer["kernel"] for layer in outer]) / np.float32(len(nets)),
            "bias": np.mean([layer["bias"] for layer in outer], axis=0),
        },
    }
