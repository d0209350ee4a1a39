"""The config of an upscaler's training. Plain Python."""

from dataclasses import dataclass, field
from pathlib import Path

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.step.optimizer import OptimizerConfig
from reelm.value_checks import check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class PairData:
    """The data of a step: one section of each large clip, and pairs of crops from it and from its small version."""

    dataset: str = "animated_emoji/256px_8fps"
    """Name or folder of the data set with the large clips."""
    source_frames: int = 25
    """Frames of the clips that sections are cut from."""
    frames: int = 9
    """Frames of a section."""
    side: int = 256
    """Height and width of a section in pixels: a random square of its clip."""
    crops: int = 8
    """Number of crops from each section."""
    crop: int = 48
    """Height and width of a crop in pixels of the small clip."""
    rebuilt: float = 0.0
    """Fraction of the small clips that a tokenizer rebuilds, because the clips of a model have the same artefacts."""
    flips: float = 0.0
    """Largest fraction of bits that are flipped in the codes of a rebuilt clip, like errors of a language model."""
    mirror: bool = False
    """Mirror half of the clips left to right."""

    def __post_init__(self):
        check_least(self, 1, "source_frames", "frames", "side", "crops", "crop")
        check_shares(self, "rebuilt", "flips")
        if self.side % 2 or self.crop % 2 or 2 * self.crop > self.side:
            raise RequestError(
                f"side {self.side} and crop {self.crop} must be even, and crop at most half of side; take another crop"
            )


@dataclass(frozen=True, kw_only=True)
class UpscalerRun:
    """The config of a run; `reelm train upscaler` overrides any field by its dotted name."""

    model: UpscalerConfig = field(default_factory=UpscalerConfig)
    """Sizes of the upscaler."""
    data: PairData = field(default_factory=PairData)
    """Clips of a step."""
    rebuilt_by: Path | None = None
    """Model, or workdir of a video tokenizer, that rebuilds small clips. Default: none are rebuilt."""
    perceptual: float = 0.0
    """Weight of the logarithm of LPIPS between crops, whose network must be fetched. 0 trains without it."""
    perceptual_crops: int = 4
    """Number of crops of a step that LPIPS compares; it costs more than the upscaler itself."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the upscaler."""
    batch_size: int = 4
    """Clips in a step."""
    start_from: Path | None = None
    """Workdir of a training, or a model, whose upscaler this run starts from. Default: bicubic interpolation."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run, as in `--mesh data=2`."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=4_000))
    """Length of the run and its reports."""

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size", "perceptual_crops")
        check_least(self, 0, "perceptual")
        self.mesh.check_copies()
        if self.data.rebuilt and self.rebuilt_by is None:
            raise RequestError(f"data.rebuilt is {self.data.rebuilt}, which needs a tokenizer; name rebuilt_by")
