"""The config of the training loop and of the processes of a run. Plain Python."""

from dataclasses import dataclass, field

from reelm.errors import RequestError
from reelm.value_checks import check_least

from .config_changes import FREE


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """The length of a run and the intervals of its reports."""

    steps: int = field(metadata=FREE)
    """Number of steps of the whole run."""
    log_every: int = field(default=20, metadata=FREE)
    """Steps between two lines of metrics. Each line is the mean over those steps."""
    save_every: int = field(default=500, metadata=FREE)
    """Steps between two checkpoints. The last step of a leg is always saved."""
    keep: int = field(default=3, metadata=FREE)
    """Newest checkpoints kept on disk."""
    best: str = field(default="loss", metadata=FREE)
    """Evaluation metric of the best checkpoint, which is also kept. The lowest value is best; with "-psnr" the highest
    is."""
    evaluate_every: int = field(default=0, metadata=FREE)
    """Steps between two evaluations. 0 turns them off."""
    patience: int | None = field(default=None, metadata=FREE)
    """Evaluations in a row without a new best after which the run ends early. Default: it never ends early."""
    sample_every: int = field(default=1000, metadata=FREE)
    """Steps between two rounds of samples. 0 turns them off."""
    profile: tuple[int, int] | None = field(default=None, metadata=FREE)
    """First and last step of a profiler trace. Default: no trace."""
    tensorboard: bool = field(default=True, metadata=FREE)
    """Write TensorBoard event files next to `metrics.jsonl`."""
    max_seconds: float | None = field(default=None, metadata=FREE)
    """Seconds after which this leg saves and ends. Default: no limit."""
    max_skipped: int = field(default=20, metadata=FREE)
    """Consecutive steps without a finite loss after which the run stops."""
    seed: int = 0
    """Seed of the initial parameters, the data order and the random key."""
    accept_config: bool = field(default=False, metadata=FREE)
    """Resume although the configuration or the data differs from the checkpoint's."""
    dry_run: bool = field(default=False, metadata=FREE)
    """Run two steps, report speed and memory, and save the first batch as a picture but no checkpoint."""

    def __post_init__(self) -> None:
        check_least(self, 1, "steps", "log_every", "save_every", "keep", "max_skipped", "patience")
        check_least(self, 0, "sample_every", "evaluate_every", "max_seconds", "seed")
        if self.patience and not self.evaluate_every:
            raise RequestError(f"patience {self.patience} counts evaluations, but they are off; set evaluate_every")
        if self.seed >= 2**32:
            raise RequestError(f"seed must be 0 to 2^32 - 1, not {self.seed}")
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1]:
            raise RequestError(f"profile is {self.profile}; it needs a first step, from 1 on, and a last one")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The processes of a run, each started by the same command. Under Slurm, GKE and TPU pods they are detected."""

    coordinator: str | None = None
    """Address and port of process 0, such as 10.0.0.1:7077. Default: detected under Slurm, GKE and TPU pods."""
    processes: int | None = None
    """Number of processes. 1 is a run of one process. Default: detected."""
    process: int | None = None
    """Number of this process, from 0. Default: detected."""
    join_seconds: int = 300
    """Seconds to wait for the other processes at the start."""
    heartbeat_seconds: int = 100
    """Seconds without a heartbeat after which a process counts as dead and the others end."""

    def __post_init__(self) -> None:
        for name in ("join_seconds", "heartbeat_seconds"):
            if (seconds := getattr(self, name)) < 1:
                raise RequestError(f"{name} is {seconds}; it must be at least 1")
        if self.processes is not None and self.processes < 1:
            raise RequestError(f"processes is {self.processes}; it must be at least 1")
        if self.process is not None and not 0 <= self.process < (self.processes or self.process + 1):
            raise RequestError(f"process is {self.process} of {self.processes}; processes count from 0")
        if self.coordinator is not None and not self.coordinator.rpartition(":")[2].isdigit():
            raise RequestError(f"coordinator is {self.coordinator!r}; it must be an address and port, as 10.0.0.1:7077")

    @property
    def is_named(self) -> bool:
        """Whether any field that names the processes is set."""
        return (self.coordinator, self.processes, self.process) != (None, None, None)
