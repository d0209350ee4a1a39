"""The game of generator and discriminator: its state, and the one step that moves both.

In: a generator's loss that also gives the clips it made, and a `VideoDiscriminatorConfig`. Out: `(state, batch) ->
(state, metrics)`, guarded as `update.make_step` is. Both nets, their optimizers and the moving means live in one train
state, so a run resumes exactly. Knows nothing of tokenizers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.train.step.fields import check_least, check_shares
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.step.state import TrainState
from reelm.train.step.update import chosen, follow

from . import video_discriminator
from .adversarial_losses import LogitMeans, cross_entropy_loss, lecam_penalty, non_saturating_loss, r1_penalty
from .video_discriminator import VideoDiscriminatorConfig, discriminate


@dataclass(frozen=True, kw_only=True)
class AdversaryConfig:
    """The discriminator and how it learns."""

    net: VideoDiscriminatorConfig = field(default_factory=VideoDiscriminatorConfig)
    """Sizes of the discriminator."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-4, betas=(0.0, 0.99)))
    """Optimizer of the discriminator. It keeps no moving average, whatever `ema` is."""
    weight: float = 0.1
    """Weight of the adversarial loss in the loss of the generator."""
    start: int = 0
    """First step at which that weight counts. The discriminator learns from step 0."""
    r1: float = 10.0
    """Weight of the gradient penalty on real clips (gamma of arXiv 1801.04406, equation 9)."""
    r1_every: int = 16
    """Steps between two penalties, each scaled by this number (lazy regularisation, arXiv 1912.04958)."""
    lecam: float = 0.001
    """Weight of the LeCAM penalty (arXiv 2104.03310, equation 5)."""
    lecam_decay: float = 0.999
    """Decay of the moving averages of the logits in the LeCAM penalty."""

    def __post_init__(self):
        if self.weight <= 0:
            raise RequestError(f"the adversary's weight is {self.weight}; it must be above 0, or use none at all")
        check_least(self, 1, "r1_every")
        check_least(self, 0, "start", "r1", "lecam")
        check_shares(self, "lecam_decay")


class AdversarialState(TrainState):
    """A train state whose `params` are the generator's, and beside them the other player.

    Attributes:
        adversary: nested dict of the discriminator's parameters.
        adversary_opt_state: what its optimizer remembers.
        logit_means: what LeCAM compares with.
    """

    adversary: Any
    adversary_opt_state: Any
    logit_means: LogitMeans


def create(state: TrainState, config: AdversaryConfig, steps: int) -> AdversarialState:
    """The state before the first step of a run of `steps`: that of the generator, and a fresh discriminator."""
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), 1)
    adversary = video_discriminator.init_params(config.net, key)
    return AdversarialState(
        **{name: getattr(state, name) for name in ("step", "params", "opt_state", "ema", "key")},
        adversary=adversary,
        adversary_opt_state=config.optimizer.build(steps).init(adversary),
        logit_means=LogitMeans(real=jnp.zeros(()), made=jnp.zeros(())),
    )


def make_step(
    generator_loss: Callable[
        [Any, Any, jax.Array, jax.Array], tuple[jax.Array, tuple[dict[str, jax.Array], list[tuple[Any, Any]]]]
    ],
    optimizer: optax.GradientTransformation,
    ema: float,
    config: AdversaryConfig,
    steps: int,
    dtype: DTypeLike | None = None,
    layout: Any = None,
) -> Callable[[AdversarialState, Any], tuple[AdversarialState, dict[str, jax.Array]]]:
    """One jitted update of both players from the same clips, the state donated.

    Args:
        generator_loss: `(params, batch, key, step) -> (loss, (metrics, pairs))`: the loss without the adversarial part,
            and of each part of the batch the pair (real, made) of clips `[B, T, H, W, 3]`.
        optimizer, ema: the generator's.
        config: the discriminator and the weights.
        steps: length of the run.
        dtype: number format of the discriminator's activations.
        layout: shardings of the state on a mesh; None leaves them to XLA.

    Returns:
        `(state, batch) -> (state, metrics)`. When a loss or a gradient of either player is not finite nothing but
        `step` changes and `metrics["skipped"]` is 1.
    """
    adversary_optimizer = config.optimizer.build(steps)

    def logits(adversary: Any, videos: list[Any]) -> jax.Array:
        """Of all clips, flat: every place of every part counts the same."""
        return jnp.concatenate([discriminate(config.net, adversary, video, dtype).ravel() for video in videos])

    def step(state: AdversarialState, batch: Any) -> tuple[AdversarialState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

        def generator_total(params: Any):
            loss, (metrics, pairs) = generator_loss(params, batch, key, state.step)
            fooled = non_saturating_loss(logits(state.adversary, [made for _, made in pairs]))
            active = jnp.where(state.step >= config.start, config.weight, 0.0)
            return loss + active * fooled, ({**metrics, "adversarial": fooled}, pairs)

        (value, (metrics, pairs)), gradient = jax.value_and_grad(generator_total, has_aux=True)(state.params)
        pairs = jax.lax.stop_gradient(pairs)

        def adversary_total(adversary: Any):
            real, made = (logits(adversary, list(videos)) for videos in zip(*pairs, strict=True))
            loss, lecam = cross_entropy_loss(real, made), lecam_penalty(real, made, state.logit_means)
            terms = {"discriminator": loss, "lecam": lecam, "logit_real": jnp.mean(real), "logit_made": jnp.mean(made)}
            return loss + config.lecam * lecam, terms

        def penalty(adversary: Any) -> jax.Array:
            # Of the first part alone: the penalty holds the discriminator smooth, wherever that is measured.
            return r1_penalty(lambda video: discriminate(config.net, adversary, video, dtype), pairs[0][0])

        (lost, terms), adversary_gradient = jax.value_and_grad(adversary_total, has_aux=True)(state.adversary)
        due = state.step % config.r1_every == 0
        nothing = lambda adversary: (jnp.zeros(()), jax.tree.map(jnp.zeros_like, adversary))  # noqa: E731
        r1, r1_gradient = jax.lax.cond(due, jax.value_and_grad(penalty), nothing, state.adversary)
        scale = config.r1 * config.r1_every
        adversary_gradient = jax.tree.map(lambda a, b: a + scale * b, adversary_gradient, r1_gradient)

        norms = optax.tree.norm(gradient), optax.tree.norm(adversary_gradient)
        sound = jnp.isfinite(value) & jnp.isfinite(lost) & jnp.isfinite(norms[0]) & jnp.isfinite(norms[1])
        updates, opt_state = adversary_optimizer.update(adversary_gradient, state.adversary_opt_state, state.adversary)
        means = {"real": terms["logit_real"], "made": terms["logit_made"]}
        after = follow(state, gradient, optimizer, ema).replace(
            adversary=optax.apply_updates(state.adversary, updates),
            adversary_opt_state=opt_state,
            logit_means=jax.tree.map(
                lambda old, new: config.lecam_decay * old + (1 - config.lecam_decay) * new,
                state.logit_means,
                LogitMeans(**means),
            ),
        )
        state = chosen(sound, after, state).replace(step=state.step + 1)
        # Scaled, so that its mean over the steps of a log line is that of the steps which have one.
        metrics = {**metrics, **terms, "r1": r1 * config.r1_every, "gradient_norm": norms[0]}
        return state, {"loss": value, **metrics, "discriminator_gradient_norm": norms[1], "skipped": 1.0 - sound}

    return jax.jit(step, donate_argnums=0, out_shardings=None if layout is None else (layout, None))
