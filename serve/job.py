"""A job: one clip that was asked for, and its JSON for clients. It knows neither the table nor the queue."""

import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

_NAME_LETTERS = 60  # of words in the name of a file

Status = Literal["queued", "in_progress", "completed", "failed"]


_JOB_ID = re.compile(r"video_[0-9a-f]{24}")


class Video(TypedDict):
    """A job for clients, as JSON values.

    `place` is its place in the queue, from 1; None if it does not wait. `took` are the seconds from its start to its
    end. `given` has the name of each uploaded file, by its field.
    """

    id: str
    object: str
    model: str
    status: str
    place: int | None
    progress: int
    created_at: int
    completed_at: int | None
    took: float | None
    seconds: str
    size: str
    prompt: str
    read_as: str
    seed: int
    settings: dict[str, Any]
    given: dict[str, str]
    rating: int | None
    error: dict[str, str] | None
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip that was asked for.

    Attributes:
        id: its name in every route.
        owner: name of the key that asked; "" on a server without keys.
        model: name of the model.
        prompt: words.
        seed: of the clip.
        read_as: the words that the model reads for the prompt.
        settings: options of the client, as `Options` takes them.
        uploads: field -> the client's name of a picture, clip or sound. The file in the job's folder is called like the
            field.
        status: "queued", "in_progress", "completed" or "failed".
        progress: percent of the clip that is made.
        created_at, started_at, completed_at: seconds since 1970; None for what has not happened.
        fps: frames a second.
        seconds: length of the clip, as text.
        size: "WIDTHxHEIGHT".
        error_code, error_message: why it failed; "" otherwise.
        warnings: sentences about what the training of the model never saw.
        rating: 1 for a thumb up, -1 for a thumb down; None for no thumb.
        trace: the span of its request as a `traceparent`; "" without traces.
    """

    id: str = field(default_factory=lambda: f"video_{secrets.token_hex(12)}")
    owner: str = ""
    model: str
    prompt: str
    seed: int
    settings: Mapping[str, Any]
    read_as: str = ""
    uploads: Mapping[str, str] = field(default_factory=dict)
    status: Status = "queued"
    progress: int = 0
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    completed_at: float | None = None
    fps: float = 1.0
    seconds: str = ""
    size: str = ""
    error_code: str = ""
    error_message: str = ""
    warnings: tuple[str, ...] = ()
    rating: int | None = None
    trace: str = ""

    def as_json(self, place: int | None = None) -> Video:
        """Return the job for clients; `place` is its place in the queue."""
        took = None
        if self.started_at is not None and self.completed_at is not None:
            took = round(self.completed_at - self.started_at, 3)
        error = {"code": self.error_code, "message": self.error_message} if self.error_code else None
        return {
            "id": self.id,
            "object": "video",
            "model": self.model,
            "status": self.status,
            "place": place,
            "progress": self.progress,
            "created_at": int(self.created_at),
            "completed_at": None if self.completed_at is None else int(self.completed_at),
            "took": took,
            "seconds": self.seconds,
            "size": self.size,
            "prompt": self.prompt,
            "read_as": self.read_as,
            "seed": self.seed,
            "settings": dict(self.settings),
            "given": dict(self.uploads),
            "rating": self.rating,
            "error": error,
            "warnings": list(self.warnings),
        }

    @property
    def words(self) -> str:
        """What the clip is: its words, those of all its shots, or the steps that somebody played in a world."""
        said = (self.prompt, *(shot["prompt"] for shot in self.settings.get("storyboard", ())))
        keys = self.settings.get("keys")
        return " / ".join(filter(None, said)) or (f"{self.model}, {len(keys)} steps" if keys else self.model)

    @property
    def file_name(self) -> str:
        """A name for a file of the clip, without its suffix: what the clip is, and its seed."""
        return "-".join(re.findall(r"[^\W_]+", f"{self.words[:_NAME_LETTERS]} seed {self.seed}"))

    def paths(self, folder: Path) -> dict[str, str]:
        """Return the paths of the files in the folder of the job, by their fields."""
        return {name: str(folder / name) for name in self.uploads}

    def for_log(self) -> dict[str, Any]:
        """Return the job for a line of the log. The log may leave the prompt out."""
        names = ("id", "owner", "model", "seconds", "size", "prompt")
        return {"job" if name == "id" else name: getattr(self, name) for name in names}


def is_job_id(name: str) -> bool:
    """Return whether a name has the form of a job's id."""
    return _JOB_ID.fullmatch(name) is not None


def grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of fields. Those of NAME-1, NAME-2 and so on become a list under NAME."""
    found = dict[str, Any]()
    for named, value in values.items():
        name, _, number = named.partition("-")
        if number:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def as_uploaded(job: Job, folder: Path, message: str) -> str:
    """Return a message with the client's names for the files of a job, and without folders of this machine."""
    for field_, name in job.uploads.items():
        message = message.replace(str(folder / field_), name)
    return message.replace(f"{folder}{os.sep}", "")
