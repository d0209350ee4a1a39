"""Training the video tokenizer: clips in, a trained encoder and decoder out.

`reelm train video-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of crops and descends on the sum
of reconstruction, perceptual, commitment and entropy losses, and plays against a discriminator where the run has one
(MAGVIT-v2, arXiv 2310.05737, section 3.1 and appendix A).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.data import catalog, clips, pipeline
from reelm.data.augment import RandomClip
from reelm.data.clips import ClipSource
from reelm.data.plain import PlainClips
from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.lm import sharding
from reelm.media.contact_sheet import contact_sheet
from reelm.storage.atomic import write_bytes
from reelm.storage.tensors import pack, unpack
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params
from reelm.train import classes, deblocking
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_video_tokenizer
from reelm.train.run import loop, processes
from reelm.train.run.config_changes import free_fields
from reelm.train.run.training import Callback, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed, Share
from reelm.train.step.frozen import frozen
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from . import adversarial
from .adversarial import Metrics
from .grow import kept, with_another_decoder, with_more_bits
from .inflate import inflate
from .video_adversary import VideoAdversary
from .video_config import VideoTokenizerRun
from .video_losses import make_loss

FITTED_FILE = "fitted.safetensors"
"""File in a workdir that holds the transform and the deblocking filter which a fresh tokenizer began with."""


def open_batches(
    run: VideoTokenizerRun, share: Share | None = None, given: ClipSource | None = None
) -> grain.MapDataset:
    """Batches of the run, or a process's share of them: the parts that `make_loss` takes.

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
            raise RequestError(f"a crop of {frames} frames does not fit the clips, of which some have {shortest}")
        smallest = min(min(shape.height, shape.width) for shape in source.shapes)
        if crop > smallest:
            raise RequestError(f"a crop of {crop} pixels does not fit the clips, of which some have {smallest}")
        return pipeline.batches(
            source, batch_size=size, seed=seed, transform=transform, process=process, processes=process_count
        )

    parts = {"clips": batches(data.frames, data.crop, data.source_frames, run.batch_size, run.loop.seed)}
    if data.stills:
        # A seed of their own: they are frames of other clips than those beside them.
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


def create_state(run: VideoTokenizerRun, fitted: dict | None = None) -> TrainState:
    """The state before the first step; pure but for `start_from`, so its shapes can be had from `jax.eval_shape`.

    fitted: transform and filter of a fresh tokenizer; None leaves them as they are drawn.
    """
    steps = run.loop.steps
    made = state.create(_first_params(run, fitted), run.optimizer.build(steps), run.loop.seed)
    if run.adversary is None:
        return made
    key = jax.random.fold_in(jax.random.key(run.loop.seed), 1)
    return adversarial.create(made, VideoAdversary(run.adversary), run.adversary.optimizer.build(steps), key)


def make_run_step(run: VideoTokenizerRun, layout: Any = None) -> Callable[[Any, Any], tuple[Any, Metrics]]:
    """The jitted step of a run, `(state, batch) -> (state, metrics)` with batches as `make_loss` takes them.

    `layout`: shardings of the state on a mesh; None leaves them to XLA.
    """
    loss, steps, ema = frozen(make_loss(run), _known(run)), run.loop.steps, run.optimizer.ema
    optimizer = run.optimizer.build(steps)
    if run.adversary is None:
        return make_step(adversarial.without_adversary(loss), optimizer, ema, layout)
    adversary = VideoAdversary(run.adversary, jnp.dtype(run.dtype))
    return adversarial.make_step(loss, optimizer, ema, adversary, run.adversary.optimizer.build(steps), layout)


def build(run: VideoTokenizerRun, mesh: Mesh, fitted: dict | None = None) -> tuple[TrainState, Callable[..., Any]]:
    """(the state before the first step, the step over the parts of a batch) of a run, on a mesh.

    RequestError when the batch does not divide over the devices, or LPIPS has a weight but no weights.
    """
    for name, size in (("batch_size", run.batch_size), ("stills", run.data.stills), ("plain", run.data.plain)):
        feed.check_size(name, size, mesh)
    features = jax.device_put(lpips.load(), sharding.whole(mesh)) if run.losses.perceptual else None
    initial = create_state(run, fitted)
    layout = sharding.of_state(initial, mesh)
    step = make_run_step(run, layout)
    return jax.device_put(initial, layout), lambda state, parts: step(state, (parts, features))


@dataclass(frozen=True)
class Rebuilding:
    """How well a state rebuilds held-out clips: as a picture, and in numbers.

    Attributes:
        model: sizes of the tokenizer.
        originals: the clips, uint8 `[B, T, H, W, 3]`.
    """

    model: VideoConfig
    originals: np.ndarray

    def samples(self, current: TrainState, folder: Path) -> None:
        """Write a contact sheet of every original and what the averaged parameters make of it."""
        rebuilt = VideoTokenizer(self.model, current.ema).reconstruct(self.originals)
        pairs = [clip[:: self.model.time_stride] for pair in zip(self.originals, rebuilt, strict=True) for clip in pair]
        contact_sheet(pairs, folder / "rebuilt.png")

    def evaluate(self, current: TrainState) -> dict[str, float]:
        """Return the mean squared error of pixels in [-1, 1], and the PSNR in dB."""
        rebuilt = VideoTokenizer(self.model, processes.here(current.ema)).reconstruct(self.originals)
        error = float(np.mean(np.square((rebuilt.astype(np.float32) - self.originals) / 127.5)))
        return {"loss": error, "psnr": -10 * float(np.log10(max(error, 1e-10) / 4))}


def train(
    run: VideoTokenizerRun, workdir: Path, given: Given | None = None, *, callbacks: Sequence[Callback] = ()
) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised.

    given: the clips; None for those of the data set that the run names.
    """
    run.model.latent_shape(run.data.frames, run.data.crop, run.data.crop)
    mesh = run.mesh.build()
    source, held_back = given or Given.named(run.data.dataset, run.data.source_frames)
    initial, step = build(run, mesh, _fitted(run, workdir, given and given.train))
    job = Rebuilding(run.model, clips.clips_of_one_shape(held_back, 8))
    # Weights stored in a smaller format have another hash than the weights that made the codes.
    codes = {"codes": open_video_tokenizer(run.start_from).hash} if run.keeps_codes and run.start_from else {}
    return loop.run(
        run.loop,
        initial,
        step,
        Feed(open_batches(run, feed.share(mesh), given and given.train), mesh),
        workdir,
        Training(
            stage="video-tokenizer",
            resolved=asdict(run) | codes,
            data={"train": clips.identity(source), "held_back": clips.identity(held_back)},
            free=free_fields(run),
            samples=job.samples,
            evaluate=job.evaluate,
            metrics=("loss", "psnr"),
            callbacks=callbacks,
        ),
    )


def _fitted(run: VideoTokenizerRun, workdir: Path, given: ClipSource | None) -> dict | None:
    """The transform of a fresh tokenizer, and the filter behind it, None where it has none.

    The workdir keeps both, as a resumed run needs them.
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


def _first_params(run: VideoTokenizerRun, fitted: dict | None) -> dict:
    if run.start_from is None:
        if run.inflate:
            raise RequestError("inflate needs start_from: the folder of a training on single frames")
        fresh = init_params(run.model, jax.random.key(run.loop.seed))
        if fitted is None:
            return fresh
        # Both parts have the transform, the decoder alone the filter.
        return {
            part: {name: jax.tree.map(jnp.array, fitted.get(name, leaf)) for name, leaf in leaves.items()}
            for part, leaves in fresh.items()
        }
    model, start = run.model, open_video_tokenizer(run.start_from)
    ours = isinstance(model, VideoTokenizerConfig)
    if run.keeps_codes and isinstance(model, VideoTokenizerConfig) and _of_other_decoder(start.config, model):
        return with_another_decoder(
            jax.tree.map(jnp.asarray, start.params), init_params(model, jax.random.key(run.loop.seed))
        )
    grows = ours and not model.levels and not model.scalars and start.config.bits < model.bits
    more = {"bits"} if grows else set[str]()
    check_sizes(run.start_from, "video-tokenizer", asdict(start.config), asdict(model), more)
    params = jax.tree.map(jnp.asarray, start.params)
    if grows:
        params = with_more_bits(params, init_params(model, jax.random.key(run.loop.seed)))
    return inflate(model, params) if ours and run.inflate else params


def _known(run: VideoTokenizerRun) -> dict[str, Any]:
    """Return which nets of a run are not trained, as `frozen` takes it; RequestError where that leaves none."""
    if not run.freeze_known or run.start_from is None:
        return {"encoder": True} if run.freeze_encoder else {}
    decoder = jax.eval_shape(partial(init_params, run.model), jax.random.key(0))["decoder"]
    known = dict.fromkeys(kept(open_video_tokenizer(run.start_from).params["decoder"], decoder), True)
    if known.keys() == decoder.keys():
        raise RequestError(f"{run.start_from} has all that this tokenizer has, so with freeze_known nothing is trained")
    return {"encoder": True, "decoder": known}


def _of_other_decoder(start: VideoConfig, model: VideoTokenizerConfig) -> bool:
    """Whether a tokenizer makes the codes of `model`, and draws them by another decoder."""
    return isinstance(start, VideoTokenizerConfig) and start != model and start.code_fields == model.code_fields
