"""Checks of the files, folders and models that a command names, made before anything slow is imported."""

from collections.abc import Collection
from pathlib import Path

from reelm.errors import RequestError
from reelm.sampling.folder import hub, shipped
from reelm.storage.atomic import check_writable


def check_input(path: Path) -> None:
    """Check that `path` is a file; RequestError if not."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name a file")
    if not path.exists():
        raise RequestError(f"there is no file {path}")


def check_output(path: Path, suffixes: Collection[str]) -> None:
    """Check that a file with one of `suffixes` can be written at `path`; RequestError if not."""
    if path.suffix.lower() not in suffixes:
        raise RequestError(f"cannot write {path}: its name should end in {', '.join(suffixes)}")
    check_writable(path)


def check_clip_output(path: Path) -> None:
    """Check that a clip can be saved at `path`; RequestError if not."""
    from reelm.media.clip import SUFFIXES

    check_output(path, SUFFIXES)


def is_at_hand(model: str) -> bool:
    """Return whether a model is a shipped one or a model folder of this machine."""
    try:
        return model in shipped.names() or (Path(model) / "model.json").is_file()
    except (OSError, ValueError):  # a name too long, a NUL in it
        return False


def check_model(name: str | None) -> None:
    """Check that `name` is a shipped model, a model folder, or perhaps an id of a hub; RequestError if not.

    None is the default model.
    """
    if name is None or is_at_hand(name):
        return
    if hub.is_hub_id(name) and not Path(name).exists():
        return  # `load` asks the hub
    if Path(name).is_dir():
        raise RequestError(f"{name} is not a model folder: it has no model.json; `reelm export` makes one")
    raise RequestError(f"there is no model {name}; known are {', '.join(shipped.names()) or 'none'}, or name a folder")
