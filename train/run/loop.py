"""One loop for every training run: step, measure, save, sample, stop, and go on where it was killed.

In: a `TrainState`, a jitted `step`, an iterator of batches that can say and take its position, a folder. Out: the
trained state; in the folder `config.json`, `metrics.jsonl`, `checkpoints/`, `samples/`, `tensorboard/`, `profile/`. A
run that is killed at any moment and started again ends with the same bits as one that was left alone. The processes of
a run all go through the same steps here, and the first of them writes. Knows nothing of models, losses or what a batch
holds.

The order of one step is fixed: take a batch; dispatch the step; read the metrics of the step *before*, so that the
devices never wait for the host; evaluate; save; write samples; look for a reason to stop.
"""

import contextlib
import functools
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.media.contact_sheet import contact_sheet
from reelm.train.step.state import TrainState

from . import processes
from .best_checkpoint import Best
from .checkpoints import Checkpoints, Found
from .config_changes import differences
from .dry_run import dry_run, videos_in
from .metrics import Display, Meter, duration
from .profile import Profile
from .record import Record
from .stopping import caught
from .throughput import Load, Throughput, samples_in


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long a run lasts and how often it reports."""

    steps: int
    """Steps of the whole run."""
    log_every: int = 20
    """Steps between two lines of metrics. Each line is the mean over those steps."""
    save_every: int = 500
    """Steps between two checkpoints. The last step of a leg is always saved."""
    keep: int = 3
    """Newest checkpoints kept on disk."""
    best: str = "loss"
    """Evaluation metric that decides the best checkpoint, which is kept, too. The lowest value wins; "-psnr" makes the
    highest win."""
    evaluate_every: int = 0
    """Steps between two evaluations. 0 turns them off."""
    sample_every: int = 1000
    """Steps between two rounds of samples. 0 turns them off."""
    profile: tuple[int, int] | None = None
    """First and last step of a profiler trace. Default: no trace."""
    tensorboard: bool = True
    """Write TensorBoard event files next to `metrics.jsonl`."""
    max_seconds: float | None = None
    """Seconds after which this leg saves and ends. Default: no limit."""
    max_skipped: int = 20
    """Steps in a row without a finite loss after which the run stops."""
    seed: int = 0
    """Seed of the initial parameters, the data order and the random key."""
    accept_config: bool = False
    """Resume although the configuration differs from the checkpoint's."""
    dry_run: bool = False
    """Run two steps, report speed and memory, and save the first batch as a picture but no checkpoint."""

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "save_every", "keep", "max_skipped"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("sample_every", "evaluate_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 (never) or more, not {getattr(self, name)}")
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1]:
            raise ValueError(f"profile is {self.profile}; it takes a first step, from 1 on, and a last one")


class DataIterator(Protocol):
    """Batches, and the position among them as JSON-able values. Grain's iterators are such."""

    def __next__(self) -> Any: ...

    def get_state(self) -> Any: ...

    def set_state(self, state: Any) -> None: ...


def run(
    config: LoopConfig,
    state: TrainState,
    step: Callable[[TrainState, Any], tuple[TrainState, Mapping[str, jax.Array]]],
    data: DataIterator,
    workdir: Path,
    *,
    samples: Callable[[TrainState, Path], None] | None = None,
    evaluate: Callable[[TrainState], Mapping[str, float]] | None = None,
    load: Callable[[Any], Load] = samples_in,
    preview: Callable[[Any], Sequence[np.ndarray]] = videos_in,
    resolved: Mapping[str, Any],
    label: str,
) -> TrainState:
    """Trains until `config.steps`, from the newest sound checkpoint in `workdir` if there is one.

    Args:
        config: length and rhythm.
        state: the state before the first step, and the layout of the restored one. Its buffers are given away.
        step: `(state, batch) -> (state, metrics)`, jitted, the state donated. Metrics are scalars, `loss` among them;
            a true `skipped` says that the step left the parameters as they were.
        data: batches from the first one on; set to the saved position on resuming.
        workdir: the run's folder, made if missing.
        samples: writes clips of a state into a new folder, `samples/step_00001000`. The state's parameters are all in
            the one process that calls it, its optimizer's memory is left out.
        evaluate: metrics of a state on data held back, called by every process; they are logged as `eval_NAME`.
        load: what a batch holds, for throughput.
        preview: videos uint8 [T, H, W, 3] of a batch, to be looked at on a dry run.
        resolved: the whole config as JSON-able values; stands in `config.json` and in every checkpoint.
        label: names the run in what a person reads.

    Returns:
        The last state; fewer than `config.steps` steps are made when `max_seconds` ended the leg.

    Raises:
        RequestError: the config or the state's tree differs from the checkpoint's, every checkpoint is damaged,
            another run trains in `workdir`, or the data ends early.
        FloatingPointError: `max_skipped` steps in a row had no finite loss, or a state to be saved holds values that
            are not finite; the checkpoints before it are untouched.
        OSError: a checkpoint could not be written; those before it are untouched.
        SystemExit: with 143, on SIGTERM, after saving.
        KeyboardInterrupt: on Ctrl-C, after saving; a second Ctrl-C does not wait.
    """
    started, first = time.monotonic(), processes.is_first()
    if config.evaluate_every and evaluate is None:
        raise RequestError("evaluate_every is set and this run holds nothing back to evaluate on; name clips held out")
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    resolved = json.loads(json.dumps(resolved, default=str))
    state = jax.tree.map(jnp.asarray, state)
    display, meter = Display(label, config.steps, silent=not first), Meter()
    if config.dry_run:
        batch = next(data)
        for line in dry_run(state, step, batch, load(batch), config.steps):
            display.note(line)
        if (videos := preview(jax.device_get(processes.here(batch)))) and first:
            contact_sheet(videos, workdir / "first_batch.png", columns=9, scale=1)
            display.note(f"the first batch: {workdir / 'first_batch.png'}")
        return state
    store = Checkpoints(workdir / "checkpoints", keep=config.keep, note=display.note)
    done, before = 0, 0.0
    best = Best(config.best)

    found = store.newest()
    if found is not None:
        _check_config(found, resolved, config.accept_config, display.note)
        state, position = store.load(found, state)
        data.set_state(position)
        meter.set_state(found.record["meter"])
        best.set_state(found.record["best"])
        done, before = found.step, found.record["seconds"]
        display.note(f"resumed from step {done}, {duration(before)} of training")

    with contextlib.ExitStack() as stack:
        store.open(done)
        store.best = best.step
        stack.push(lambda kind, *_: _close(store, quiet=kind is not None))
        if first:
            _write_json(workdir / "config.json", resolved)
        record = Record(workdir, done, tensorboard=config.tensorboard, writes=first)
        stack.enter_context(contextlib.closing(record))
        stack.enter_context(contextlib.closing(display)).start(done)
        traced = config.profile if first else None
        profile = stack.enter_context(contextlib.closing(Profile(traced, workdir / "profile")))
        stop = stack.enter_context(caught(None if config.max_seconds is None else started + config.max_seconds))
        pace = Throughput()

        def write(number: int, values: Mapping[str, float]) -> None:
            record.write(number, before + time.monotonic() - started, values)

        def measure(number: int, metrics: Mapping[str, jax.Array]) -> None:
            meter.add({name: float(value) for name, value in jax.device_get(dict(metrics)).items()})
            if number % config.log_every == 0 or number == config.steps:
                means = meter.means() | pace.take()
                write(number, means)
                display.show(number, means)
            if number % config.log_every == 0:
                meter.clear()
            if meter.skipped_in_a_row >= config.max_skipped:
                raise FloatingPointError(
                    f"{meter.skipped_in_a_row} steps in a row up to step {number} had no finite loss; {_kept(store)}"
                )

        pending: tuple[int, Mapping[str, jax.Array]] | None = None
        last = False
        while done < config.steps and not last:
            try:
                with pace.waiting():
                    batch = next(data)
            except StopIteration:
                raise RequestError(f"the data ends after {done} batches; {config.steps} steps need more") from None
            profile.before(done + 1)
            state, metrics = step(state, batch)
            done += 1
            pace.add(load(batch))
            profile.after(done, metrics)
            if pending is not None:
                measure(*pending)
            pending = (done, metrics)

            spent = time.monotonic() - started
            last, better = stop.after(done), False
            if evaluate is not None and config.evaluate_every and done % config.evaluate_every == 0 and not last:
                if pending is not None:
                    measure(*pending)
                    pending = None
                measured = {name: float(value) for name, value in evaluate(state).items()}
                # What is best is saved, which takes all: they must not differ on it by a rounding.
                values = processes.from_first(lambda measured=measured: measured)
                write(done, {f"eval_{name}": value for name, value in values.items()})
                better = best.take(done, values)
            if last or better or done % config.save_every == 0 or done == config.steps:
                # A checkpoint holds the metrics up to its step, so here the host does wait.
                if pending is not None:
                    measure(*pending)
                    pending = None
                # After a skipped step the next sound one is worth saving, this one tells nothing new.
                if meter.skipped_in_a_row == 0:
                    if not _all_finite(state):
                        raise FloatingPointError(f"the state after step {done} is not finite; {_kept(store)}")
                    store.best = best.step
                    about = {
                        "config": resolved,
                        "meter": meter.get_state(),
                        "best": best.get_state(),
                        "seconds": round(before + spent, 3),
                    }
                    store.save(done, state, data.get_state(), about)
            if samples is not None and config.sample_every and done % config.sample_every == 0 and not last:
                seen = processes.here(state.replace(opt_state=None))
                record.sample(done, functools.partial(samples, seen), display.note)

        store.close()
        why = signal.Signals(stop.asked).name if stop.asked else "done" if done >= config.steps else "time is up"
        display.note(f"{why}: {done} of {config.steps} steps made, {_kept(store)}")
    if stop.asked:
        raise KeyboardInterrupt if stop.asked == signal.SIGINT else SystemExit(128 + stop.asked)
    return state


def _check_config(found: Found, resolved: Any, accept: bool, note: Callable[[str], None]) -> None:
    changed = "; ".join(differences(found.record["config"], resolved))
    if changed and accept:
        note(f"config differs from that of step {found.step}, as accepted: {changed}")
    elif changed:
        raise RequestError(
            f"config differs from that of {found.folder}: {changed}; "
            "change it back, use another workdir, or set accept_config"
        )


def _kept(store: Checkpoints) -> str:
    return "nothing is saved" if store.last is None else f"the newest checkpoint is of step {store.last}"


@jax.jit
def _finite(leaf: jax.Array) -> jax.Array:
    return jnp.isfinite(leaf).all()


def _all_finite(state: Any) -> bool:
    # One small program for each shape there is: a single one over the whole tree takes seconds to compile.
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return all(jax.device_get([_finite(leaf) for leaf in leaves]))


def _close(store: Checkpoints, *, quiet: bool) -> None:
    # On the way out of another error, that error is the one to show; the save in flight is still finished.
    with contextlib.suppress(OSError) if quiet else contextlib.nullcontext():
        store.close()


def _write_json(path: Path, value: Any) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
