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
    """What a step sees: of each large clip one stretch, and of that some crops beside what they are in a small one."""

    dataset: str = "animated_emoji/256px_8fps"
    """Name or folder of the data set that gives the large clips."""
    source_frames: int = 25
    """Frames of the clips that stretches are cut from."""
    frames: int = 9
    """Frames of a stretch."""
    side: int = 256
    """Height and width of a stretch in pixels: a random square of its clip."""
    crops: int = 8
    """Frames of a stretch that a crop is taken of."""
    crop: int = 48
    """Height and width of a crop in pixels of the small clip."""
    rebuilt: float = 0.0
    """Share of the small clips that were rebuilt by a tokenizer: what a model draws has the same flaws."""
    flips: float = 0.0
    """Largest share of bits that are flipped in the codes of a rebuilt clip, as a language model errs."""
    mirror: bool = False
    """Mirror half of the clips left to right."""

    def __post_init__(self):
        check_least(self, 1, "source_frames", "frames", "side", "crops", "crop")
        check_shares(self, "rebuilt", "flips")
        if self.side % 2 or self.crop % 2 or 2 * self.crop > self.side:
            raise RequestError(
                f"side {self.side} and crop {self.crop} are even, and a crop lies in half a side; take another crop"
            )


@dataclass(frozen=True, kw_only=True)
class UpscalerRun:
    """Everything that decides a run; `reelm train upscaler` overrides any field by its dotted name."""

    model: UpscalerConfig = field(default_factory=UpscalerConfig)
    """Sizes of the upscaler."""
    data: PairData = field(default_factory=PairData)
    """Clips that a step sees."""
    rebuilt_by: Path | None = None
    """Model, or workdir of a video tokenizer, that rebuilds small clips. Default: none are rebuilt."""
    perceptual: float = 0.0
    """Weight of the logarithm of LPIPS between crops, whose network must be fetched. 0 trains without it."""
    perceptual_crops: int = 4
    """Crops of a step that LPIPS sees: it costs more than the upscaler itself."""
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
            raise RequestError(f"data.rebuilt is {self.data.rebuilt}, and no tokenizer rebuilds clips; name rebuilt_by")
