"""Train an upscaler: `reelm train upscaler CONFIG --workdir DIR` calls `make_job`.

A step shrinks a batch of large clips, rebuilds a fraction of the small ones as a model would generate them, and
minimises the distance of enlarged crops from the originals. The distance is Charbonnier's root (arXiv 1710.01992),
which keeps edges sharper than squares. The loss is its logarithm: details that a tokenizer lost cannot be restored, and
their error would hide what can be learned from clips that lost nothing. LPIPS, if it has a weight, also enters as
logarithm.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import jax
import jax.numpy as jnp
import numpy as np

from reelm.data import clips, pipeline
from reelm.data.augment import RandomClip
from reelm.evaluation.features import lpips
from reelm.media.contact_sheet import contact_sheet
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.upscaling.net import CUBIC, UpscalerNet, bicubic, init_params
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_upscaler, open_video_tokenizer
from reelm.train.run import processes
from reelm.train.run.job import Job
from reelm.train.step.feed import DataIterator, Share, check_size
from reelm.train.step.objective import Objective
from reelm.train.step.state import TrainState

from .config import UpscalerRun
from .pairs import crops, small_clips

_LEAST = 1e-3  # error in [-1, 1] below which the root acts as a square; also added to LPIPS before the logarithm


def make_loss(run: UpscalerRun, tokenizer: VideoConfig | None) -> Callable[..., tuple[jax.Array, dict[str, jax.Array]]]:
    """Return `(params, batch, key, step) -> (loss, metrics)`; a batch is (clips `[B, T, 2H, 2W, 3]`, constants).

    The constants are the parameters of the tokenizer and of LPIPS; either is empty if it is not used.

    psnr: in dB, of crops
    gain: difference to the psnr of bicubic interpolation
    """
    data = run.data

    def loss(params: dict, batch: Any, key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        large, (drawn_by, features) = batch
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
        looked = slice(0, len(made), max(1, len(made) // run.perceptual_crops))  # spread over as many clips as possible
        unlike = lpips.distance(features, right[looked], made[looked])
        shown["perceptual"] = jnp.mean(unlike)
        return jnp.mean(jnp.log(distances)) + run.perceptual * jnp.mean(jnp.log(unlike + _LEAST)), shown

    return loss


def make_job(run: UpscalerRun, workdir: Path, given: Given | None = None) -> Job:
    """Return the training of a run.

    given: the large clips; None for those of the data set that the run names.
    """
    mesh, data = run.mesh.build(), run.data
    check_size("batch_size", run.batch_size, mesh)
    source, held_back = given or Given.named(data.dataset, data.source_frames)
    tokenizer = open_video_tokenizer(run.rebuilt_by) if run.rebuilt_by is not None and data.rebuilt else None
    config, drawn_by = tokenizer and tokenizer.config, {} if tokenizer is None else tokenizer.params
    enlarging = Enlarging.of(run, config, drawn_by, clips.clips_of_one_shape(held_back, 4))
    objective = Objective(
        init=partial(init_params, run.model),
        start=_start(run),
        loss=make_loss(run, config),
        constants=lambda: (drawn_by, lpips.load() if run.perceptual else {}),
        optimizer=run.optimizer.build(run.loop.steps),
        ema=run.optimizer.ema,
        seed=run.loop.seed,
    )

    def batches(share: Share) -> DataIterator:
        crop = RandomClip(data.frames, data.side, mirror=data.mirror)
        size, seed = run.batch_size, run.loop.seed
        return pipeline.iterate(pipeline.batches(source, batch_size=size, seed=seed, transform=crop, **share._asdict()))

    return Job(
        stage="upscaler",
        config=run,
        data={"train": clips.identity(source), "held_back": clips.identity(held_back)},
        mesh=mesh,
        build=objective.build,
        batches=batches,
        samples=enlarging.samples,
        evaluate=enlarging.evaluate,
        metrics=("loss", "psnr"),
    )


@dataclass(frozen=True)
class Enlarging:
    """Evaluates how well a state enlarges held-out clips, as a picture and in numbers.

    Attributes:
        run: sizes of the upscaler.
        small, large: the clips, uint8 `[B, T, H, W, 3]` and `[B, T, 2H, 2W, 3]`.
    """

    run: UpscalerRun
    small: np.ndarray
    large: np.ndarray

    @classmethod
    def of(cls, run: UpscalerRun, tokenizer: VideoConfig | None, params: dict, large: np.ndarray) -> Self:
        """Return the evaluation of large clips and their small versions, rebuilt by the tokenizer of `params`."""
        large = large[:, : run.data.frames, : run.data.side, : run.data.side]
        video = jnp.asarray(large, jnp.float32) / 127.5 - 1
        made = jax.jit(small_clips, static_argnums=(0, 3, 4))(tokenizer, params, video, 1.0, 0.0, jax.random.key(0))
        return cls(run, np.asarray(jnp.round((made + 1) * 127.5)).astype(np.uint8), large)

    def _made(self, params: Any) -> np.ndarray:
        return Upscaler(self.run.model, params).upscale(self.small)

    def samples(self, current: TrainState, folder: Path) -> None:
        """Write a contact sheet of every small clip, its enlargement by the averaged parameters, and the original."""
        blocks = self.small.repeat(2, axis=2).repeat(2, axis=3)
        rows = zip(blocks, self._made(current.ema), self.large, strict=True)
        contact_sheet([clip for row in rows for clip in row], folder / "enlarged.png", scale=1)

    def evaluate(self, current: TrainState) -> dict[str, float]:
        """Return the mean squared error of pixels in [-1, 1], and the PSNR in dB."""
        made = self._made(processes.here(current.ema)).astype(np.float32)
        error = float(np.mean(np.square((made - self.large) / 127.5)))
        return {"loss": error, "psnr": -10 * float(np.log10(max(error, 1e-10) / 4))}


def _start(run: UpscalerRun) -> dict:
    """Return the parameters that a run takes from its start, without the fresh ones."""
    if run.start_from is None:
        return {}
    start = open_upscaler(run.start_from)
    check_sizes(run.start_from, "upscaler", asdict(start.config), asdict(run.model))
    return start.params
