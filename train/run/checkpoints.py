"""Checkpoints of a run: saved in the background, checked before they are trusted, never half there.

In: a `TrainState`, the position in the data and a JSON record of the run. Out: under one folder,

    step_00000500/state/        the TrainState, as orbax lays it out
    step_00000500/data/         JSON: what the data iterator's `get_state()` said
    step_00000500/record/       JSON: step, config, shapes of the state, and what the loop wants to find again
    step_00000500/sha256.json   the digest of every file in the three

A step folder appears by one rename, after its digests are written. On reading, the newest folder whose digests are
right is taken: a damaged one is named and passed over, an empty or foreign one is not looked at. Orbax does the saving
and restoring; what is added here are the digests, the choice of step and the refusal to cast. All processes of a run
save and restore, each what its devices hold; the first of them looks what there is. Knows nothing of models.
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
    """A sound checkpoint: its step, its folder, and the record saved with it."""

    step: int
    folder: Path
    record: dict[str, Any]

    def check(self, **kinds: Any) -> None:
        """Check that the record has these fields; RequestError when one is missing or of another type."""
        for name, kind in kinds.items():
            if not isinstance(self.record.get(name), kind):
                raise RequestError(f"{self.folder} does not name its {name}: another version wrote it; train again")


class Checkpoints:
    """The checkpoints of one run, for the loop that writes them: `newest`, `load`, then `open`, `save` ..., `close`."""

    def __init__(self, directory: Path, *, keep: int, note: Callable[[str], None]) -> None:
        """The `keep` newest steps, and `best`, stay on disk; `note` is told, one line each, what was passed over."""
        self._directory, self._keep, self._note = directory.absolute(), keep, note
        self._manager: ocp.CheckpointManager | None = None
        self._open = contextlib.ExitStack()
        self.last: int | None = None
        """The step of the newest checkpoint, written or being written."""
        self.best: int | None = None
        """A step that stays on disk beside the newest; the loop says which."""

    def newest(self) -> Found | None:
        """Returns the newest sound checkpoint, None when there is none; raises RequestError when all are damaged."""

        def look() -> dict[str, Any] | None:
            found = newest(self._directory, self._note)
            return None if found is None else {"step": found.step, "folder": str(found.folder), "record": found.record}

        found = processes.from_first(look)
        return None if found is None else Found(**{**found, "folder": Path(found["folder"])})

    def load(self, found: Found, template: Any) -> tuple[Any, Any]:
        """Returns (state, data position) of `found`, laid out on devices as `template` is.

        Raises RequestError when the tree, a shape or a type of `template` differs, which orbax would cast in silence.
        """
        saved, wanted = found.record["tree"], _describe(template)
        changed = [name for name in {**saved, **wanted} if saved.get(name) != wanted.get(name)]
        if changed:
            name = changed[0]
            raise RequestError(
                f"{found.folder} holds another state: {name} is {saved.get(name, 'absent')} there and "
                f"{wanted.get(name, 'absent')} here, {len(changed)} such; resume with the code and config that wrote it"
            )
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        restored = _read(found.folder, state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore())
        return restored["state"], restored["data"]

    def open(self, after: int) -> None:
        """Makes ready to save steps beyond `after`; unsound folders in the way are moved out of it.

        Raises RequestError when another process has them open: each would remove what the other is writing.
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
        """Copies `state` off the devices and returns; the writing goes on behind.

        Args:
            step: beyond every step saved before.
            state: a pytree of arrays.
            data: the position in the data, JSON-able.
            record: JSON-able values that `newest` gives back; `step` and `tree` are added.

        Raises:
            OSError: this save or the one before it could not be written; what was saved earlier is untouched.
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
        """Waits until the last save is whole on disk; raises OSError when it could not be written."""
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
        # Orbax calls this when every file is written and just before the rename that makes the step appear.
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
    # What orbax's threads meet is raised to us as well; their tracebacks would drown the one line that is shown.
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
    """Returns the newest sound checkpoint under `directory`, None when no step folder there ever held one.

    A damaged one is named through `note` and the one before it is taken. Raises RequestError when all are damaged:
    starting afresh over them is the user's decision.
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
        raise RequestError(f"no sound checkpoint in {directory}: {'; '.join(faults)}; delete it to start anew")
    return None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a run has trained: the averaged parameters of a checkpoint, and the config that led to them."""

    stage: str
    """Name of the training, as in `reelm train STAGE`."""
    config: dict[str, Any]
    """The run's resolved config, JSON values."""
    step: int
    """The step that the parameters are of."""
    params: Any
    """Nested dict of numpy arrays: the moving average, or the parameters themselves where the run keeps no average."""


def find(workdir: Path, *, best: bool = False) -> Found:
    """Return the newest sound checkpoint of a run, or the one that was best in its evaluations.

    workdir: the folder given to `loop.run_job`, or where a remote one was mirrored to.

    Raises:
        RequestError: there is no sound checkpoint, no best one, or it does not name its stage.
    """
    directory = fetched(workdir).absolute() / "checkpoints"
    found = newest(directory)
    if found is None:
        raise RequestError(f"{workdir} holds no checkpoint; train into it first")
    found.check(stage=str, config=dict)
    return _best(directory, found) if best else found


def restore_params(workdir: Path, *, best: bool = False) -> Trained:
    """Return what a run has trained, to export or to judge; see `find`."""
    found = find(workdir, best=best)
    part = "ema" if any(name.startswith("ema/") for name in found.record["tree"]) else "params"
    # The handler alone, since only this item of the checkpoint is read, and of it only this part.
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
        raise RequestError(f"{directory.parent} holds no evaluation to be best by; train with loop.evaluate_every")
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
    # Only what is read back: orbax touches its own notes beside these after the digests are taken.
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
    # Read without orbax, whose reading is an act of all processes.
    path = folder / "record" / "metadata"
    record = parsed(dict[str, Any], read_json(path), str(path))
    parsed(dict[str, str], record.get("tree"), f"the tree in {path}")
    return record


def _describe(state: Any) -> dict[str, str]:
    # Paths are those of the tree, `params/encoder/conv/kernel`; values such as `float32[3, 3, 8, 16]`.
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"
        for path, leaf in leaves
    }
