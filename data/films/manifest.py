"""List the videos of a folder, each with its captions.

In: a folder, perhaps with a manifest. Out: sources in the order of their names. Captions come from the manifest, or
from `clip.txt` (the whole text) or `clip.json` (its "caption") next to `clip.mp4`; other files have none. A manifest is
CSV with a header or JSON lines, of "file_name" (relative to the folder) and "caption", or "text" as in Hugging Face's
folders of media. `metadata.csv` or `metadata.jsonl` in the folder is used if no manifest is named. Words in a field of
another name are refused, not dropped. In JSON a "caption" may be a list of different captions. Whether a file is a
video is not checked here.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.errors import RequestError, reason
from reelm.storage.fields import lines_of, parse_json, read_json, read_text
from reelm.storage.names import inside

from .listing import Names, listed

MANIFESTS = ("metadata.csv", "metadata.jsonl")
_WORDS = (".txt", ".json")
_TABLES = (".csv", ".jsonl")
_CAPTIONS = ("caption", "text")
# Names of fields that seem to hold the words of a clip, and words in a name that say it does not.
_ALIKE = {"caption", "text", "prompt", "description", "desc", "title", "sentence", "word", "transcript", "subtitle"}
_ALIKE_CHINESE = re.compile("描述|提示|字幕|标题|標題|文本|文字|说明|說明")
_ABOUT = {"id", "length", "len", "count", "url", "path", "file", "lang", "language", "score", "hash", "source"}


@dataclass(frozen=True)
class Source:
    """A file to be read: `name` is its path in the folder with "/" between its parts; `captions` are one or more."""

    name: str
    captions: tuple[str, ...] = ("",)
    fault: str = ""
    """Why it cannot be used, if that is known before it is opened."""

    def share(self) -> float:
        """Return a number in [0, 1) that depends only on the name without its suffix, not on other files."""
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
        there = sorted(folder.iterdir(), reverse=True)  # small letters first
        tables = (path for name in MANIFESTS for path in there if path.name.lower() == name and path.is_file())
        manifest = next(tables, None)
    found = list(_listed(folder) if manifest is None else _named(folder, manifest))
    if not found:
        raise RequestError(f"{folder} holds no files to read; name a folder that holds videos")
    return sorted(found, key=lambda source: source.name)


def _listed(folder: Path) -> Iterator[Source]:
    names = Names(folder)
    for name, fault in listed(folder):
        if fault:
            yield Source(name, fault=fault)
        elif Path(name).suffix.lower() not in (*_WORDS, *_TABLES):
            try:
                _check_text(name)
                yield Source(name, _words_next_to(names, name))
            except RequestError as error:
                yield Source(name, fault=str(error))


def _words_next_to(names: Names, name: str) -> tuple[str, ...]:
    for suffix in _WORDS:
        if file := names.next_to(name, suffix):
            try:
                return (read_text(file).strip(),) if suffix == ".txt" else _captions(read_json(file))
            except (OSError, ValueError) as error:
                raise RequestError(f"its caption {file.name}: {reason(error)}") from error
    return ("",)


def _captions(fields: Any) -> tuple[str, ...]:
    if not isinstance(fields, dict):
        raise ValueError('it must be an object with a "caption", a text or a list of texts')
    if other := _misnamed(fields):
        raise ValueError(f'its words are in "{other}"; they are read from "caption" or "text"')
    captions = [fields[name] for name in _CAPTIONS if name in fields] or [""]
    found = next((each for each in captions if each), captions[0])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not found or not all(isinstance(caption, str) for caption in found):
        raise ValueError('it must be an object with a "caption", a text or a list of texts')
    return tuple(_check_text(caption.strip()) for caption in found)


def _misnamed(fields: Mapping[Any, Any]) -> str | None:
    """Return the name of a field that seems to hold the words, if none has the right name."""
    if any(name in fields for name in _CAPTIONS):
        return None
    for name, value in fields.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) and any(map(str.isalpha, each)) for each in texts) and _is_alike(str(name)):
            return name
    return None


def _is_alike(name: str) -> bool:
    """Return whether a field of this name seems to hold words of a clip, such as `Caption` or `video_prompt`."""
    parts = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    words = {part.casefold() for part in parts}
    alike = any(word.removesuffix("s") in _ALIKE for word in words) or _ALIKE_CHINESE.search(name)
    return bool(alike) and not words & _ABOUT


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError("its name or its caption is not valid Unicode; rename or rewrite it") from error
    return text


def _named(folder: Path, manifest: Path) -> Iterator[Source]:
    if not manifest.is_file():
        raise RequestError(f"there is no manifest {manifest}")
    seen: set[str] = set()
    names = Names(folder)
    for number, row in enumerate(_rows(manifest), 1):
        where = f"row {number} of {manifest}"
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            raise RequestError(f'{where} has no "file_name"; each row is a file_name and a caption')
        inside(folder, name, where)
        name = names.find(Path(name).as_posix())
        path = inside(folder, name, where)
        if name in seen:
            raise RequestError(f"{where} names {name!r} a second time")
        seen.add(name)
        _check_columns(row, where)
        missing = "" if os.path.isfile(path) else "the manifest names it, but it does not exist"
        try:
            captions, fault = _captions(row), missing
        except ValueError as error:  # RequestError is one
            captions, fault = ("",), f"row {number} of the manifest: {error}"
        yield Source(name, captions, fault)


def _check_columns(row: Mapping[Any, Any], where: str) -> None:
    """Check that no words of a row would be lost: in a column that is not read, or in none; RequestError if so."""
    if other := _misnamed(row):
        raise RequestError(f'{where} has its words in "{other}"; call that column "caption" or "text"')
    if any(row.get(None) or ()):  # the reader of CSV puts cells without a column under None
        raise RequestError(f'{where} has more cells than the header; put captions that hold a comma in quotes (")')


def _rows(manifest: Path) -> list[Any]:
    text = read_text(manifest)
    try:
        if manifest.suffix.lower() == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        if manifest.suffix.lower() == ".jsonl":
            lines = [line for line in lines_of(text) if line.strip()]
            return [parse_json(line, f"row {number}") for number, line in enumerate(lines, 1)]
    except (ValueError, csv.Error) as error:
        raise RequestError(f"{manifest} cannot be read ({reason(error)}); repair it") from error
    raise RequestError(f"{manifest} is not a manifest: its name should end in {' or '.join(_TABLES)}")
