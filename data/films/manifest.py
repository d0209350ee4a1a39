"""List the videos of a folder, each with its captions.

Comes in: a folder, maybe with a manifest. Goes out: sources in the order of their names. Words come from the manifest,
or from `clip.txt` (the whole text) or `clip.json` (its "caption") beside `clip.mp4`; a file without any has none. A
manifest is CSV with a header or JSON lines, of "file_name" (relative to the folder) and "caption" as in Hugging Face's
folders of media; `metadata.csv` or `metadata.jsonl` in the folder is one without being named. In JSON a "caption" may
be a list: the same thing said in several ways. Whether a file is a video is not asked here.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.errors import RequestError, reason
from reelm.storage.fields import parse_json, read_json, read_text
from reelm.storage.names import inside

MANIFESTS = ("metadata.csv", "metadata.jsonl")
_WORDS = (".txt", ".json")
_TABLES = (".csv", ".jsonl")


@dataclass(frozen=True)
class Source:
    """A file to be read: `name` is its path in the folder with "/" between its parts; `captions` are one or more."""

    name: str
    captions: tuple[str, ...] = ("",)
    fault: str = ""
    """Why it cannot be used, where that shows before it is opened."""

    def share(self) -> float:
        """A number in [0, 1) of the name without its suffix: the same whatever other files there are."""
        stem = self.name.rpartition(".")[0] or self.name
        return int.from_bytes(hashlib.sha256(stem.encode(errors="surrogateescape")).digest()[:6], "big") / 2**48


def sources(folder: Path, manifest: Path | None = None) -> list[Source]:
    """Return the files of a folder and its sub-folders, without hidden ones; with a manifest, those that it names.

    Raises:
        RequestError: no such folder, nothing in it, or a manifest that cannot be read.
    """
    if not folder.is_dir():
        raise RequestError(f"there is no folder {folder}; name one that holds videos")
    if manifest is None:
        manifest = next((folder / name for name in MANIFESTS if (folder / name).is_file()), None)
    found = list(_listed(folder) if manifest is None else _named(folder, manifest))
    if not found:
        raise RequestError(f"{folder} holds no files to read; name a folder that holds videos")
    return sorted(found, key=lambda source: source.name)


def _listed(folder: Path) -> Iterator[Source]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and path.suffix.lower() not in (*_WORDS, *_TABLES):
            try:
                _check_text(name.as_posix())
                yield Source(name.as_posix(), _words_beside(path))
            except RequestError as error:
                yield Source(name.as_posix(), fault=str(error))


def _words_beside(path: Path) -> tuple[str, ...]:
    text, fields = (path.with_suffix(suffix) for suffix in _WORDS)
    try:
        if text.is_file():
            return (read_text(text).strip(),)
        if fields.is_file():
            return _captions(read_json(fields))
    except (OSError, ValueError) as error:
        beside = text.name if text.is_file() else fields.name
        raise RequestError(f"its caption {beside}: {reason(error)}") from error
    return ("",)


def _captions(fields: Any) -> tuple[str, ...]:
    found = fields.get("caption", "") if isinstance(fields, dict) else None
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not found or not all(isinstance(caption, str) for caption in found):
        raise ValueError('it must be an object with a "caption", a text or a list of texts')
    return tuple(_check_text(caption.strip()) for caption in found)


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError("its name or its caption is no valid Unicode; rename or rewrite it") from error
    return text


def _named(folder: Path, manifest: Path) -> Iterator[Source]:
    if not manifest.is_file():
        raise RequestError(f"there is no manifest {manifest}")
    seen: set[str] = set()
    for number, row in enumerate(_rows(manifest), 1):
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            raise RequestError(f'row {number} of {manifest} has no "file_name"; each row is a file_name and a caption')
        path = inside(folder, name, f"row {number} of {manifest}")
        name = Path(name).as_posix()
        if name in seen:
            raise RequestError(f"row {number} of {manifest} names {name!r} a second time")
        seen.add(name)
        missing = "" if os.path.isfile(path) else "the manifest names it and it is not there"
        try:
            captions, fault = _captions(row), missing
        except ValueError as error:  # RequestError is one
            captions, fault = ("",), f"row {number} of the manifest: {error}"
        yield Source(name, captions, fault)


def _rows(manifest: Path) -> list[Any]:
    text = read_text(manifest)
    try:
        if manifest.suffix.lower() == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        if manifest.suffix.lower() == ".jsonl":
            lines = [line for line in text.splitlines() if line.strip()]
            return [parse_json(line, f"row {number}") for number, line in enumerate(lines, 1)]
    except (ValueError, csv.Error) as error:
        raise RequestError(f"{manifest} cannot be read ({reason(error)}); repair it") from error
    raise RequestError(f"{manifest} is no manifest: its name should end in {' or '.join(_TABLES)}")
