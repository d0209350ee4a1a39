"""What a training gives to the loop beside its state, its step and its data.

In: a stage. Out: a `Training`, with the config as JSON values, and what samples, evaluates, counts and shows.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reelm.train.step.state import TrainState

from .dry_run import videos_in
from .throughput import Load, samples_in

Callback = Callable[[int, Mapping[str, float]], object]
"""Called with a step and its metrics, each time a run logs them; the run saves and ends when it returns False."""


class DataIterator(Protocol):
    """Batches, and the position among them as JSON values, as Grain's iterators have them."""

    def __next__(self) -> Any: ...

    def get_state(self) -> Any: ...

    def set_state(self, state: Any) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the loop needs to know of one training beside its state, step and data."""

    stage: str
    """Name of the training, as in `reelm train STAGE`. It stands in every checkpoint and opens lines of progress."""
    resolved: Mapping[str, Any]
    """The whole config as JSON values. It is written to `config.json` and into every checkpoint."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the clips are, as JSON values: a run goes on with the same ones alone. Every checkpoint has it."""
    free: frozenset[str] = frozenset()
    """Dotted names in `resolved` that may change between the legs of a run; see `config_changes.free_fields`."""
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
    callbacks: Sequence[Callback] = ()
    """Called by the first process."""
