"""The models inside the package, by name. Imports nothing that takes time: the command line checks names with it."""

import json
from pathlib import Path
from typing import Any

from reelm.lm.control.sources import SWITCHES, Source


def names() -> list[str]:
    """Return the names of the shipped models."""
    return sorted(path.parent.name for path in _weights().glob("*/model.json"))


def folder(name: str) -> Path:
    """Return the folder of a shipped model."""
    return _weights() / name


def holds(folder: Path) -> bool:
    """Return whether a folder is that of a shipped model."""
    return folder.parent == _weights()


def sources(name: str) -> set[Source]:
    """Return the sources of control that a shipped model knows."""
    sizes = [each["config"] for each in _language_models(name)]
    return {source for source, fields in SWITCHES.items() if any(each.get(fields[0]) for each in sizes)}


def tasks(name: str) -> set[str]:
    """Return the tasks that a shipped model was trained for."""
    return {task for each in _language_models(name) for task in each["tasks"]}


def has_upscaler(name: str) -> bool:
    """Return whether a shipped model enlarges clips."""
    return _parts(name).get("upscaler") is not None


def _language_models(name: str) -> list[dict[str, Any]]:
    """Return the language models of `model.json`; [] for a model without one."""
    parts = _parts(name)
    return [*([parts["lm"]] if parts.get("lm") else []), *parts.get("specialists", ())]


def _parts(name: str) -> dict[str, Any]:
    return json.loads((folder(name) / "model.json").read_bytes())["parts"]


def _weights() -> Path:
    return Path(__file__).parents[2] / "weights"
