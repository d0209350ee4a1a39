"""Train the video tokenizer: from clips to a trained encoder and decoder.

`reelm train video-tokenizer CONFIG --workdir DIR` calls `make_job`. A step rebuilds a batch of crops and minimises the
sum of reconstruction, perceptual, commitment and entropy losses. A run may add a discriminator (MAGVIT-v2, arXiv
2310.05737, section 3.1 and appendix A).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from reelm.data import catalog, clips, pipeline
from reelm.data.augment import RandomClip
from reelm.data.clips import ClipSource
from reelm.data.plain import PlainClips
from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.media.contact_sheet import contact_sheet
from reelm.storage.atomic import write_bytes
from reelm.storage.tensors import pack, unpack
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params
from reelm.train import classes, deblocking
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_video_tokenizer
from reelm.train.run import processes
from reelm.train.run.job import Job
from reelm.train.step import adversarial
from reelm.train.step.adversarial import Opponent
from reelm.train.step.feed import Share, check_size
from reelm.train.step.frozen import frozen
from reelm.train.step.objective import Objective
from reelm.train.step.state import TrainState

from .grow import inflate, kept, with_another_decoder, with_more_bits
from .video_adversary import VideoAdversary
from .video_config import VideoTokenizerRun
from .video_losses import make_loss

FITTED_FILE = "fitted.safetensors"
"""File in a workdir that holds the transform and the deblocking filter which a fresh tokenizer began with."""


def open_batches(
    run: VideoTokenizerRun, share: Share | None = None, given: ClipSource | None = None
) -> grain.MapDataset:
    """Return the batches of the run, or a process's share of them: the parts that `make_loss` takes.

    given: clips to cut them from; None for those of the data set that the run names.
    """
    process, process_count = share or Share(0, 1)
    data = run.data

    def batches(frames: int, crop: int, source_frames: int, size: int, seed: int) -> grain.MapDataset:
        speeds = data.speeds if frames > 1 else (1,)
        transform = RandomClip(frames, crop, mirror=data.mirror, reverse=data.reverse, speeds=speeds)
        source = catalog.open_clips(data.dataset, "train", num_frames=source_frames) if given is None else given
        shortest = min(shape.frames for shape in source.shapes)
        if frames > shortest:
            raise RequestError(f"a crop of {frames} frames does not fit the clips; the shortest has {shortest}")
        smallest = min(min(shape.height, shape.width) for shape in source.shapes)
        if crop > smallest:
            raise RequestError(f"a crop of {crop} pixels does not fit the clips; the smallest has {smallest}")
        return pipeline.batches(
            source, batch_size=size, seed=seed, transform=transform, process=process, processes=process_count
        )

    parts = {"clips": batches(data.frames, data.crop, data.source_frames, run.batch_size, run.loop.seed)}
    if data.stills:
        # Stills have their own seed, so that they come from other clips than the crops of the batch.
        parts["stills"] = batches(1, data.still_crop or data.crop, 1, data.stills, run.loop.seed + 1)
    if data.plain:
        drawn = PlainClips(data.frames, data.crop)
        parts["plain"] = pipeline.batches(
            drawn,
            batch_size=data.plain,
            seed=run.loop.seed + 2,
            transform=RandomClip(data.frames, data.crop),
            process=process,
            processes=process_count,
        )
    return pipeline.join(parts)


def objective_of(run: VideoTokenizerRun, fitted: Mapping[str, Any] | None = None) -> Objective:
    """Return the objective of a run; RequestError when nothing is trained.

    fitted: transform and filter of a fresh tokenizer; None leaves their random initialisation.
    """
    steps, loss, opponent = run.loop.steps, frozen(make_loss(run), _known(run)), None
    if run.adversary is not None:
        adversary = VideoAdversary(run.adversary, jnp.dtype(run.dtype))
        opponent = Opponent(adversary, run.adversary.optimizer.build(steps), lambda key: jax.random.fold_in(key, 1))
    return Objective(
        init=partial(init_params, run.model),
        start=jax.device_get(_start(run, fitted)),
        loss=loss if opponent else adversarial.without_adversary(loss),
        constants=lpips.load if run.losses.perceptual else None,
        optimizer=run.optimizer.build(steps),
        ema=run.optimizer.ema,
        seed=run.loop.seed,
        opponent=opponent,
    )


@dataclass(frozen=True)
class Rebuilding:
    """Evaluates how well a state rebuilds held-out clips, as a picture and in numbers.

    Attributes:
        model: sizes of the tokenizer.
        originals: the clips, uint8 `[B, T, H, W, 3]`.
    """

    model: VideoConfig
    originals: np.ndarray

    def samples(self, current: TrainState, folder: Path) -> None:
        """Write a contact sheet of every original and its reconstruction by the averaged parameters."""
        rebuilt = VideoTokenizer(self.model, current.ema).reconstruct(self.originals)
        pairs = [clip[:: self.model.time_stride] for pair in zip(self.originals, rebuilt, strict=True) for clip in pair]
        contact_sheet(pairs, folder / "rebuilt.png")

    def evaluate(self, current: TrainState) -> dict[str, float]:
        """Return the mean squared error of pixels in [-1, 1], and the PSNR in dB."""
        rebuilt = VideoTokenizer(self.model, processes.here(current.ema)).reconstruct(self.originals)
        error = float(np.mean(np.square((rebuilt.astype(np.float32) - self.originals) / 127.5)))
        return {"loss": error, "psnr": -10 * float(np.log10(max(error, 1e-10) / 4))}


def make_job(run: VideoTokenizerRun, workdir: Path, given: Given | None = None) -> Job:
    """Return the training of a run.

    workdir: holds the transform and filter that were fitted for a fresh tokenizer before the first step.
    given: the clips; None for those of the data set that the run names.
    """
    run.model.latent_shape(run.data.frames, run.data.crop, run.data.crop)
    mesh = run.mesh.build()
    source, held_back = given or Given.named(run.data.dataset, run.data.source_frames)
    objective = objective_of(run, _fitted(run, workdir, given and given.train))
    for name, size in (("batch_size", run.batch_size), ("stills", run.data.stills), ("plain", run.data.plain)):
        check_size(name, size, mesh)
    rebuilding = Rebuilding(run.model, clips.clips_of_one_shape(held_back, 8))
    # Weights stored in a smaller format have another hash than the weights that made the codes.
    codes = {"codes": open_video_tokenizer(run.start_from).hash} if run.keeps_codes and run.start_from else {}
    return Job(
        stage="video-tokenizer",
        config=run,
        about=codes,
        data={"train": clips.identity(source), "held_back": clips.identity(held_back)},
        mesh=mesh,
        build=objective.build,
        batches=lambda share: pipeline.iterate(open_batches(run, share, given and given.train)),
        samples=rebuilding.samples,
        evaluate=rebuilding.evaluate,
        metrics=("loss", "psnr"),
    )


def _fitted(run: VideoTokenizerRun, workdir: Path, given: ClipSource | None) -> dict | None:
    """Fit the transform of a fresh tokenizer, and its deblocking filter; return None if it has none.

    The workdir keeps both, because a resumed run needs them.
    """
    if not isinstance(run.model, VideoTokenizerConfig) or not run.model.levels or run.start_from is not None:
        return None
    path = workdir / FITTED_FILE
    if path.exists():
        return unpack(path.read_bytes(), path)
    batches = iter(open_batches(run, given=given))
    transform = classes.fit(run.model, classes.rounds(run.model, batches, run.fit.rounds, run.fit.patches))
    filtered = deblocking.fit(run.model, transform, batches, run.fit.rounds * run.fit.patches)
    fitted = {"transform": transform, "deblocking": filtered}
    if processes.is_first():
        workdir.mkdir(parents=True, exist_ok=True)
        write_bytes(path, pack(fitted, "float32"))
    return fitted


def _start(run: VideoTokenizerRun, fitted: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the parameters that a run takes from its start, without the fresh ones."""
    if run.start_from is None:
        if run.inflate:
            raise RequestError("inflate needs start_from: the folder of a training on single frames")
        # Both parts have the transform, only the decoder has the filter.
        return {} if fitted is None else {"encoder": {"transform": fitted["transform"]}, "decoder": fitted}
    model, start = run.model, open_video_tokenizer(run.start_from)
    params, fresh = start.params, partial(init_params, model, jax.random.key(run.loop.seed))
    ours = isinstance(model, VideoTokenizerConfig)
    if run.keeps_codes and isinstance(model, VideoTokenizerConfig) and _of_other_decoder(start.config, model):
        return with_another_decoder(params, fresh())
    grows = ours and not model.levels and start.config.bits < model.bits
    # Of finite scalars, more of them follow those that are trained.
    grows = grows and model.scalars[: len(start.config.scalars)] == start.config.scalars
    more = {"bits"} if grows else set[str]()
    check_sizes(run.start_from, "video-tokenizer", asdict(start.config), asdict(model), more)
    if grows:
        params = with_more_bits(params, fresh())
    return inflate(model, params) if ours and run.inflate else params


def _known(run: VideoTokenizerRun) -> dict[str, Any]:
    """Return the nets of a run that are not trained, as `frozen` takes them; RequestError if none is trained."""
    if not run.freeze_known or run.start_from is None:
        return {"encoder": True} if run.freeze_encoder else {}
    decoder = jax.eval_shape(partial(init_params, run.model), jax.random.key(0))["decoder"]
    known = dict.fromkeys(kept(open_video_tokenizer(run.start_from).params["decoder"], decoder), True)
    if known.keys() == decoder.keys():
        raise RequestError(f"{run.start_from} has all nets of this tokenizer, so freeze_known leaves none to train")
    return {"encoder": True, "decoder": known}


def _of_other_decoder(start: VideoConfig, model: VideoTokenizerConfig) -> bool:
    """Return whether a tokenizer makes the codes of `model` but has another decoder."""
    return isinstance(start, VideoTokenizerConfig) and start != model and start.code_fields == model.code_fields
