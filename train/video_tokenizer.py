"""Training the video tokenizer: clips in, a trained encoder and decoder out.

`reelm train video-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of crops and descends on the sum
of reconstruction, commitment and entropy losses (MAGVIT-v2, arXiv 2310.05737, section 3.1).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from reelm.sampling.model import load
from reelm.tokenizer import quantizer
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig, autoencode, init_params

from . import datasets, loop, pipeline, state
from .checkpoints import restore_params
from .contact_sheet import contact_sheet
from .differences import differences
from .loop import LoopConfig
from .optimizer import OptimizerConfig, make_step
from .state import TrainState


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term.

    Attributes:
        reconstruction: mean squared error of pixels in [-1, 1].
        commitment: squared distance of latents from their signs.
        sample_entropy: doubt about single bits, in nats a code.
        batch_entropy: gain for using many codes. Keep it small where most of a clip is background: a strong one makes
            the background use many codes, which is noise to the language model.
        temperature: of the bits' probabilities in both entropies.
    """

    reconstruction: float = 5.0
    commitment: float = 0.25
    sample_entropy: float = 0.1
    batch_entropy: float = 0.1
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ClipData:
    """What a step sees: from each clip of `dataset` (of `source_frames` frames) one crop.

    Attributes:
        frames: length of a crop, 1 + 4k.
        crop: height and width of a crop in pixels; smaller than the clip, a step costs less and sees less background.
    """

    dataset: str = "moving_digits"
    source_frames: int = 17
    frames: int = 9
    crop: int = 32


@dataclass(frozen=True, kw_only=True)
class VideoTokenizerRun:
    """Everything that decides a run; `reelm train video-tokenizer` overrides any field by its dotted name.

    Attributes:
        start_from: folder of another training, or a model, whose weights this one starts from; None for fresh ones.
        freeze_encoder: train the decoder alone: the codes, and language models over them, stay valid.
    """

    model: VideoTokenizerConfig = field(default_factory=VideoTokenizerConfig)
    data: ClipData = field(default_factory=ClipData)
    losses: LossWeights = field(default_factory=LossWeights)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 32
    start_from: Path | None = None
    freeze_encoder: bool = False
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))


class RandomCrop(grain.transforms.RandomMap):
    """A clip -> float32 `[frames, crop, crop, 3]` in [-1, 1], from anywhere in it, rather where there is content."""

    def __init__(self, frames: int, crop: int):
        self.frames, self.crop = frames, crop

    def random_map(self, element: Mapping[str, Any], rng: np.random.Generator) -> Any:
        video = element["video"]
        room = [has - takes + 1 for has, takes in zip(video.shape, (self.frames, self.crop, self.crop), strict=False)]
        # A few tries: flat crops teach nothing after the first steps, but some must be seen.
        for tries_left in (3, 2, 1, 0):
            t, y, x = rng.integers(0, room)
            piece = video[t : t + self.frames, y : y + self.crop, x : x + self.crop]
            if piece.std() > 16 or not tries_left:
                return piece.astype(np.float32) / 127.5 - 1


def make_loss(run: VideoTokenizerRun):
    """`(params, video [B, T, H, W, 3], key, step) -> (loss, metrics)`; entropies in nats, psnr in dB."""
    config, weights = run.model, run.losses

    def loss(params: dict, video: jax.Array, key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        if run.freeze_encoder:
            params = {**params, "encoder": jax.lax.stop_gradient(params["encoder"])}
        rebuilt, latent = autoencode(config, params, video)
        error = jnp.mean(jnp.square(rebuilt - video))
        terms = {
            "reconstruction": error,
            "commitment": quantizer.commitment(latent),
            "sample_entropy": quantizer.sample_entropy(latent, weights.temperature),
            "batch_entropy": -quantizer.batch_entropy(latent, config.code, weights.temperature),
        }
        total = sum((getattr(weights, name) * term for name, term in terms.items()), jnp.zeros(()))
        # How evenly each bit is used: 0 when every bit is always the same, 1 when each is set half of the time.
        share = jnp.mean(latent >= 0, axis=tuple(range(latent.ndim - 1)))
        balance = jnp.mean(1 - jnp.abs(2 * share - 1))
        return total, {**terms, "psnr": -10 * jnp.log10(error / 4), "bit_balance": balance}

    return loss


def train(run: VideoTokenizerRun, workdir: Path) -> TrainState:
    """Runs or resumes the training in `workdir`; see `loop.run` for what is written and what is raised."""
    run.model.latent_shape(run.data.frames, run.data.crop, run.data.crop)
    optimizer = run.optimizer.build(run.loop.steps)
    initial = state.create(_first_params(run), optimizer, run.loop.seed)
    source = datasets.open_clips(run.data.dataset, "train", num_frames=run.data.source_frames)
    data = pipeline.batches(
        source,
        batch_size=run.batch_size,
        seed=run.loop.seed,
        transform=RandomCrop(run.data.frames, run.data.crop),
    )
    smallest = min(min(shape.height, shape.width) for shape in source.shapes)
    if run.data.crop > smallest:
        raise RequestError(f"a crop of {run.data.crop} pixels does not fit the clips, of which some have {smallest}")
    held_back = datasets.open_held_back(run.data.dataset, num_frames=run.data.source_frames)
    originals = datasets.clips_of_one_shape(held_back, 8)

    def samples(current: TrainState, folder: Path) -> None:
        rebuilt = VideoTokenizer(run.model, current.ema).reconstruct(originals)
        pairs = [clip[::4] for pair in zip(originals, rebuilt, strict=True) for clip in pair]
        contact_sheet(pairs, folder / "rebuilt.png")

    def evaluate(current: TrainState) -> dict[str, float]:
        rebuilt = VideoTokenizer(run.model, current.ema).reconstruct(originals)
        error = float(np.mean(np.square((rebuilt.astype(np.float32) - originals) / 127.5)))
        return {"loss": error, "psnr": -10 * float(np.log10(max(error, 1e-10) / 4))}

    return loop.run(
        run.loop,
        initial,
        make_step(make_loss(run), optimizer, run.optimizer.ema),
        pipeline.iterate(data),
        workdir,
        samples=samples,
        evaluate=evaluate,
        resolved=asdict(run),
        label="video tokenizer",
    )


def _first_params(run: VideoTokenizerRun) -> dict:
    if run.start_from is None:
        return init_params(run.model, jax.random.key(run.loop.seed))
    start = open_tokenizer(run.start_from)
    if start.config != run.model:
        lines = "; ".join(differences(asdict(start.config), asdict(run.model)))
        raise RequestError(f"{run.start_from} has a tokenizer of other sizes than this run: {lines}")
    return jax.tree.map(jnp.asarray, start.params)


def open_tokenizer(where: str | Path) -> VideoTokenizer:
    """The video tokenizer of a training's folder (its averaged weights), of a model folder, or of a shipped model."""
    if Path(where, "checkpoints").is_dir():
        params, _, config = restore_params(Path(where))
        if "encoder_kernel" not in config.get("model", {}):
            raise RequestError(f"{where} holds the training of something else than a video tokenizer")
        return VideoTokenizer(VideoTokenizerConfig(**config["model"]), params)
    return load(str(where)).video_tokenizer
