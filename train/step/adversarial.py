"""Adversarial training: the state of generator and discriminator, and the step that updates both.

In: the loss of a generator, which also returns the pairs (real, made) of the batch, and an `Adversary`: the
discriminator of one medium, with the losses of both players. Out: `(state, batch) -> (state, metrics)`, which skips
losses that are not finite as `update.make_step` does. Both nets, their optimizers and the moving means are in one train
state, so a run resumes exactly. This module knows nothing of tokenizers, pictures or sound.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from .state import TrainState
from .transformation import Optimizer
from .update import chosen, follow

Pairs = list[tuple[jax.Array, jax.Array]]
"""(real, made) samples of equal shape `[B, ...]`, one pair for each part of a batch."""
Metrics = dict[str, jax.Array]
Terms = tuple[jax.Array, tuple[Metrics, Pairs]]
"""(loss, (metrics, pairs)) of a generator, without the adversarial part."""
GeneratorLoss = Callable[[Any, Any, jax.Array, jax.Array], Terms]
"""`(params, batch, key, step) -> Terms`; the key differs at every step."""


class AdversarialState(TrainState):
    """A train state whose `params` are the generator's, with the state of the discriminator.

    Attributes:
        adversary: nested dict of the discriminator's parameters.
        adversary_opt_state: state of its optimizer.
        logit_means: moving means of its logits, which its losses use; None if they use none.
    """

    adversary: Any
    adversary_opt_state: Any
    logit_means: Any


class Adversary(Protocol):
    """The discriminator of one medium, with the losses of both players. It reads all of the state but the generator."""

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Return fresh parameters of the discriminator, and the logit means before the first step."""
        ...

    def generator_loss(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, Metrics]:
        """Return the weighted adversarial part of the generator's loss, a scalar, and its terms."""
        ...

    def learn(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, Any, Metrics, Any]:
        """Return (loss, gradient, metrics, logit means) of the discriminator; the pairs are constants to it."""
        ...


class Opponent(NamedTuple):
    """A discriminator that is trained together with the generator.

    Attributes:
        adversary: the discriminator and the losses of both players.
        optimizer: updates its parameters, which have no moving average.
        key: function from the key of a run to that of its fresh parameters.
    """

    adversary: Adversary
    optimizer: Optimizer
    key: Callable[[jax.Array], jax.Array]


def without_adversary(loss: GeneratorLoss) -> Callable[..., tuple[jax.Array, Metrics]]:
    """Return `loss` in the form of `update.make_step`, for a generator without discriminator."""

    def alone(*arguments: Any) -> tuple[jax.Array, Metrics]:
        total, (metrics, _) = loss(*arguments)
        return total, metrics

    return alone


def create(state: TrainState, opponent: Opponent, key: jax.Array) -> AdversarialState:
    """Return the state before the first step: that of the generator, and a fresh discriminator from the run's key."""
    params, means = opponent.adversary.init(opponent.key(key))
    return AdversarialState(
        **{name: getattr(state, name) for name in ("step", "params", "opt_state", "ema", "key")},
        adversary=params,
        adversary_opt_state=opponent.optimizer.init(params),
        logit_means=means,
    )


def make_step(
    loss: GeneratorLoss, optimizer: Optimizer, ema: float, opponent: Opponent, layout: Any = None
) -> Callable[[Any, Any], tuple[Any, Metrics]]:
    """Return one jitted update of both players from the same samples, the state donated.

    Args:
        loss, optimizer, ema: the generator's.
        opponent: the other player.
        layout: shardings of the state on a mesh; None leaves them to XLA.

    Returns:
        `(state, batch) -> (state, metrics)`; `loss` and `gradient_norm` are the generator's. When a loss or a gradient
        of either player is not finite, only `step` changes and `metrics["skipped"]` is 1.
    """
    adversary, adversary_optimizer = opponent.adversary, opponent.optimizer

    def step(state: AdversarialState, batch: Any) -> tuple[AdversarialState, Metrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

        def total(params: Any) -> Terms:
            own, (metrics, pairs) = loss(params, batch, key, state.step)
            fooling, terms = adversary.generator_loss(state, pairs)
            return own + fooling, ({**metrics, **terms}, pairs)

        (value, (metrics, pairs)), gradient = jax.value_and_grad(total, has_aux=True)(state.params)
        lost, adversary_gradient, terms, means = adversary.learn(state, jax.lax.stop_gradient(pairs))

        norms = optax.tree.norm(gradient), optax.tree.norm(adversary_gradient)
        sound = jnp.isfinite(value) & jnp.isfinite(lost) & jnp.isfinite(norms[0]) & jnp.isfinite(norms[1])
        updates, opt_state = adversary_optimizer.update(adversary_gradient, state.adversary_opt_state, state.adversary)
        after = follow(state, gradient, optimizer, ema).replace(
            adversary=optax.apply_updates(state.adversary, updates),
            adversary_opt_state=opt_state,
            logit_means=means,
        )
        norms = {"gradient_norm": norms[0], "discriminator_gradient_norm": norms[1]}
        rates = optimizer.rates(state.opt_state)
        other = adversary_optimizer.rates(state.adversary_opt_state)
        rates |= {f"discriminator_{name}": rate for name, rate in other.items()}
        state = chosen(sound, after, state).replace(step=state.step + 1)
        return state, {"loss": value, **metrics, **terms, **norms, **rates, "skipped": 1.0 - sound}

    return jax.jit(step, donate_argnums=0, out_shardings=None if layout is None else (layout, None))
