"""The models inside the package, by name. Imports nothing that takes time: the command line checks names with it."""

from importlib.resources import files
from pathlib import Path


def names() -> list[str]:
    """The shipped models."""
    return sorted(path.parent.name for path in _weights().glob("*/model.json"))


def folder(name: str) -> Path:
    """The folder of a shipped model."""
    return _weights() / name


def holds(folder: Path) -> bool:
    """Whether a folder is that of a shipped model."""
    return folder.parent == _weights()


def _weights() -> Path:
    return Path(str(files("reelm"))) / "weights"
