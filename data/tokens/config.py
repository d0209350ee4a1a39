"""The settings of a training that reads token sets: stages of buckets, and which captions. Plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reelm.errors import RequestError
from reelm.lm.specials import PictureKind
from reelm.lm.tasks import TASKS, Task

Captions = Literal["all", "first", "last"]
"""The captions of a clip to read: all of them, the first, or the last."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Clips of one length: `frames` latent frames, `batch_size` of them a step, for one task (see `lm/tasks.py`).

    Each shape of it compiles once.
    """

    frames: int
    """Latent frames of a sample."""
    batch_size: int
    """Samples in a step."""
    task: Task = "t2v"
    """Task of the samples."""
    caption_dropout: float | None = None
    """Probability of dropping the words of a sample. Default: that of the run."""
    control_dropout: float | None = None
    """Probability of dropping each source of control, independently. Default: that of the run."""
    references: float = 0.0
    """Share of samples that get reference pictures, besides the inputs of their task; only clips that are stories have
    them. All samples of the task "reference" do."""
    later: bool = False
    """Whether samples are windows from later in their clips, after the first latent frame as an anchor, as in a long
    clip. Those of the task "continuation" always are."""

    def __post_init__(self) -> None:
        if TASKS[self.task].pictures == PictureKind.REFERENCE:
            object.__setattr__(self, "references", 1.0)
        if not 0 <= self.references <= 1:
            raise RequestError(f"references of a bucket are {self.references}; they are a share, from 0 to 1")

    @property
    def needs(self) -> set[str]:
        """The fields of `TokenSample` that this bucket needs. Sets without them are left out."""
        named = {"references", "reference_captions"} if self.references else set[str]()
        return named | ({"next_video"} if TASKS[self.task].after_cut else set())

    @property
    def least(self) -> int:
        """Latent frames that a clip must have."""
        return self.frames + max(TASKS[self.task].earlier, self.later)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the run: `steps` steps (None: to the end), taken from `buckets` in the ratio of `weights`.

    `token_weights` are the shares of the token sets in the batches of every bucket; None takes them by their samples.
    """

    steps: int | None = None
    """Steps of the stage. Default: to the end of the run."""
    buckets: tuple[Bucket, ...] = (Bucket(frames=5, batch_size=16),)
    """Buckets that the steps are taken from."""
    weights: tuple[float, ...] = (1.0,)
    """Shares of the buckets in the steps."""
    token_weights: tuple[float, ...] | None = None
    """Shares of the token sets in each batch. Default: in proportion to their samples."""

    @classmethod
    def of(cls, shares: Mapping[Bucket, float], steps: int | None = None) -> "Stage":
        """Return a stage of buckets with their shares; of `steps` steps, or to the end of the run."""
        return cls(steps=steps, buckets=tuple(shares), weights=tuple(shares.values()))
