"""Training the audio tokenizer: sounds in, a trained encoder and decoder out.

`reelm train audio-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of short pieces and descends on
the sum of waveform, mel, commitment and entropy losses, and plays against a discriminator where the run has one
(SoundStream, arXiv 2107.03312, section III-D). The parameters are {"tokenizer": ...}.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from reelm.data import catalog, clips, pipeline
from reelm.data.any_sound.tones import tone
from reelm.errors import RequestError
from reelm.evaluation.spectrogram_sheet import spectrogram_sheet
from reelm.lm import sharding
from reelm.lm.mesh import MeshSpec
from reelm.media.formats.wav import write_wav
from reelm.media.sound import as_float_sound, resample, with_channels
from reelm.tokenizer import quantizer
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, autoencode, init_params
from reelm.tokenizer.codes import CodeSpec
from reelm.train.parts import open_audio_tokenizer
from reelm.train.run import loop
from reelm.train.run.config_changes import FREE, differences, free_fields
from reelm.train.run.loop import LoopConfig, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed
from reelm.train.step.fields import check_least, check_shares
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from . import adversarial
from .adversarial import Metrics, Terms
from .audio_adversary import AudioAdversary
from .audio_discriminator import AudioDiscriminatorConfig
from .audio_losses import SoundLossWeights, envelope_distance, loudness_distance, mel_distance, spectrum_distance
from .grow import grown

# A run may start from weights that have fewer blocks, or no pitch.
_MAY_GROW = ("encoder_blocks", "decoder_blocks", "pitch")


@dataclass(frozen=True, kw_only=True)
class SoundData:
    """What a step sees: from each clip of `dataset` (of `source_frames` video frames) one piece of its sound."""

    dataset: str = "moving_digits_sound"
    """Name or folder of the data set that gives the sound."""
    source_frames: int = 17
    """Video frames of the clips that pieces of sound are cut from."""
    hops: int = 20
    """Length of a piece in audio frames."""
    whole_hops: bool = False
    """Cut pieces at the start of an audio frame, for sounds that begin with video frames. Codes then need not say when
    a sound begins within an audio frame."""
    gains: tuple[float, float] = (0.5, 1.2)
    """Range of random gains. Half of the pieces are also inverted."""
    tones: float = 0.0
    """Share of pieces that are drawn: pure tones, overtones, clicks and noise, of which recordings hold few."""

    def __post_init__(self) -> None:
        check_least(self, 1, "source_frames", "hops")
        check_shares(self, "tones")
        if not self.gains[0] <= self.gains[1]:
            raise RequestError(f"gains are a least and a largest factor, not {self.gains}")


@dataclass(frozen=True, kw_only=True)
class AudioTokenizerRun:
    """Everything that decides a run; `reelm train audio-tokenizer` overrides any field by its dotted name."""

    model: AudioTokenizerConfig = field(default_factory=AudioTokenizerConfig)
    """Sizes of the tokenizer."""
    data: SoundData = field(default_factory=SoundData)
    """Sounds that a step sees."""
    losses: SoundLossWeights = field(default_factory=SoundLossWeights)
    """Weights of the losses."""
    mel_windows: tuple[int, ...] = (128, 256, 512, 1024, 2048)
    """Window lengths of the mel loss in samples."""
    discriminator: AudioDiscriminatorConfig = field(default_factory=AudioDiscriminatorConfig)
    """Sizes of the discriminator."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the tokenizer."""
    discriminator_optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=3e-4, betas=(0.5, 0.9))
    )
    """Optimizer of the discriminator."""
    batch_size: int = 16
    """Pieces of sound in a step."""
    start_from: Path | None = None
    """Workdir of a training, or a model, whose weights this run starts from. Default: fresh weights."""
    freeze_encoder: bool = False
    """Train the decoder alone. Codes, and language models over them, stay valid."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=20_000))
    """Length of the run and its reports."""

    def __post_init__(self):
        check_least(self, 1, "batch_size")
        if not self.mel_windows:
            raise RequestError("mel_windows is empty; name one window length at least")
        longest = max((*self.mel_windows, *(self.discriminator.windows if self.losses.adversarial else ())))
        if self.data.hops * self.model.hop < longest:
            raise RequestError(
                f"pieces of {self.data.hops} hops of {self.model.hop} samples are shorter than a window of {longest}; "
                f"take at least {-(-longest // self.model.hop)} hops"
            )


class RandomPiece(grain.transforms.RandomMap):
    """A clip -> float32 `[samples, C]`, from anywhere in its sound, rather where something is heard."""

    def __init__(self, data: SoundData, model: AudioTokenizerConfig):
        self.data, self.model = data, model

    def random_map(self, element: Mapping[str, Any], rng: np.random.Generator) -> Any:
        sound = heard(element, self.model)
        samples, step = self.data.hops * self.model.hop, self.model.hop if self.data.whole_hops else 1
        if self.data.tones and rng.random() < self.data.tones:
            drawn = tone(int(rng.integers(2**31)), self.model.sample_rate, samples / self.model.sample_rate)
            return np.repeat(drawn[:, None], self.model.channels, axis=1)
        sound = np.pad(sound, ((0, max(0, samples - len(sound))), (0, 0)))
        # A few tries: silence teaches nothing after the first steps, but some must be heard.
        for tries_left in (2, 1, 0):
            first = step * int(rng.integers((len(sound) - samples) // step + 1))
            piece = sound[first : first + samples]
            if piece.std() > 1e-2 or not tries_left:
                gain = rng.uniform(*self.data.gains) * rng.choice([-1, 1])
                return np.clip(piece * gain, -1, 1).astype(np.float32)


def heard(clip: Mapping[str, Any], model: AudioTokenizerConfig) -> np.ndarray:
    """The sound `[S, C]` of a clip as a tokenizer takes it; RequestError when it has none."""
    if "audio" not in clip:
        raise RequestError("a clip of this data set has no sound; choose a set whose clips all have")
    sound = with_channels(as_float_sound(clip["audio"]), model.channels)
    return resample(sound, int(clip["sample_rate"]), model.sample_rate)[0]


def held_back_sounds(run: AudioTokenizerRun, count: int) -> np.ndarray:
    """Return the first held-out sounds, up to `count`, all as long as the shortest: `[B, S, C]`."""
    source = catalog.open_held_back(run.data.dataset, num_frames=run.data.source_frames)
    sounds = [heard(source[i], run.model) for i in range(min(count, len(source)))]
    return np.stack([sound[: min(map(len, sounds))] for sound in sounds])


def make_loss(run: AudioTokenizerRun):
    """`(params, sound [B, S, C], key, step) -> (loss, (metrics, pairs))`; entropies in nats, snr in dB.

    `pairs` holds (sound, rebuilt).
    """
    config, weights = run.model, run.losses

    def loss(params: dict, sound: jax.Array, key: jax.Array, step: jax.Array) -> Terms:
        tokenizer = params["tokenizer"]
        if run.freeze_encoder:
            tokenizer = {**tokenizer, "encoder": jax.lax.stop_gradient(tokenizer["encoder"])}
        rebuilt, latent = autoencode(config, tokenizer, sound, kept=_kept_levels(config, key, len(sound)))
        levels = config.residual.remainders(latent)
        quantized = jax.lax.stop_gradient(config.residual.quantize(latent))
        error, energy = jnp.mean(jnp.square(rebuilt - sound)), jnp.mean(jnp.square(sound)) + 1e-8
        terms = {
            "waveform": jnp.mean(jnp.abs(rebuilt - sound)),
            "power": error / energy,
            "mel": mel_distance(sound, rebuilt, config.sample_rate, run.mel_windows, weights.mel_floor),
            "commitment": jnp.mean(jnp.square(latent - quantized)),
        }
        # Each of these takes a tenth of a step or more, so it is paid for only where it counts.
        if weights.loudness:
            terms["loudness"] = loudness_distance(sound, rebuilt, config.hop)
        if weights.envelope:
            terms["envelope"] = envelope_distance(sound, rebuilt, config.sample_rate)
        if weights.spectrum:
            terms["spectrum"] = spectrum_distance(sound, rebuilt, config.sample_rate)
        if weights.sample_entropy:
            terms["sample_entropy"] = quantizer.sample_entropy(levels, weights.temperature)
        if weights.batch_entropy:
            terms["batch_entropy"] = -_batch_entropy(levels, config.code, weights.temperature)
        total = sum((getattr(weights, name) * term for name, term in terms.items()), jnp.zeros(()))
        # How evenly each bit is used: 0 when every bit is always the same, 1 when each is set half of the time.
        share = jnp.mean(levels >= 0, axis=tuple(range(levels.ndim - 2)))
        about = {"snr": 10 * jnp.log10(energy / error), "bit_balance": jnp.mean(1 - jnp.abs(2 * share - 1))}
        return total, ({**terms, **about}, [(sound, rebuilt)])

    return loss


def create_state(run: AudioTokenizerRun) -> TrainState:
    """The state before the first step; pure but for `start_from`, so its shapes can be had from `jax.eval_shape`."""
    key, adversary_key = jax.random.split(jax.random.key(run.loop.seed))
    steps = run.loop.steps
    made = state.create(_first_params(run, key), run.optimizer.build(steps), run.loop.seed)
    if not run.losses.adversarial:
        return made
    return adversarial.create(made, _adversary(run), run.discriminator_optimizer.build(steps), adversary_key)


def make_run_step(run: AudioTokenizerRun, layout: Any = None) -> Callable[[Any, Any], tuple[Any, Metrics]]:
    """The jitted step of a run, `(state, sound [B, S, C]) -> (state, metrics)`.

    `layout`: shardings of the state on a mesh; None leaves them to XLA.
    """
    loss, steps, ema = make_loss(run), run.loop.steps, run.optimizer.ema
    optimizer = run.optimizer.build(steps)
    if not run.losses.adversarial:
        return make_step(adversarial.without_adversary(loss), optimizer, ema, layout)
    adversary_optimizer = run.discriminator_optimizer.build(steps)
    return adversarial.make_step(loss, optimizer, ema, _adversary(run), adversary_optimizer, layout)


def train(run: AudioTokenizerRun, workdir: Path) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised."""
    source = catalog.open_clips(run.data.dataset, "train", num_frames=run.data.source_frames)
    heard(source[0], run.model)  # before anything is compiled
    mesh = run.mesh.build()
    feed.check_size("batch_size", run.batch_size, mesh)
    initial = create_state(run)
    layout = sharding.of_state(initial, mesh)
    data = pipeline.batches(
        source,
        batch_size=run.batch_size,
        seed=run.loop.seed,
        transform=RandomPiece(run.data, run.model),
        **feed.share(mesh)._asdict(),
    )
    originals = held_back_sounds(run, 8)

    # As in a video tokenizer's run: the codes keep the name that they have.
    codes = {"codes": open_audio_tokenizer(run.start_from).hash} if run.freeze_encoder and run.start_from else {}
    return loop.run(
        run.loop,
        jax.device_put(initial, layout),
        make_run_step(run, layout),
        Feed(data, mesh),
        workdir,
        Training(
            stage="audio-tokenizer",
            resolved=asdict(run) | codes,
            data={"train": clips.identity(source)},
            free=free_fields(run),
            samples=partial(_write_samples, run.model, originals),
        ),
    )


def _write_samples(model: AudioTokenizerConfig, originals: np.ndarray, current: TrainState, folder: Path) -> None:
    """Write spectrograms of the sounds `[B, S, C]` and their reconstructions, and one track with all of them."""
    rebuilt = AudioTokenizer(model, current.ema["tokenizer"]).reconstruct(originals, model.sample_rate)
    pairs = list(zip(originals, rebuilt, strict=True))
    spectrogram_sheet(pairs, model.sample_rate, folder / "rebuilt.png")
    # In the track every original is followed by its reconstruction.
    write_wav(np.concatenate([sound for pair in pairs for sound in pair]), model.sample_rate, folder / "rebuilt.wav")


def _batch_entropy(levels: jax.Array, code: CodeSpec, temperature: float) -> jax.Array:
    """The mean over levels of the entropy of the codes each uses; `levels` is `[..., L, K]`."""
    count = levels.shape[-2]
    each = [quantizer.batch_entropy(levels[..., level, :], code, temperature) for level in range(count)]
    return sum(each, jnp.zeros(())) / count


def _kept_levels(config: AudioTokenizerConfig, key: jax.Array, batch: int) -> jax.Array | None:
    """Return how many levels each sound of a batch keeps: all for half of them, else one of `fewer_levels`."""
    if not config.fewer_levels:
        return None
    fewer = jax.random.choice(key, jnp.array(config.fewer_levels), (batch,))
    return jnp.where(jnp.arange(batch) % 2 == 0, config.levels, fewer)


def _adversary(run: AudioTokenizerRun) -> AudioAdversary:
    return AudioAdversary(run.discriminator, run.model.channels, run.losses)


def _first_params(run: AudioTokenizerRun, key: jax.Array) -> dict:
    if run.start_from is None:
        return {"tokenizer": init_params(run.model, key)}
    start = open_audio_tokenizer(run.start_from)
    fewer = {name: min(getattr(start.config, name), getattr(run.model, name)) for name in _MAY_GROW}
    if start.config != replace(run.model, **fewer):
        lines = "; ".join(differences(asdict(start.config), asdict(run.model)))
        raise RequestError(f"{run.start_from} has a tokenizer of other sizes than this run: {lines}")
    if start.config == run.model:
        return {"tokenizer": jax.tree.map(jnp.asarray, start.params)}
    return {"tokenizer": grown(start.params, init_params(run.model, key))}
