"""Storyboards: a clip as a list of shots, in Python or as JSON.

In: a list of `Shot`, or of dicts from JSON. Out: checked shots. Knows neither models nor the length of a latent frame.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.lm.control.camera import Camera, read_camera
from reelm.lm.control.tracks import Track, read_tracks
from reelm.storage.fields import read_text
from reelm.value_checks import real

from .pictures import Picture, read_references

_MOST_SHOTS, _MOST_SECONDS = 1_000, 24 * 3600.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One shot of a storyboard.

    Attributes:
        prompt: Words of the shot. They may name the references <1> to <4>.
        seconds: Length of the shot, above 0.
        cut: Whether it begins with a cut. Otherwise the words change within the shot before.
        references: Pictures of the subjects that its words call <1> to <4>. Default: those of the whole storyboard.
        tracks: Paths of its subjects, as for `generate`; times count from the beginning of the shot.
        camera: How its camera moves, likewise.

    Raises:
        RequestError: a field of another kind or out of its range.
    """

    prompt: str
    seconds: float
    cut: bool = True
    references: Sequence[Picture] | None = None
    tracks: Sequence[Track | None] | None = None
    camera: str | Sequence[tuple[float, Camera]] | None = None

    def __post_init__(self):
        if not isinstance(self.prompt, str):
            raise RequestError(f"the prompt of a shot is a {type(self.prompt).__name__}; it must be text")
        object.__setattr__(self, "seconds", real("seconds of a shot", self.seconds))
        if not 0 < self.seconds <= _MOST_SECONDS:
            raise RequestError(f"seconds of a shot is {self.seconds:g}; it must be above 0, at most {_MOST_SECONDS:g}")
        if not isinstance(self.cut, bool):
            raise RequestError(f"cut of a shot is {self.cut!r}; it must be true or false")
        if self.tracks is not None:
            object.__setattr__(self, "tracks", read_tracks(self.tracks))
        if self.camera is not None:
            object.__setattr__(self, "camera", read_camera(self.camera))
        object.__setattr__(self, "references", read_references(self.references))


_FIELDS = tuple(field.name for field in fields(Shot))


def read_shots(value: Any) -> tuple[Shot, ...]:
    """Return the shots of a list of `Shot`, or of dicts with the same fields, as JSON has them.

    RequestError, which counts shots from 1, for anything else.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise RequestError(f"a storyboard is a {type(value).__name__}; give a list of shots")
    if not 1 <= len(value) <= _MOST_SHOTS:
        raise RequestError(f"a storyboard has {len(value)} shots; it must have 1 to {_MOST_SHOTS}")
    return tuple(_shot(number, each) for number, each in enumerate(value, 1))


def _shot(number: int, value: Any) -> Shot:
    if isinstance(value, Shot):
        return value
    if not isinstance(value, Mapping):
        raise RequestError(f"shot {number} is a {type(value).__name__}; it has {', '.join(_FIELDS)}")
    if unknown := [str(name)[:40] for name in value if name not in _FIELDS]:
        raise RequestError(f"shot {number} has {unknown[0]!r}; a shot has {', '.join(_FIELDS)}")
    if missing := [name for name in ("prompt", "seconds") if name not in value]:
        raise RequestError(f"shot {number} has no {missing[0]}; every shot has a prompt and seconds")
    try:
        return Shot(**value)
    except RequestError as error:
        raise RequestError(f"shot {number}: {error}") from None


def read_storyboard(path: Path) -> dict[str, Any]:
    """Return the shots of a JSON file, and its references if any, as arguments of `generate`.

    The file holds a list of shots, or {"storyboard": [...], "references": [...]}. Paths in it are relative to it.

    Raises:
        RequestError: no such file, or JSON of another form.
    """
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path} is not JSON: {error}") from error
    found: Any = value if isinstance(value, dict) else {"storyboard": value}
    if unknown := found.keys() - {"storyboard", "references"}:
        raise RequestError(f"{path} has {min(unknown)[:40]!r}; a storyboard has storyboard and references")
    shots = read_shots(found.get("storyboard", []))
    references = _relative_to(path, found.get("references"))
    storyboard = [replace(shot, references=_relative_to(path, shot.references)) for shot in shots]
    return {"storyboard": storyboard} | ({} if references is None else {"references": references})


def _relative_to(path: Path, names: Any) -> list[Path] | None:
    """Return the paths of files that the file `path` names relative to itself."""
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RequestError(f"references in {path} are {str(names)[:40]!r}; give a list of paths")
    return [path.parent / name for name in names]
