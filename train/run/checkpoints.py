"""Checkpoints of a run: saved in the background, verified when read, and never incomplete.

In: a `TrainState`, the position in the data and a JSON record of the run. Out: under one folder,

    step_00000500/state/        the TrainState, as orbax lays it out
    step_00000500/data/         JSON: the result of the data iterator's `get_state()`
    step_00000500/record/       JSON: step, config, shapes of the state, and the loop's own state
    step_00000500/sha256.json   the digest of every file in the three

A step folder appears by one rename, after its digests are written. Reading takes the newest folder whose digests are
right; a damaged folder is reported and skipped, an empty or foreign one is ignored. Orbax saves and restores; this
module adds the digests, the choice of step and the refusal to cast types. All processes of a run save and restore what
their devices hold; the first process looks for checkpoints. This module knows nothing of models.
"""

import contextlib
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from reelm.errors import RequestError
from reelm.storage.digests import sha256_of
from reelm.storage.fields import parsed, read_json
from reelm.storage.locks import locked
from reelm.storage.names import inside
from reelm.storage.remote import fetched

from . import processes

_PARTS = ("state", "data", "record")
_DIGESTS = "sha256.json"
_STEP = re.compile(r"step_(\d{8,})")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A verified checkpoint: its step, its folder, and the record saved with it."""

    step: int
    folder: Path
    record: dict[str, Any]

    def check(self, **kinds: Any) -> None:
        """Raise RequestError when one of these fields of the record is missing or of another type."""
        for name, kind in kinds.items():
            if not isinstance(self.record.get(name), kind):
                raise RequestError(f"{self.folder} does not name its {name}: another version wrote it; train again")


class Checkpoints:
    """The checkpoints of a run, as the loop uses them: call `newest`, `load`, then `open`, `save` ..., `close`."""

    def __init__(self, directory: Path, *, keep: int, note: Callable[[str], None]) -> None:
        """Keep the `keep` newest steps and `best` on disk. `note` gets a line for each folder that is skipped."""
        self._directory, self._keep, self._note = directory.absolute(), keep, note
        self._manager: ocp.CheckpointManager | None = None
        self._open = contextlib.ExitStack()
        self.last: int | None = None
        """The step of the newest checkpoint, which may still be being written."""
        self.best: int | None = None
        """A step that stays on disk besides the newest; the loop sets it."""

    def newest(self) -> Found | None:
        """Return the newest valid checkpoint, or None; RequestError when all are damaged."""

        def look() -> dict[str, Any] | None:
            found = newest(self._directory, self._note)
            return None if found is None else {"step": found.step, "folder": str(found.folder), "record": found.record}

        found = processes.from_first(look)
        return None if found is None else Found(**{**found, "folder": Path(found["folder"])})

    def load(self, found: Found, template: Any) -> tuple[Any, Any]:
        """Return (state, data position) of `found`, with the shardings of `template`.

        Raises RequestError when the tree, a shape or a type of `template` differs, which orbax would silently cast.
        """
        saved, wanted = found.record["tree"], _describe(template)
        changed = [name for name in {**saved, **wanted} if saved.get(name) != wanted.get(name)]
        if changed:
            name = changed[0]
            raise RequestError(
                f"{found.folder} holds another state: {name} is {saved.get(name, 'absent')} there and "
                f"{wanted.get(name, 'absent')} here, {len(changed)} in all; resume with the code and config of before"
            )
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        restored = _read(found.folder, state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore())
        return restored["state"], restored["data"]

    def open(self, after: int) -> None:
        """Prepare to save steps after `after`; damaged folders of such steps are renamed.

        Raises RequestError when another run has the folder open: each would delete what the other writes.
        """

        def clear() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock()
            for step, folder in _folders(self._directory):
                if step > after:
                    self._set_aside(folder)

        processes.from_first(clear)
        self._open.enter_context(_orbax_unlogged())
        options = ocp.CheckpointManagerOptions(
            step_prefix="step",
            step_format_fixed_length=8,
            preservation_policy=_Kept(self, self._keep),
            cleanup_tmp_directories=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._write_digests),
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)
        self.last = after or None

    def save(self, step: int, state: Any, data: Any, record: Mapping[str, Any]) -> None:
        """Copy `state` off the devices and return; it is written in the background.

        Args:
            step: greater than every step saved before.
            state: a pytree of arrays.
            data: the position in the data, as JSON values.
            record: JSON values that `newest` returns; `step` and `tree` are added.

        Raises:
            OSError: this save or the one before it could not be written; earlier checkpoints are not touched.
        """
        assert self._manager is not None, "open() comes before save()"
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            data=ocp.args.JsonSave(data),
            record=ocp.args.JsonSave({**record, "step": step, "tree": _describe(state)}),
        )
        with self._said_plainly():
            if not self._manager.save(step, args=args, force=True):
                raise ValueError(f"step {step} does not come after {self.last}")
        self.last = step

    def close(self) -> None:
        """Wait until the last save is complete on disk; OSError when it could not be written."""
        if self._manager is not None:
            manager, self._manager = self._manager, None
            with self._open, self._said_plainly():
                manager.wait_until_finished()
                manager.close()

    @contextlib.contextmanager
    def _said_plainly(self) -> Iterator[None]:
        # Orbax and tensorstore report a full disk as various errors of many lines.
        try:
            yield
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            if "RESOURCE_EXHAUSTED" in reason or "No space left" in str(error):
                reason = f"the disk is full ({reason})"
            raise OSError(f"a checkpoint could not be written under {self._directory}: {reason}") from error

    def _lock(self) -> None:
        other = f"another run is training in {self._directory.parent}; wait for it or use another workdir"
        self._open.enter_context(locked(self._directory / ".lock", other))

    def _write_digests(self) -> None:
        # Orbax calls this after every file is written, just before the rename that makes the step appear.
        for folder in self._directory.glob("step_*.orbax-checkpoint-tmp*"):
            digests = {str(path.relative_to(folder)): sha256_of(path) for path in _files(folder)}
            (folder / _DIGESTS).write_text(json.dumps(digests, indent=1))

    def _set_aside(self, folder: Path) -> None:
        if not any(folder.iterdir()):
            folder.rmdir()
            return
        names = (f"set_aside_{folder.name}" + (f"_{number}" if number else "") for number in range(1000))
        target = next(path for path in map(folder.with_name, names) if not path.exists())
        folder.rename(target)
        self._note(f"moved {folder.name} to {target.name}")


class _Kept(preservation_policy.PreservationPolicy):
    """The newest checkpoints and the best one."""

    def __init__(self, store: Checkpoints, newest: int) -> None:
        self._store, self._newest = store, newest

    def should_preserve(self, checkpoints: Any, *, context: Any) -> list[bool]:
        del context
        late = max(0, len(checkpoints) - self._newest)
        return [index >= late or each.step == self._store.best for index, each in enumerate(checkpoints)]


@contextlib.contextmanager
def _orbax_unlogged() -> Iterator[None]:
    # Errors in orbax's threads are also raised here; their logged tracebacks would hide the one line that is shown.
    def keep(record: logging.LogRecord) -> bool:
        return "orbax" not in Path(record.pathname).parts

    logger = logging.getLogger("absl")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def newest(directory: Path, note: Callable[[str], None] = _say) -> Found | None:
    """Return the newest valid checkpoint under `directory`, or None when there are no step folders.

    A damaged one is reported to `note`, and the one before it is taken. Raises RequestError when all are damaged: the
    user decides whether to start again over them.
    """
    faults = []
    for step, folder in _folders(directory):
        if not any((folder / name).exists() for name in (_DIGESTS, *_PARTS)):
            continue
        fault = _fault(folder)
        if fault is None:
            return Found(step=step, folder=folder, record=_record(folder))
        faults.append(f"checkpoint {folder.name} is damaged: {fault}")
        note(faults[-1])
    if faults:
        raise RequestError(f"no valid checkpoint in {directory}: {'; '.join(faults)}; delete it to start again")
    return None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The result of a run: the averaged parameters of a checkpoint, and the config of the run."""

    stage: str
    """Name of the training, as in `reelm train STAGE`."""
    config: dict[str, Any]
    """The run's resolved config, JSON values."""
    step: int
    """The step of the parameters."""
    params: Any
    """Nested dict of numpy arrays: the moving average, or the parameters themselves if the run keeps no average."""


def find(workdir: Path, *, best: bool = False) -> Found:
    """Return the newest valid checkpoint of a run, or the one that was best in its evaluations.

    workdir: the folder given to `loop.run_job`, or the local mirror of a remote one.

    Raises:
        RequestError: there is no valid checkpoint, no best one, or it does not name its stage.
    """
    directory = fetched(workdir).absolute() / "checkpoints"
    found = newest(directory)
    if found is None:
        raise RequestError(f"{workdir} holds no checkpoint; train into it first")
    found.check(stage=str, config=dict)
    return _best(directory, found) if best else found


def restore_params(workdir: Path, *, best: bool = False) -> Trained:
    """Return the trained parameters of a run, to export or evaluate them; see `find`."""
    found = find(workdir, best=best)
    part = "ema" if any(name.startswith("ema/") for name in found.record["tree"]) else "params"
    # Use the handler directly, since only a part of one item of the checkpoint is read.
    handler, path = ocp.PyTreeCheckpointHandler(), epath.Path(found.folder) / "state"
    tree = handler.metadata(path).tree[part]
    args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    restored = handler.restore(
        path, args=ocp.args.PyTreeRestore({part: tree}, restore_args={part: args}, partial_restore=True)
    )
    handler.close()
    return Trained(stage=found.record["stage"], config=found.record["config"], step=found.step, params=restored[part])


def _best(directory: Path, last: Found) -> Found:
    step = last.record["best"]["step"]
    if step is None:
        raise RequestError(f"{directory.parent} has no evaluations, so no best step; train with loop.evaluate_every")
    [folder] = [folder for number, folder in _folders(directory) if number == step] or [None]
    fault = "it is missing" if folder is None else _fault(folder)
    if folder is None or fault is not None:
        raise RequestError(f"the best checkpoint of {directory.parent}, step {step}, cannot be read: {fault}")
    return Found(step=step, folder=folder, record=_record(folder))


def _folders(directory: Path) -> list[tuple[int, Path]]:
    # Newest first.
    if not directory.is_dir():
        return []
    matches = ((_STEP.fullmatch(path.name), path) for path in directory.iterdir() if path.is_dir())
    return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)


def _files(folder: Path) -> Iterator[Path]:
    # Only the files that are read again: orbax changes others of its own after the digests are computed.
    return (path for part in _PARTS for path in sorted((folder / part).rglob("*")) if path.is_file())


def _fault(folder: Path) -> str | None:
    try:
        path = folder / _DIGESTS
        if not path.is_file():
            return f"{_DIGESTS} is missing"
        for name, digest in parsed(dict[str, str], read_json(path), str(path)).items():
            if sha256_of(inside(folder, name, str(path))) != digest:
                return f"{name} is not what was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).relative_to(folder)} is missing"
    except (OSError, ValueError) as error:
        return f"{_DIGESTS} cannot be read ({error})"
    return None


def _read(folder: Path, **args: Any) -> Any:
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        return checkpointer.restore(folder, args=ocp.args.Composite(**args))


def _record(folder: Path) -> dict[str, Any]:
    # Not read with orbax, because all processes must take part in its reads.
    path = folder / "record" / "metadata"
    record = parsed(dict[str, Any], read_json(path), str(path))
    parsed(dict[str, str], record.get("tree"), f"the tree in {path}")
    return record


def _describe(state: Any) -> dict[str, str]:
    # Keys are paths in the tree, such as `params/encoder/conv/kernel`; values are such as `float32[3, 3, 8, 16]`.
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"
        for path, leaf in leaves
    }
