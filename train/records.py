"""What a model folder records of the trainings that made its parts: their configs, steps and last metrics.

In: the folder of a training, or a model. Out: the record, in which folders have no place, only names.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.sampling.folder.load import load
from reelm.storage.remote import fetched
from reelm.train.run.checkpoints import find

# Fields of a run's config that name folders.
_FOLDERS = ("start_from", "video_tokenizer", "audio_tokenizer", "text_encoder", "rebuilt_by")


def is_workdir(where: str | Path) -> bool:
    """Return whether `where` is the folder of a training."""
    return Path(where, "checkpoints").is_dir()


def has_best(where: Path) -> bool:
    """Return whether `where` holds a training that was evaluated, and so keeps a best checkpoint."""
    return is_workdir(where) and find(where).record["best"]["step"] is not None


def part_record(where: Path, part: str, *, best: bool = False) -> dict[str, Any]:
    """Return the record of a training: config, steps and the last line of metrics, and those of the runs before it.

    part: key of the part in the record of a model, which is returned where `where` is a model.
    """
    where = fetched(where)
    if not is_workdir(where):
        return load(str(where)).record.get(part, {})
    found = find(where, best=best)
    config: dict[str, Any] = found.record["config"]
    before: dict[str, Any] = {}
    if start := config.get("start_from"):
        with contextlib.suppress(RequestError):  # its record is lost with its folder
            before = {"started_from": part_record(Path(start), part)}
    return {
        "config": config | _folder_names(config),
        "steps": found.step,
        "last_metrics": _last_metrics(where, found.step if best else None),
        **before,
    }


def _folder_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the folders in a config by their names alone: where they stood means nothing elsewhere."""
    names: dict[str, Any] = {name: Path(config[name]).name for name in _FOLDERS if config.get(name)}
    data = config.get("data", {})
    if "dataset" in data and Path(data["dataset"]).is_absolute():
        names["data"] = data | {"dataset": Path(data["dataset"]).name}
    if "tokens" in config:
        names["tokens"] = [Path(folder).name for folder in config["tokens"]]
    return names


def _last_metrics(workdir: Path, step: int | None) -> dict[str, Any]:
    """Return the last line of metrics, up to `step` where it is given."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return ([line for line in lines if step is None or line["step"] <= step] or [{}])[-1]
