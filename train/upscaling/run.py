"""Training an upscaler: `reelm train upscaler CONFIG --workdir DIR` ends here.

A step shrinks a batch of large clips, rebuilds a share of the small ones as a model would draw them, and descends on
the distance of crops from what they were: in place of squares Charbonnier's root (arXiv 1710.01992), under which edges
stay sharp. Its logarithm counts: what a tokenizer lost cannot be known again, and would drown what can be learned of
clips that lost nothing. So does that of LPIPS, where it has a weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp

from reelm.data import clips, pipeline
from reelm.data.augment import RandomClip
from reelm.evaluation.features import lpips
from reelm.lm import sharding
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.upscaling.net import CUBIC, UpscalerNet, bicubic, init_params
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_upscaler, open_video_tokenizer
from reelm.train.run import loop
from reelm.train.run.config_changes import free_fields
from reelm.train.run.training import Callback, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from .config import UpscalerRun
from .held_back import Enlarging
from .pairs import crops, small_clips

_LEAST = 1e-3  # of an error in [-1, 1], below which the root is a square again; and of LPIPS


def make_loss(run: UpscalerRun, tokenizer: VideoConfig | None) -> Callable[..., tuple[jax.Array, dict[str, jax.Array]]]:
    """`(params, batch, key, step) -> (loss, metrics)`; a batch is (clips `[B, T, 2H, 2W, 3]`, parameters).

    The parameters are those of the tokenizer and of LPIPS; either is empty where it has no part.

    psnr: in dB, of crops
    gain: what that is above bicubic interpolation
    """
    data = run.data

    def loss(params: dict, batch: Any, key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        large, drawn_by, features = batch
        small_key, crop_key = jax.random.split(key)
        small = small_clips(tokenizer, drawn_by, large, data.rebuilt, data.flips, small_key)
        taken, right = crops(run.model, small, large, data.crop, data.crops, crop_key)
        made = cast(jax.Array, UpscalerNet(run.model).apply({"params": params}, taken))
        inner = slice(run.model.halo - CUBIC, CUBIC - run.model.halo)
        psnr, plain = (
            -10 * jnp.log10(jnp.mean(jnp.square(each - right)) / 4)
            for each in (made, bicubic(taken[:, -1, inner, inner]))
        )
        distances = jnp.mean(jnp.sqrt(jnp.square(made - right) + _LEAST**2), axis=(1, 2, 3))
        shown = {"psnr": psnr, "gain": psnr - plain}
        if not run.perceptual:
            return jnp.mean(jnp.log(distances)), shown
        looked = slice(0, len(made), max(1, len(made) // run.perceptual_crops))  # of as many clips as can be
        unlike = lpips.distance(features, right[looked], made[looked])
        shown["perceptual"] = jnp.mean(unlike)
        return jnp.mean(jnp.log(distances)) + run.perceptual * jnp.mean(jnp.log(unlike + _LEAST)), shown

    return loss


def train(
    run: UpscalerRun, workdir: Path, given: Given | None = None, *, callbacks: Sequence[Callback] = ()
) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised.

    given: the large clips; None for those of the data set that the run names.
    """
    mesh, data = run.mesh.build(), run.data
    feed.check_size("batch_size", run.batch_size, mesh)
    source, held_back = given or Given.named(data.dataset, data.source_frames)
    tokenizer = open_video_tokenizer(run.rebuilt_by) if run.rebuilt_by is not None and data.rebuilt else None
    drawn_by = jax.device_put({} if tokenizer is None else tokenizer.params, sharding.whole(mesh))
    features = jax.device_put(lpips.load() if run.perceptual else {}, sharding.whole(mesh))
    config = tokenizer and tokenizer.config
    batches = pipeline.batches(
        source,
        batch_size=run.batch_size,
        seed=run.loop.seed,
        transform=RandomClip(data.frames, data.side, mirror=data.mirror),
        **feed.share(mesh)._asdict(),
    )
    optimizer = run.optimizer.build(run.loop.steps)
    initial = state.create(_first_params(run), optimizer, run.loop.seed)
    layout = sharding.of_state(initial, mesh)
    step = make_step(make_loss(run, config), optimizer, run.optimizer.ema, layout)
    job = Enlarging.of(run, config, drawn_by, clips.clips_of_one_shape(held_back, 4))
    return loop.run(
        run.loop,
        jax.device_put(initial, layout),
        lambda state, clips: step(state, (clips, drawn_by, features)),
        Feed(batches, mesh),
        workdir,
        Training(
            stage="upscaler",
            resolved=asdict(run),
            data={"train": clips.identity(source), "held_back": clips.identity(held_back)},
            free=free_fields(run),
            samples=job.samples,
            evaluate=job.evaluate,
            metrics=("loss", "psnr"),
            callbacks=callbacks,
        ),
    )


def _first_params(run: UpscalerRun) -> dict:
    if run.start_from is None:
        return init_params(run.model, jax.random.key(run.loop.seed))
    start = open_upscaler(run.start_from)
    check_sizes(run.start_from, "upscaler", asdict(start.config), asdict(run.model))
    return jax.tree.map(jnp.asarray, start.params)
