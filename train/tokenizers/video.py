"""Training the video tokenizer: clips in, a trained encoder and decoder out.

`reelm train video-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of crops and descends on the sum
of reconstruction, perceptual, commitment and entropy losses, and plays against a discriminator where the run has one
(MAGVIT-v2, arXiv 2310.05737, section 3.1 and appendix A).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.data import catalog, clips, pipeline
from reelm.data.augment import RandomClip
from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.lm import sharding
from reelm.lm.mesh import MeshSpec
from reelm.media.contact_sheet import contact_sheet
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, autoencode, init_params
from reelm.train.parts import open_video_tokenizer
from reelm.train.run import loop, processes
from reelm.train.run.config_changes import FREE, differences, free_fields
from reelm.train.run.loop import LoopConfig, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed, Share
from reelm.train.step.fields import Activations, check_choice, check_least
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from . import adversarial
from .adversarial import Metrics, Terms
from .grow import with_more_bits
from .inflate import inflate
from .video_adversary import AdversaryConfig, VideoAdversary
from .video_losses import LossWeights, code_terms, code_use, mean_over_clips, perceptual


@dataclass(frozen=True, kw_only=True)
class ClipData:
    """What a step sees: from each clip of `dataset` (of `source_frames` frames) one crop."""

    dataset: str = "moving_digits"
    """Name or folder of the data set that gives the clips."""
    source_frames: int = 17
    """Frames of the clips that crops are cut from."""
    frames: int = 9
    """Length of a crop in frames, 1 + 4k."""
    crop: int = 32
    """Height and width of a crop in pixels. Crops smaller than the clip are cheaper and see less background."""
    stills: int = 0
    """Single frames, from clips of their own, that join each batch of crops."""
    still_crop: int | None = None
    """Height and width of those frames in pixels. Default: the size of the crops."""
    mirror: bool = False
    """Mirror half of the clips left to right."""
    reverse: bool = False
    """Play half of the clips backwards."""
    speeds: tuple[int, ...] = (1,)
    """Speeds to choose from: a clip at speed n shows every n-th frame."""

    def __post_init__(self):
        object.__setattr__(self, "speeds", tuple(self.speeds))
        check_least(self, 1, "source_frames", "frames", "crop", "still_crop")
        if self.stills < 0 or not self.speeds or min(self.speeds) < 1:
            raise RequestError(f"stills start at 0 and speeds at 1, not {self.stills} and {self.speeds}")


@dataclass(frozen=True, kw_only=True)
class VideoTokenizerRun:
    """Everything that decides a run; `reelm train video-tokenizer` overrides any field by its dotted name."""

    model: VideoTokenizerConfig = field(default_factory=VideoTokenizerConfig)
    """Sizes of the tokenizer."""
    data: ClipData = field(default_factory=ClipData)
    """Clips that a step sees."""
    losses: LossWeights = field(default_factory=LossWeights)
    """Weights of the losses."""
    adversary: AdversaryConfig | None = None
    """Discriminator and its training. Default: none."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the tokenizer."""
    batch_size: int = 32
    """Clips in a step."""
    start_from: Path | None = None
    """Workdir of a training, or a model, whose weights this run starts from. Default: fresh weights."""
    inflate: bool = False
    """Make a tokenizer of clips from `start_from`, which was trained on single frames."""
    freeze_encoder: bool = False
    """Train the decoder alone. Codes, and language models over them, stay valid."""
    dtype: Activations = "float32"
    """Number format of activations. Parameters are float32."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))
    """Length of the run and its reports."""

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size")
        check_choice(self, "dtype", get_args(Activations))


def make_loss(run: VideoTokenizerRun):
    """`(params, batch, key, step) -> (loss, (metrics, pairs))`; entropies in nats, psnr in dB.

    A batch is (parts, features). Parts are {"clips": `[B, T, H, W, 3]`, "stills": `[B', 1, H', W', 3]` or absent};
    `pairs` holds (original, rebuilt) of each. Features are the weights of LPIPS, or None when it has no weight in the
    loss: an argument, since as a constant their 60 MB would be compiled in.
    """
    config, weights = run.model, run.losses

    def loss(params: dict, batch: Any, key: jax.Array, step: jax.Array) -> Terms:
        parts, features = batch
        if run.freeze_encoder:
            params = {**params, "encoder": jax.lax.stop_gradient(params["encoder"])}
        pairs, latents = [], []
        for video in parts.values():
            rebuilt, latent = autoencode(config, params, video, jnp.dtype(run.dtype))
            pairs.append((video, rebuilt))
            latents.append(latent)
        error = mean_over_clips([(jnp.mean(jnp.square(rebuilt - video)), len(video)) for video, rebuilt in pairs])
        terms = {"reconstruction": error, **code_terms(latents, config.code, weights.temperature)}
        if weights.perceptual:
            seen = [perceptual(features, before, after, weights.perceptual_frames, key) for before, after in pairs]
            terms["perceptual"] = mean_over_clips(
                [(mean, len(pair[0])) for mean, pair in zip(seen, pairs, strict=True)]
            )
        now = weights.at(step)
        total = sum((now[name] * term for name, term in terms.items()), jnp.zeros(()))
        return total, ({**terms, "psnr": -10 * jnp.log10(error / 4), **code_use(latents, config.code)}, pairs)

    return loss


def open_batches(run: VideoTokenizerRun, share: Share | None = None) -> grain.MapDataset:
    """Batches of the run, or a process's share of them: the parts that `make_loss` takes."""
    process, process_count = share or Share(0, 1)
    data = run.data

    def batches(frames: int, crop: int, source_frames: int, size: int, seed: int) -> grain.MapDataset:
        speeds = data.speeds if frames > 1 else (1,)
        transform = RandomClip(frames, crop, mirror=data.mirror, reverse=data.reverse, speeds=speeds)
        source = catalog.open_clips(data.dataset, "train", num_frames=source_frames)
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
    return pipeline.join(parts)


def create_state(run: VideoTokenizerRun) -> TrainState:
    """The state before the first step; pure but for `start_from`, so its shapes can be had from `jax.eval_shape`."""
    steps = run.loop.steps
    made = state.create(_first_params(run), run.optimizer.build(steps), run.loop.seed)
    if run.adversary is None:
        return made
    key = jax.random.fold_in(jax.random.key(run.loop.seed), 1)
    return adversarial.create(made, VideoAdversary(run.adversary), run.adversary.optimizer.build(steps), key)


def make_run_step(run: VideoTokenizerRun, layout: Any = None) -> Callable[[Any, Any], tuple[Any, Metrics]]:
    """The jitted step of a run, `(state, batch) -> (state, metrics)` with batches as `make_loss` takes them.

    `layout`: shardings of the state on a mesh; None leaves them to XLA.
    """
    loss, steps, ema = make_loss(run), run.loop.steps, run.optimizer.ema
    optimizer = run.optimizer.build(steps)
    if run.adversary is None:
        return make_step(adversarial.without_adversary(loss), optimizer, ema, layout)
    adversary = VideoAdversary(run.adversary, jnp.dtype(run.dtype))
    return adversarial.make_step(loss, optimizer, ema, adversary, run.adversary.optimizer.build(steps), layout)


def build(run: VideoTokenizerRun, mesh: Mesh) -> tuple[TrainState, Callable[..., Any]]:
    """(the state before the first step, the step over the parts of a batch) of a run, on a mesh.

    RequestError when the batch does not divide over the devices, or LPIPS has a weight but no weights.
    """
    for name, size in (("batch_size", run.batch_size), ("stills", run.data.stills)):
        feed.check_size(name, size, mesh)
    features = jax.device_put(lpips.load(), sharding.whole(mesh)) if run.losses.perceptual else None
    initial = create_state(run)
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

    model: VideoTokenizerConfig
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


def train(run: VideoTokenizerRun, workdir: Path) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised."""
    run.model.latent_shape(run.data.frames, run.data.crop, run.data.crop)
    mesh = run.mesh.build()
    initial, step = build(run, mesh)
    source = catalog.open_clips(run.data.dataset, "train", num_frames=run.data.source_frames)
    held_back = catalog.open_held_back(run.data.dataset, num_frames=run.data.source_frames)
    job = Rebuilding(run.model, clips.clips_of_one_shape(held_back, 8))
    # Weights stored in a smaller format have another hash than the weights that made the codes.
    codes = {"codes": open_video_tokenizer(run.start_from).hash} if run.freeze_encoder and run.start_from else {}
    return loop.run(
        run.loop,
        initial,
        step,
        Feed(open_batches(run, feed.share(mesh)), mesh),
        workdir,
        Training(
            stage="video-tokenizer",
            resolved=asdict(run) | codes,
            data={"train": clips.identity(source), "held_back": clips.identity(held_back)},
            free=free_fields(run),
            samples=job.samples,
            evaluate=job.evaluate,
            metrics=("loss", "psnr"),
        ),
    )


def _first_params(run: VideoTokenizerRun) -> dict:
    if run.start_from is None:
        if run.inflate:
            raise RequestError("inflate needs start_from: the folder of a training on single frames")
        return init_params(run.model, jax.random.key(run.loop.seed))
    start = open_video_tokenizer(run.start_from)
    fewer = min(start.config.bits, run.model.bits)
    if start.config != replace(run.model, bits=fewer):
        lines = "; ".join(differences(asdict(start.config), asdict(run.model)))
        raise RequestError(f"{run.start_from} has a tokenizer of other sizes than this run: {lines}")
    params = jax.tree.map(jnp.asarray, start.params)
    if fewer < run.model.bits:
        params = with_more_bits(params, init_params(run.model, jax.random.key(run.loop.seed)))
    return inflate(run.model, params) if run.inflate else params
