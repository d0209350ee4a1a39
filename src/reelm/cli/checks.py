"""Checks of the files, folders and models that a command names, made before anything slow is imported."""

from collections.abc import Collection
from pathlib import Path

from reelm.errors import RequestError
from reelm.sampling.folder import hub, shipped
from reelm.storage.atomic import check_writable


def check_input(path: Path) -> None:
    """RequestError unless `path` is a file."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name a file")
    if not path.exists():
        raise RequestError(f"there is no file {path}")


def check_output(path: Path, suffixes: Collection[str]) -> None:
    """RequestError unless a file of one of the kinds `suffixes` can be written at `path`."""
    if path.suffix.lower() not in suffixes:
        raise RequestError(f"cannot write {path}: its name should end in {', '.join(suffixes)}")
    check_writable(path)


def check_clip_output(path: Path) -> None:
    """RequestError unless a clip can be saved at `path`."""
    from reelm.media.clip import SUFFIXES

    check_output(path, SUFFIXES)


def is_at_hand(model: str) -> bool:
    """Whether a model is a shipped one or a model folder of this machine."""
    try:
        return model in shipped.names() or (Path(model) / "model.json").is_file()
    except (OSError, ValueError):  # a name too long, a NUL in it
        return False


def check_model(name: str | None) -> None:
    """RequestError unless `name` is a shipped model's, a model folder, maybe a hub's, or None for the default."""
    if name is None or is_at_hand(name):
        return
    if hub.is_hub_id(name) and not Path(name).exists():
        return  # `load` asks the hub
    if Path(name).is_dir():
        raise RequestError(f"{name} is no model folder: it holds no model.json; `reelm export` makes one")
    raise RequestError(f"there is no model {name}; known are {', '.join(shipped.names()) or 'none'}, or name a folder")
