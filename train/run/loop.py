"""The loop of every training run: step, measure, save, sample, stop, and resume after a kill.

In: a `Job`, a folder. Out: the trained state; in the folder `config.json`, `metrics.jsonl`, `checkpoints/`, `samples/`,
`tensorboard/`, `profile/`. A run that is killed at any moment and started again ends with the same bits as an
uninterrupted one. All processes of a run take the same steps here, and the first of them writes. This module knows
nothing of models, losses or the content of a batch.

The order of one step is fixed: take a batch; dispatch the step; read the metrics of the step *before*, so that the
devices never wait for the host; evaluate; save; write samples; check whether to stop.
"""

import contextlib
import functools
import json
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from reelm.errors import RequestError
from reelm.media.contact_sheet import contact_sheet
from reelm.storage.atomic import write_json
from reelm.train.step.feed import Feed, share
from reelm.train.step.state import TrainState

from . import processes
from .checkpoints import Checkpoints, Found
from .config import LoopConfig
from .config_changes import differences, free_fields
from .dry_run import dry_run
from .job import Callback, Job
from .metrics import Best, Display, Meter, duration
from .record import Record
from .stopping import Stop, caught
from .throughput import Profile, Throughput


def run_job(job: Job, workdir: Path, *, callbacks: Sequence[Callback] = ()) -> TrainState:
    """Train until the config's `loop.steps`, from the newest valid checkpoint in `workdir` if there is one.

    Args:
        job: the training.
        workdir: the run's folder, made if missing.
        callbacks: called by the first process.

    Returns:
        The last state; `max_seconds`, `patience` or a callback may end the run before `loop.steps`.

    Raises:
        RequestError: config, data or the state's tree differ from the checkpoint's, every checkpoint is damaged,
            another run trains in `workdir`, the data ends early, or evaluations have no metric called `loop.best`.
        FloatingPointError: `max_skipped` steps in a row had no finite loss, or a state to save holds values that are
            not finite; earlier checkpoints are not touched.
        OSError: a checkpoint could not be written; earlier ones are not touched.
        SystemExit: with 143, on SIGTERM, after saving.
        KeyboardInterrupt: on Ctrl-C, after saving; a second Ctrl-C does not wait.
    """
    config = job.config.loop
    if config.evaluate_every and job.evaluate is None:
        raise RequestError("evaluate_every is set but this run has no held-out clips; name some")
    if job.evaluate is not None and config.best.removeprefix("-") not in job.metrics:
        raise RequestError(f"best is {config.best!r}; the evaluations of this run have {', '.join(job.metrics)}")
    Path(workdir).mkdir(parents=True, exist_ok=True)
    trainer = Trainer(job, Path(workdir), callbacks)
    return trainer.dry_run() if config.dry_run else trainer.train()


class Trainer:
    """A run in this process; its phases are methods, in the order of the calls in `train`."""

    def __init__(self, job: Job, workdir: Path, callbacks: Sequence[Callback]) -> None:
        self._job, self._workdir, self._callbacks = job, workdir, callbacks
        self._config: LoopConfig = job.config.loop
        resolved = {**asdict(job.config), **job.about}
        self._resolved, self._made_of = json.loads(json.dumps([resolved, job.data], default=str))
        self._state, self._step = job.build(job.mesh)
        self._data = Feed(job.batches(share(job.mesh)), job.mesh)
        self._started = time.monotonic()
        self._display = Display(job.stage, self._config.steps, silent=not processes.is_first())
        self._meter, self._best = Meter(), Best(self._config.best)
        self._store = Checkpoints(workdir / "checkpoints", keep=self._config.keep, note=self._display.note)
        self._done = 0
        self._seconds_before = self._seconds = 0.0  # of training: before this leg, and up to the last step
        self._pending: tuple[int, Mapping[str, jax.Array]] | None = None  # a step whose metrics are not read yet
        self._enough = ""  # reason for which the run ends early

    def dry_run(self) -> TrainState:
        """Make two steps, report on them, and write the first batch as a picture."""
        batch, preview = next(self._data), self._job.preview
        for line in dry_run(self._state, self._step, batch, self._job.load(batch), self._config.steps):
            self._display.note(line)
        if (videos := preview(jax.device_get(processes.here(batch)))) and processes.is_first():
            contact_sheet(videos, self._workdir / "first_batch.png", columns=9, scale=1)
            self._display.note(f"the first batch: {self._workdir / 'first_batch.png'}")
        return self._state

    def train(self) -> TrainState:
        """Resume, make the remaining steps, and save the last."""
        self.resume()
        with contextlib.ExitStack() as stack:
            stop = self._open(stack)
            last = False
            while self._done < self._config.steps and not (last or self._enough):
                self.step()
                last = stop.after(self._done) or bool(self._enough)
                better = not last and self._due(self._config.evaluate_every) and self.evaluate()
                last = last or bool(self._enough)
                if last or better or self._due(self._config.save_every) or self._done == self._config.steps:
                    self.save()
                if not last and self._due(self._config.sample_every):
                    self.sample()
            self._store.close()
            self._display.note(f"{self._why(stop)}: {self._done} of {self._config.steps} steps made, {self._saved()}")
        if stop.asked:
            raise KeyboardInterrupt if stop.asked == signal.SIGINT else SystemExit(128 + stop.asked)
        return self._state

    def resume(self) -> None:
        """Load the newest valid checkpoint, if there is one."""
        found = self._store.newest()
        if found is None:
            return
        found.check(config=dict, meter=dict, best=dict, seconds=int | float)
        self._check_config(found)
        self._state, position = self._store.load(found, self._state)
        self._data.set_state(position)
        self._meter.set_state(found.record["meter"])
        self._best.set_state(found.record["best"])
        self._wait_no_longer()
        self._done, self._seconds_before = found.step, found.record["seconds"]
        self._display.note(f"resumed from step {self._done}, {duration(self._seconds_before)} of training")
        before = found.record["config"].get("loop", {}).get("steps", self._config.steps)
        if before != self._config.steps:
            change = f"the run has {self._config.steps} steps now, not {before}"
            self._display.note(f"{change}; a decaying learning rate follows the new length")

    def step(self) -> None:
        """Dispatch one step, and report on the one before it."""
        try:
            with self._pace.waiting():
                batch = next(self._data)
        except StopIteration:
            raise RequestError(
                f"the data ends after {self._done} batches; {self._config.steps} steps need more"
            ) from None
        self._profile.before(self._done + 1)
        self._state, metrics = self._step(self._state, batch)
        self._done += 1
        self._pace.add(self._job.load(batch))
        self._profile.after(self._done, metrics)
        self.report()
        self._pending = (self._done, metrics)
        self._seconds = self._now()

    def report(self) -> None:
        """Read the metrics of the pending step, if any, and log the means when they are due."""
        if self._pending is None:
            return
        (number, metrics), self._pending = self._pending, None
        self._meter.add({name: float(value) for name, value in jax.device_get(dict(metrics)).items()})
        if number % self._config.log_every == 0 or number == self._config.steps:
            means = self._meter.means() | self._pace.take()
            self._record.write(number, self._now(), means)
            self._display.show(number, means)
            self._call(number, means)
        if number % self._config.log_every == 0:
            self._meter.clear()
        if self._meter.skipped_in_a_row >= self._config.max_skipped:
            raise FloatingPointError(
                f"{self._meter.skipped_in_a_row} steps in a row up to step {number} had no finite loss; {self._saved()}"
            )

    def evaluate(self) -> bool:
        """Log the metrics of the state on held-out data; return whether it is the best so far."""
        assert self._job.evaluate is not None
        self.report()
        measured = {name: float(value) for name, value in self._job.evaluate(self._state).items()}
        # All processes save the best checkpoint together, so rounding must not make them disagree about it.
        values = processes.from_first(lambda: measured)
        logged = {f"eval_{name}": value for name, value in values.items()}
        self._record.write(self._done, self._now(), logged)
        self._call(self._done, logged)
        better = self._best.take(self._done, values)
        self._wait_no_longer()
        return better

    def save(self) -> None:
        """Save the state and all that a resumed run needs, unless the last step was skipped."""
        # A checkpoint holds the metrics up to its step, so the host must wait here.
        self.report()
        if self._meter.skipped_in_a_row:
            return  # the state has not changed since the last finite step; save the next one instead
        if not _all_finite(self._state):
            raise FloatingPointError(f"the state after step {self._done} is not finite; {self._saved()}")
        self._store.best = self._best.step
        record = {
            "stage": self._job.stage,
            "config": self._resolved,
            "data": self._made_of,
            "meter": self._meter.get_state(),
            "best": self._best.get_state(),
            "seconds": round(self._seconds, 3),
        }
        self._store.save(self._done, self._state, self._data.get_state(), record)

    def sample(self) -> None:
        """Write samples of the state, if the training makes any."""
        if self._job.samples is not None:
            whole = processes.here(self._state.replace(opt_state=None))
            self._record.sample(self._done, functools.partial(self._job.samples, whole), self._display.note)

    def _open(self, stack: contextlib.ExitStack) -> Stop:
        """Open the files of this leg, to be closed by `stack`, and listen for signals."""
        config, first = self._config, processes.is_first()
        self._store.open(self._done)
        self._store.best = self._best.step
        stack.push(self._close_store)
        if first:
            write_json(self._workdir / "config.json", self._resolved)
        self._record = Record(self._workdir, self._done, tensorboard=config.tensorboard, writes=first)
        stack.enter_context(contextlib.closing(self._record))
        stack.enter_context(contextlib.closing(self._display)).start(self._done)
        self._profile = Profile(config.profile if first else None, self._workdir / "profile")
        stack.enter_context(contextlib.closing(self._profile))
        ends = None if config.max_seconds is None else self._started + config.max_seconds
        stop = stack.enter_context(caught(ends))
        self._pace = Throughput()
        return stop

    def _close_store(self, kind: type[BaseException] | None, *_: object) -> None:
        # During another error, finish the save in flight but show that error.
        with contextlib.nullcontext() if kind is None else contextlib.suppress(OSError):
            self._store.close()

    def _check_config(self, found: Found) -> None:
        changes = [*differences(found.record["config"], self._resolved, free_fields(self._job.config))]
        saved = found.record.get("data", self._made_of)  # earlier versions wrote nothing about it
        changes += differences(saved, self._made_of, path="data")
        if changes and self._config.accept_config:
            self._display.note(f"config differs from that of step {found.step}, as accepted: {'; '.join(changes)}")
        elif changes:
            raise RequestError(
                f"config differs from that of {found.folder}: {'; '.join(changes)}; "
                "change it back, use another workdir, or set accept_config (--loop.accept-config)"
            )

    def _call(self, step: int, values: Mapping[str, float]) -> None:
        """Call the callbacks on the first process; all processes end when one of them returns False."""
        called = self._callbacks
        if called and processes.from_first(lambda: any([callback(step, values) is False for callback in called])):
            self._enough = "a callback stopped the run"

    def _wait_no_longer(self) -> None:
        """End the run when `patience` evaluations brought no new best."""
        if self._config.patience and self._best.waited >= self._config.patience:
            self._enough = f"{self._best.waited} evaluations without a better {self._config.best.removeprefix('-')}"

    def _due(self, every: int) -> bool:
        return every > 0 and self._done % every == 0

    def _now(self) -> float:
        """Return the seconds of training so far, over all legs."""
        return self._seconds_before + time.monotonic() - self._started

    def _why(self, stop: Stop) -> str:
        if stop.asked:
            return signal.Signals(stop.asked).name
        return "done" if self._done >= self._config.steps else self._enough or "time is up"

    def _saved(self) -> str:
        last = self._store.last
        return "nothing is saved" if last is None else f"the newest checkpoint is of step {last}"


@jax.jit
def _finite(leaf: jax.Array) -> jax.Array:
    return jnp.isfinite(leaf).all()


def _all_finite(state: Any) -> bool:
    # One small program per shape, since one program over the whole tree takes seconds to compile. They run one at a
    # time: each has a collective, and where the devices of a CPU share its threads, several at once may deadlock.
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return all(bool(jax.device_get(_finite(leaf))) for leaf in leaves)
