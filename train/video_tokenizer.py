"""Training the video tokenizer: clips in, a trained encoder and decoder out.

`reelm train video-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of crops and descends on the sum of
reconstruction, commitment and entropy losses (MAGVIT-v2, arXiv 2310.05737, section 3.1).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer import quantizer
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig, autoencode, init_params

from . import datasets, loop, pipeline, state
from .contact_sheet import contact_sheet
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
        batch_entropy: gain for using many codes. Keep it small where most of a clip is background: a strong one makes the
            background use many codes, which is noise to the language model.
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
    """Everything that decides a run; `reelm train video-tokenizer` overrides any field by its dotted name."""

    model: VideoTokenizerConfig = field(default_factory=VideoTokenizerConfig)
    data: ClipData = field(default_factory=ClipData)
    losses: LossWeights = field(default_factory=LossWeights)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 32
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))


class RandomCrop(grain.transforms.RandomMap):
    """A clip -> float32 `[frames, crop, crop, 3]` of it in [-1, 1], somewhere in space and time, where it can be with content."""

    def __init__(self, frames: int, crop: int):
        self.frames, self.crop = frames, crop

    def random_map(self, element: dict, rng: np.random.Generator) -> np.ndarray:
        video = element["video"]
        size = np.array([self.frames, self.crop, self.crop])
        for _ in range(4):  # a few tries: flat crops teach nothing after the first steps, but some must be seen
            t, y, x = rng.integers(0, np.array(video.shape[:3]) - size + 1)
            piece = video[t : t + self.frames, y : y + self.crop, x : x + self.crop]
            if piece.std() > 16:
                break
        return piece.astype(np.float32) / 127.5 - 1


def make_loss(config: VideoTokenizerConfig, weights: LossWeights):
    """`(params, video [B, T, H, W, 3], key, step) -> (loss, metrics)`; entropies in nats, psnr in dB."""

    def loss(params: dict, video: jax.Array, key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        rebuilt, latent = autoencode(config, params, video)
        error = jnp.mean(jnp.square(rebuilt - video))
        terms = {
            "reconstruction": error,
            "commitment": quantizer.commitment(latent),
            "sample_entropy": quantizer.sample_entropy(latent, weights.temperature),
            "batch_entropy": -quantizer.batch_entropy(latent, config.code, weights.temperature),
        }
        total = sum(getattr(weights, name) * term for name, term in terms.items())
        # How evenly each bit is used: 0 when every bit is always the same, 1 when each is set half of the time.
        share = jnp.mean(latent >= 0, axis=tuple(range(latent.ndim - 1)))
        balance = jnp.mean(1 - jnp.abs(2 * share - 1))
        return total, {**terms, "psnr": -10 * jnp.log10(error / 4), "bit_balance": balance}

    return loss


def train(run: VideoTokenizerRun, workdir: Path) -> TrainState:
    """Runs or resumes the training in `workdir`; see `loop.run` for what is written and what is raised."""
    run.model.latent_shape(run.data.frames, run.data.crop, run.data.crop)
    optimizer = run.optimizer.build(run.loop.steps)
    initial = state.create(init_params(run.model, jax.random.key(run.loop.seed)), optimizer, run.loop.seed)
    source = datasets.open_clips(run.data.dataset, "train", num_frames=run.data.source_frames)
    data = pipeline.batches(
        source,
        batch_size=run.batch_size,
        seed=run.loop.seed,
        transform=RandomCrop(run.data.frames, run.data.crop),
    )
    held_back = datasets.open_clips(run.data.dataset, "test", num_frames=run.data.source_frames, num_clips=8)
    originals = np.stack([held_back[i]["video"] for i in range(len(held_back))])

    def samples(current: TrainState, folder: Path) -> None:
        rebuilt = VideoTokenizer(run.model, current.ema).reconstruct(originals)
        pairs = [clip[::4] for pair in zip(originals, rebuilt, strict=True) for clip in pair]
        contact_sheet(pairs, folder / "rebuilt.png")

    return loop.run(
        run.loop,
        initial,
        make_step(make_loss(run.model, run.losses), optimizer, run.optimizer.ema),
        pipeline.iterate(data),
        workdir,
        samples=samples,
        resolved=resolved(run),
        label="video tokenizer",
    )


def resolved(run: Any) -> dict[str, Any]:
    """A run's whole config as JSON-able values."""
    return asdict(run)
