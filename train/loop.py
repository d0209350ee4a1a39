"""One loop for every training run: step, measure, save, sample, stop, and go on where it was killed.

In: a `TrainState`, a jitted `step`, an iterator of batches that can say and take its position, a folder. Out: the
trained state; in the folder `config.json`, `metrics.jsonl`, `checkpoints/`, `samples/`. A run that is killed at any
moment and started again ends with the same bits as one that was left alone. Knows nothing of models, losses or what a
batch holds.

The order of one step is fixed: take a batch; dispatch the step; read the metrics of the step *before*, so that the
devices never wait for the host; save; write samples; look for a reason to stop.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from reelm.tokenizer.request import RequestError

from .checkpoints import Checkpoints, Found
from .differences import differences
from .metrics import Display, Meter, MetricsFile, duration
from .signals import caught
from .state import TrainState


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long a run lasts and how often it reports.

    Attributes:
        steps: updates in the whole run, all legs together.
        log_every: steps between two lines of metrics, each the mean over those steps.
        save_every: steps between two checkpoints; the end of a leg is always saved.
        keep: newest checkpoints kept on disk.
        sample_every: steps between two calls of `samples`; 0 for none.
        max_seconds: ends this leg cleanly, saved, after so long; None for no limit.
        max_skipped: steps in a row without a finite loss after which the run gives up.
        seed: of the initial parameters, the data order and the random key.
        accept_config: resume although the config differs from the checkpoint's.
    """

    steps: int
    log_every: int = 20
    save_every: int = 500
    keep: int = 3
    sample_every: int = 1000
    max_seconds: float | None = None
    max_skipped: int = 20
    seed: int = 0
    accept_config: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "save_every", "keep", "max_skipped"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.sample_every < 0:
            raise ValueError(f"sample_every must be 0 (never) or more, not {self.sample_every}")


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
        samples: writes clips of a state into a new folder, `samples/step_00001000`.
        resolved: the whole config as JSON-able values; stands in `config.json` and in every checkpoint.
        label: names the run in what a person reads.

    Returns:
        The last state; fewer than `config.steps` steps are made when `max_seconds` ended the leg.

    Raises:
        RequestError: the config or the state's tree differs from the checkpoint's, every checkpoint is damaged,
            another process trains in `workdir`, or the data ends early.
        FloatingPointError: `max_skipped` steps in a row had no finite loss, or a state to be saved holds values that
            are not finite; the checkpoints before it are untouched.
        OSError: a checkpoint could not be written; those before it are untouched.
        SystemExit: with 143, on SIGTERM, after saving.
        KeyboardInterrupt: on Ctrl-C, after saving; a second Ctrl-C does not wait.
    """
    started = time.monotonic()
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    resolved = json.loads(json.dumps(resolved, default=str))
    state = jax.tree.map(jnp.asarray, state)
    display, meter = Display(label, config.steps), Meter()
    store = Checkpoints(workdir / "checkpoints", keep=config.keep, note=display.note)
    done, before = 0, 0.0

    found = store.newest()
    if found is not None:
        _check_config(found, resolved, config.accept_config, display.note)
        state, position = store.load(found, state)
        data.set_state(position)
        meter.set_state(found.record["meter"])
        done, before = found.step, found.record["seconds"]
        display.note(f"resumed from step {done}, {duration(before)} of training")

    with contextlib.ExitStack() as stack:
        store.open(done)
        stack.push(lambda kind, *_: _close(store, quiet=kind is not None))
        _write_json(workdir / "config.json", resolved)
        log = stack.enter_context(contextlib.closing(MetricsFile(workdir / "metrics.jsonl", done)))
        stack.enter_context(contextlib.closing(display)).start(done)
        signals = stack.enter_context(caught())

        def measure(number: int, metrics: Mapping[str, jax.Array]) -> None:
            meter.add({name: float(value) for name, value in jax.device_get(dict(metrics)).items()})
            if number % config.log_every == 0 or number == config.steps:
                means = meter.means()
                log.write(number, {"seconds": round(before + time.monotonic() - started, 3), **means})
                display.show(number, means)
            if number % config.log_every == 0:
                meter.clear()
            if meter.skipped_in_a_row >= config.max_skipped:
                raise FloatingPointError(
                    f"{meter.skipped_in_a_row} steps in a row up to step {number} had no finite loss; {_kept(store)}"
                )

        pending: tuple[int, Mapping[str, jax.Array]] | None = None
        stop = False
        while done < config.steps and not stop:
            try:
                batch = next(data)
            except StopIteration:
                raise RequestError(f"the data ends after {done} batches; {config.steps} steps need more") from None
            state, metrics = step(state, batch)
            done += 1
            if pending is not None:
                measure(*pending)
            pending = (done, metrics)

            spent = time.monotonic() - started
            stop = bool(signals) or (config.max_seconds is not None and spent >= config.max_seconds)
            if stop or done % config.save_every == 0 or done == config.steps:
                # A checkpoint holds the metrics up to its step, so here the host does wait.
                measure(*pending)
                pending = None
                # After a skipped step the next sound one is worth saving, this one tells nothing new.
                if meter.skipped_in_a_row == 0:
                    if not _all_finite(state):
                        raise FloatingPointError(f"the state after step {done} is not finite; {_kept(store)}")
                    record = {"config": resolved, "meter": meter.get_state(), "seconds": round(before + spent, 3)}
                    store.save(done, state, data.get_state(), record)
            if samples is not None and config.sample_every and done % config.sample_every == 0 and not stop:
                _sample(samples, state, workdir / "samples" / f"step_{done:08d}", display.note)

        store.close()
        why = signal.Signals(signals[0]).name if signals else "done" if done >= config.steps else "time is up"
        display.note(f"{why}: {done} of {config.steps} steps made, {_kept(store)}")
    if signals:
        raise KeyboardInterrupt if signals[0] == signal.SIGINT else SystemExit(128 + signals[0])
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


def _sample(
    samples: Callable[[TrainState, Path], None], state: TrainState, folder: Path, note: Callable[[str], None]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        samples(state, folder)
    except Exception as error:  # Hours of training must not end because a clip could not be made.
        note(f"no samples in {folder.name}: {type(error).__name__}: {error}")


def _close(store: Checkpoints, *, quiet: bool) -> None:
    # On the way out of another error, that error is the one to show; the save in flight is still finished.
    with contextlib.suppress(OSError) if quiet else contextlib.nullcontext():
        store.close()


def _write_json(path: Path, value: Any) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
