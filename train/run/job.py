"""A training as one value, a `Job`, which `loop.run_job` runs.

In: the config of a run. Out: a `Job`: functions that build its state and step on a mesh, give its batches, evaluate,
sample, count and show them. Another kind of training, such as one on preferences, is another value.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from jax.sharding import Mesh

from reelm.train.step.feed import DataIterator, Share
from reelm.train.step.objective import Step
from reelm.train.step.state import TrainState

from .config import LoopConfig
from .dry_run import videos_in
from .throughput import Load, samples_in

Callback = Callable[[int, Mapping[str, float]], object]
"""Called with a step and its metrics, each time a run logs them; the run saves and ends when it returns False."""


class RunConfig(Protocol):
    """The config of a run: a frozen dataclass that holds all of its settings."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def loop(self) -> LoopConfig:
        """Length of the run and intervals of its reports."""
        ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training."""

    stage: str
    """Its name, as in `reelm train STAGE`. Every checkpoint has it, and lines of progress begin with it."""
    config: RunConfig
    """The config of the run. With `about` it is written to `config.json` and into every checkpoint."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Further JSON values about the run, which those files hold in addition to the config."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that identify the clips. Every checkpoint has them, since a run resumes only with the same clips."""
    mesh: Mesh
    """The devices."""
    build: Callable[[Mesh], tuple[TrainState, Step]]
    """Return the state before the first step, which may be donated, and the step; see `Objective.build`."""
    batches: Callable[[Share], DataIterator]
    """Return a process's share of the batches, from the first one on."""
    samples: Callable[[TrainState, Path], None] | None = None
    """Write clips of a state into a new folder, `samples/step_00001000`. One process calls it, with all parameters and
    without the optimizer's state."""
    evaluate: Callable[[TrainState], Mapping[str, float]] | None = None
    """Return metrics of a state on held-out data, logged as `eval_NAME`. All processes call it."""
    metrics: Collection[str] = ()
    """Names of the metrics that `evaluate` can return."""
    load: Callable[[Any], Load] = samples_in
    """Return the load of a batch, for throughput."""
    preview: Callable[[Any], Sequence[np.ndarray]] = videos_in
    """Return videos uint8 [T, H, W, 3] of a batch, for the picture of a dry run."""
