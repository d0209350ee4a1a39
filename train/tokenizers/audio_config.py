"""The config of an audio tokenizer's training. Plain Python."""

from dataclasses import dataclass, field
from pathlib import Path

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.step.optimizer import OptimizerConfig
from reelm.value_checks import check_above, check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class SoundData:
    """The data of a step: one piece of sound from each clip of `dataset` (of `source_frames` video frames)."""

    dataset: str = "moving_digits_sound"
    """Name or folder of the data set with the sound."""
    source_frames: int = 17
    """Video frames of the clips that pieces of sound are cut from."""
    hops: int = 20
    """Length of a piece in audio frames."""
    whole_hops: bool = False
    """Cut pieces at the start of an audio frame, for sounds that begin with video frames. Codes then need not encode
    when a sound begins within an audio frame."""
    gains: tuple[float, float] = (0.5, 1.2)
    """Range of random gains. Half of the pieces are also inverted."""
    tones: float = 0.0
    """Fraction of pieces that are synthetic: pure tones, overtones, clicks and noise, which are rare in recordings."""
    own_output: float = 0.0
    """Share of a batch that the tokenizer reads as it rebuilds it itself, and is to rebuild as it was: a clip may be
    saved and read many times."""

    def __post_init__(self) -> None:
        check_least(self, 1, "source_frames", "hops")
        check_shares(self, "tones", "own_output")
        if not self.gains[0] <= self.gains[1]:
            raise RequestError(f"gains must be a smallest and a largest factor, not {self.gains}")


@dataclass(frozen=True, kw_only=True)
class SoundLossWeights:
    """Weight of each term.

    Spectra have the largest weights: with few bits a waveform can only be matched where it is loud, and the parts of
    speech that make words clear are not loud.
    """

    waveform: float = 0.3
    """Weight of the mean absolute difference of samples."""
    power: float = 0.2
    """Weight of the mean squared difference of samples, relative to the mean square of the batch. Silence scores 1."""
    mel: float = 3.0
    """Weight of the multi-scale distance of log10-mel spectrograms."""
    mel_floor: float = 0.1
    """Magnitude below which a mel band counts as silent: a voice reaches 1 to 30."""
    spectrum: float = 0.0
    """Weight of the distance of complex spectra, compressed as the ear does. It teaches pitch and phase."""
    envelope: float = 0.0
    """Weight of the distance of the envelopes of mel bands, in units of each band's loudness. Loud syllables count
    most, as they do for a listener."""
    loudness: float = 0.0
    """Weight of the distance of the loudness of audio frames, in decades. Without it a net that is not sure of a pitch
    makes it softer."""
    commitment: float = 0.1
    """Weight of the squared distance between latents and the values of their codes."""
    sample_entropy: float = 0.0
    """Weight of the entropy of single bits, in nats a code, averaged over levels. It makes codes certain."""
    batch_entropy: float = 0.02
    """Weight of the entropy of codes over the batch, in nats a code. It makes the use of codes more even."""
    temperature: float = 1.0
    """Temperature of the bit probabilities in both entropies."""
    adversarial: float = 0.0
    """Weight of the adversarial loss. 0 trains without a discriminator."""
    feature_matching: float = 2.0
    """Weight of the distance between discriminator features. It has no effect when `adversarial` is 0."""
    adversarial_from: int = 0
    """First step at which the adversarial loss counts. The discriminator learns from step 0."""

    def __post_init__(self) -> None:
        check_above(self, 0, "temperature")
        check_above(self, 0, "mel_floor")
        check_least(self, 0, "spectrum", "envelope", "loudness", "adversarial", "feature_matching", "adversarial_from")


@dataclass(frozen=True, kw_only=True)
class AudioDiscriminatorConfig:
    """Sizes of the discriminator, one net for each window length."""

    windows: tuple[int, ...] = (1024, 512, 256)
    """Window lengths of the spectrograms in samples, multiples of 4. Each has its own network."""
    channels: int = 16
    """Channels of the layers."""

    def __post_init__(self):
        object.__setattr__(self, "windows", tuple(self.windows))
        if not self.windows or any(window < 16 or window % 4 for window in self.windows):
            raise RequestError(f"windows are multiples of 4 from 16 samples, at least one of them, not {self.windows}")


@dataclass(frozen=True, kw_only=True)
class AudioTokenizerRun:
    """The config of a run; `reelm train audio-tokenizer` overrides any field by its dotted name."""

    model: AudioTokenizerConfig = field(default_factory=AudioTokenizerConfig)
    """Sizes of the tokenizer."""
    data: SoundData = field(default_factory=SoundData)
    """Sounds of a step."""
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
    """Train only the decoder. Codes, and language models over them, stay valid."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run, as in `--mesh data=2,fsdp=4`."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=20_000))
    """Length of the run and its reports."""

    def __post_init__(self):
        check_least(self, 1, "batch_size")
        self.mesh.check_copies()
        if not self.mel_windows:
            raise RequestError("mel_windows is empty; name at least one window length")
        longest = max((*self.mel_windows, *(self.discriminator.windows if self.losses.adversarial else ())))
        if self.data.hops * self.model.hop < longest:
            raise RequestError(
                f"pieces of {self.data.hops} hops of {self.model.hop} samples are shorter than a window of {longest}; "
                f"take at least {-(-longest // self.model.hop)} hops"
            )
