"""The config of a describer's training. Plain Python."""

from dataclasses import dataclass, field
from pathlib import Path

from reelm.errors import RequestError
from reelm.lm.describer_config import DescriberConfig
from reelm.lm.mesh import MeshSpec
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.step.optimizer import OptimizerConfig
from reelm.value_checks import check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class DescriberRun:
    """Everything that decides a run; `reelm train describer` overrides any field by its dotted name."""

    model: DescriberConfig = field(default_factory=DescriberConfig)
    """Sizes of the describer. Its words are those of `start_from`, or taken from the captions, where it names none."""
    tokens: tuple[Path, ...] = (Path("tokens"),)
    """Token sets from `reelm data tokenize`, all made with one tokenizer."""
    seen_alone: float = 0.5
    """Share of clips of which only the pictures are read."""
    heard_alone: float = 0.25
    """Share of clips of which only the sound is read."""
    brief: float = 0.25
    """Share of clips that end early, after any of the latent frames."""
    coarse: float = 0.5
    """Share of clips of whose sound only the first levels are read, any number of them. Late levels hold more of the
    voice than of its words."""
    noise_augmentation: float = 0.1
    """Largest share of bits that are flipped, so that no single bit decides."""
    dropout: float = 0.15
    """Dropout rate of features."""
    batch_size: int = 64
    """Clips in a step."""
    start_from: Path | None = None
    """Workdir of a training, or a model, whose describer this run starts from, with its words. Default: none."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=3e-3, weight_decay=0.05))
    """Optimizer of the describer."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run, as in `--mesh data=2,fsdp=4`."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=8_000))
    """Length of the run and its reports."""

    def __post_init__(self) -> None:
        check_shares(self, "seen_alone", "heard_alone", "brief", "coarse", "noise_augmentation", "dropout")
        check_least(self, 1, "batch_size")
        self.mesh.check_copies()
        if self.seen_alone + self.heard_alone > 1:
            raise RequestError(f"seen_alone {self.seen_alone} and heard_alone {self.heard_alone} are above 1 together")
