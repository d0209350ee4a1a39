"""The records of trainings in a model folder: their configs, steps and last metrics.

In: the folder of a training, or a model. Out: the record, which has the names of folders but not their paths.
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
    """Return whether `where` holds a training with evaluations, and so a best checkpoint."""
    return is_workdir(where) and find(where).record["best"]["step"] is not None


def part_record(where: Path, part: str, *, best: bool = False) -> dict[str, Any]:
    """Return the record of a training: config, steps and the last line of metrics, and the same of earlier runs.

    part: key of the part in the record of a model; that record is returned if `where` is a model.
    """
    where = fetched(where)
    if not is_workdir(where):
        return load(str(where)).record.get(part, {})
    found = find(where, best=best)
    config: dict[str, Any] = found.record["config"]
    before: dict[str, Any] = {}
    if start := config.get("start_from"):
        with contextlib.suppress(RequestError):  # if its folder is gone, so is its record
            before = {"started_from": part_record(Path(start), part)}
    return {
        "config": config | _folder_names(config),
        "steps": found.step,
        "last_metrics": _last_metrics(where, found.step if best else None),
        **before,
    }


def _folder_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the folders in a config by their names, because their paths mean nothing on other machines."""
    names: dict[str, Any] = {name: Path(config[name]).name for name in _FOLDERS if config.get(name)}
    data = config.get("data", {})
    if "dataset" in data and Path(data["dataset"]).is_absolute():
        names["data"] = data | {"dataset": Path(data["dataset"]).name}
    if "tokens" in config:
        names["tokens"] = [Path(folder).name for folder in config["tokens"]]
    return names


def _last_metrics(workdir: Path, step: int | None) -> dict[str, Any]:
    """Return the last line of metrics, or with `step` the last one up to it."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return ([line for line in lines if step is None or line["step"] <= step] or [{}])[-1]
