"""The config of a video tokenizer's training. Plain Python."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.step.optimizer import OptimizerConfig
from reelm.value_checks import check_choice, check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class ClipData:
    """The data of a step: one crop from each clip of `dataset` (of `source_frames` frames)."""

    dataset: str = "moving_digits"
    """Name or folder of the data set with the clips."""
    source_frames: int = 17
    """Frames of the clips that crops are cut from."""
    frames: int = 9
    """Length of a crop in frames, 1 + 4k."""
    crop: int = 32
    """Height and width of a crop in pixels. Crops smaller than the clip are cheaper and see less background."""
    stills: int = 0
    """Number of single frames, from other clips, that are added to each batch of crops."""
    still_crop: int | None = None
    """Height and width of those frames in pixels. Default: the size of the crops."""
    plain: int = 0
    """Number of clips of flat colours, gradients and edges that are added to each batch, in the size of the crops."""
    cuts: float = 0.0
    """Fraction of the clips that are decoded as if there was a cut after their first frame. So the decoder learns to
    start a shot without a past."""
    mirror: bool = False
    """Mirror half of the clips left to right."""
    reverse: bool = False
    """Play half of the clips backwards."""
    speeds: tuple[int, ...] = (1,)
    """Speeds to choose from: a clip at speed n shows every n-th frame."""

    def __post_init__(self):
        object.__setattr__(self, "speeds", tuple(self.speeds))
        check_least(self, 1, "source_frames", "frames", "crop", "still_crop")
        check_least(self, 0, "plain")
        check_shares(self, "cuts")
        if self.stills < 0 or not self.speeds or min(self.speeds) < 1:
            raise RequestError(f"stills must be 0 or more and speeds 1 or more, not {self.stills} and {self.speeds}")


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term."""

    reconstruction: float = 5.0
    """Weight of the mean squared error of pixels in [-1, 1]."""
    log_error: float = 0.0
    """Weight of the natural logarithm of each clip's mean squared error. It weighs flat clips as much as busy ones, and
    optimises the mean PSNR over clips."""
    perceptual: float = 0.0
    """Weight of LPIPS between frames, whose network must be fetched. 0 trains without it."""
    perceptual_frames: int | None = None
    """Number of random frames of each clip that LPIPS compares at a step. Default: all frames."""
    commitment: float = 0.25
    """Weight of the squared distance between latents and their signs. The quantizer fsq has neither this term nor the
    entropies."""
    sample_entropy: float = 0.1
    """Weight of the entropy of single bits, in nats a code. It makes codes certain."""
    batch_entropy: float = 0.1
    """Weight of the entropy of codes over the batch, in nats a code. Keep it small where clips are mostly background: a
    large weight spends many codes on the background, which is noise to the language model."""
    temperature: float = 1.0
    """Temperature of the bit probabilities in both entropies."""
    entropy_boost: float = 1.0
    """Factor of both entropy weights at step 0. It falls linearly to 1 at step `entropy_decay`."""
    entropy_decay: int = 2_000
    """Step at which the entropy boost has fallen to 1."""

    def __post_init__(self):
        if self.perceptual_frames is not None and self.perceptual_frames < 1:
            raise RequestError(f"perceptual_frames is {self.perceptual_frames}; it must be at least 1, or None for all")
        if self.entropy_decay < 1 or self.temperature <= 0:
            raise RequestError(
                f"entropy_decay must be 1 or more and temperature above 0, not {self.entropy_decay}, {self.temperature}"
            )


@dataclass(frozen=True, kw_only=True)
class VideoDiscriminatorConfig:
    """Sizes of the discriminator."""

    channels: tuple[int, ...] = (64, 128, 256, 256, 256)
    """Channels of the first convolution, then of each stage. Each stage halves height and width."""
    halve_time: tuple[bool, ...] = (False, True, True, False)
    """For each stage, whether it also halves the frames: 1 + 2k become 1 + k."""

    def __post_init__(self):
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "halve_time", tuple(self.halve_time))
        if len(self.halve_time) != len(self.channels) - 1:
            raise RequestError(
                f"{len(self.channels) - 1} stages of the discriminator need as many entries of halve_time, "
                f"not {len(self.halve_time)}"
            )


@dataclass(frozen=True, kw_only=True)
class AdversaryConfig:
    """The discriminator and its training."""

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
            raise RequestError(f"the adversary's weight is {self.weight}; set it above 0, or leave the adversary out")
        check_least(self, 1, "r1_every")
        check_least(self, 0, "start", "r1", "lecam")
        check_shares(self, "lecam_decay")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings to fit the transform of a fresh tokenizer with `levels` before the first step. It is not trained."""

    rounds: int = 8
    """Number of rounds in which patches are assigned to classes."""
    patches: int = 60_000
    """Patches in a round, from the first batches."""

    def __post_init__(self) -> None:
        check_least(self, 1, "rounds", "patches")


@dataclass(frozen=True, kw_only=True)
class VideoTokenizerRun:
    """The config of a run; `reelm train video-tokenizer` overrides any field by its dotted name."""

    model: VideoConfig = field(default_factory=VideoTokenizerConfig)
    """Sizes of the tokenizer."""
    data: ClipData = field(default_factory=ClipData)
    """Clips of a step."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Fit of the transform, if the tokenizer has one."""
    losses: LossWeights = field(default_factory=LossWeights)
    """Weights of the losses."""
    adversary: AdversaryConfig | None = None
    """Discriminator and its training. Default: none."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the tokenizer."""
    batch_size: int = 32
    """Clips in a step."""
    start_from: Path | None = None
    """Workdir of a training, or a model, whose weights this run starts from; it may have fewer bits. Default: fresh
    weights."""
    inflate: bool = False
    """Make a tokenizer of clips from `start_from`, which was trained on single frames."""
    freeze_encoder: bool = False
    """Train only the decoder. Codes, and language models over them, stay valid."""
    freeze_known: bool = False
    """Train only the nets that `start_from` lacks, such as a finish. All other nets stay the same to the bit."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of activations. Parameters are float32."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run, as in `--mesh data=2,fsdp=4`."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))
    """Length of the run and its reports."""

    @property
    def keeps_codes(self) -> bool:
        """Whether the codes stay those of `start_from`."""
        return self.freeze_encoder or self.freeze_known

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size")
        self.mesh.check_copies()
        check_choice(self, "dtype", ("float32", "bfloat16"))
        if self.model.levels and self.optimizer.weight_decay:
            raise RequestError("a transform is not trained and must not decay; set weight_decay to 0 with levels")
        if self.freeze_known and (self.start_from is None or self.optimizer.weight_decay):
            raise RequestError("freeze_known keeps the nets of start_from; name one, and leave out weight_decay")
        for name in ("inflate", "freeze_known"):
            if getattr(self, name) and not isinstance(self.model, VideoTokenizerConfig):
                raise RequestError(f"{name} is only for reelm's own tokenizers, not for {self.model.family}")
        if self.model.levels and self.inflate:
            raise RequestError("a tokenizer with levels treats a single frame as a still clip; leave out inflate")
