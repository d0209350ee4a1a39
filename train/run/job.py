"""What a training is, as one value: `loop.run_job` runs any of them.

In: the config of a run. Out: a `Job`: how its state and its step are built on a mesh, which batches it takes, and what
it evaluates, samples, counts and shows. Another training, such as one on preferences, is another value.
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
    """The config of a run: a frozen dataclass that decides everything."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def loop(self) -> LoopConfig:
        """Length and rhythm."""
        ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training."""

    stage: str
    """Its name, as in `reelm train STAGE`. Every checkpoint has it, and lines of progress begin with it."""
    config: RunConfig
    """The config of the run. With `about` it is written to `config.json` and into every checkpoint."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else those files say of the run, as JSON values beside the fields of the config."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the clips are, as JSON values. Every checkpoint has it: a run goes on with the same clips only."""
    mesh: Mesh
    """The devices."""
    build: Callable[[Mesh], tuple[TrainState, Step]]
    """Return the state before the first step, which is given away, and the step: an `Objective` has both."""
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
