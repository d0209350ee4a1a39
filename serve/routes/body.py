"""Read the body of a request for a clip: JSON, or a form with files.

Names are those of `reelm generate`. The fields of OpenAI's client (`seconds`, `size`, `input_reference`) are read, too.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from reelm.errors import RequestError
from reelm.guesses import wrong_name
from reelm.sampling.conditions.sources import STRUCTURED, Sources
from reelm.sampling.options import FILES, Options
from reelm.serve.access import Limits
from reelm.storage.atomic import write_bytes

REFERENCES = "references"  # files of one name, up to four
_OPTIONS = {field.name for field in fields(Options)} - {"num_samples"}
_OPENAI = ("seconds", "size", "input_reference")
_WORDS = ("model", "prompt", "negative_prompt", "decoding", "seconds", "size")
_BODY_SECONDS = 120.0
_TAIL_BYTES = 4096  # of a form, in which its last boundary must lie
JSON_BYTES = 1 << 20  # of JSON, or of all text in a form
_NAME_LETTERS = 80
_MOST_VALUES = 256  # of a setting that may have several
MOST_STEPS, _MOST_KEYS = 36_000, 64  # latent frames that keys are given for, and keys of each
KNOWN = ("model", "prompt", *STRUCTURED, *sorted(_OPTIONS), *FILES, REFERENCES)


@dataclass(frozen=True)
class Upload:
    """A file of a form: what the client calls it, and its bytes."""

    name: str
    content: bytes = field(repr=False)


def preferred_wait(headers: Headers) -> float | None:
    """Return how many seconds a client waits (RFC 7240: `Prefer: wait=50`); None if it does not say."""
    wanted = ",".join(headers.getlist("prefer")).lower()
    if match := re.search(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\b", wanted):
        return float(match[1])
    return 0.0 if "respond-async" in wanted else None


async def read_fields(request: Request, limits: Limits) -> dict[str, Any]:
    """Return the fields of a body; files as `Upload`.

    JSON is parsed in a thread, because it can take long.

    Raises:
        HTTPException: 413 for a body that is too large.
        RequestError: a body of another form, or an unknown field.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        tail = bytearray()
        request = _bounded(request, limits.body_bytes, tail)
        files = len(FILES) + 5  # with an input_reference, and up to four references
        async with request.form(max_files=files, max_fields=64, max_part_size=JSON_BYTES) as form:
            given = [
                (name, await _upload(name, value) if isinstance(value, UploadFile) else value)
                for name, value in form.multi_items()
            ]
        if b"--%s--" % options[b"boundary"] not in tail:  # what is left out at the end would be missed by nobody
            raise RequestError("the form is cut off before its last boundary")
        if sum(len(value) for _, value in given if isinstance(value, str)) > JSON_BYTES:
            raise HTTPException(413, f"the text of a form may have {JSON_BYTES >> 20} MiB")
        return await asyncio.to_thread(_checked, lambda: _of_form(given))
    if kind in (b"application/json", b""):
        body = await _bounded(request, min(JSON_BYTES, limits.body_bytes)).body()
        return await asyncio.to_thread(_checked, lambda: _of_json(body))
    raise HTTPException(415, f"a body of {kind.decode('latin1')} is not understood; send JSON or a multipart form")


def _of_form(given: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict[str, Any]()
    for name, value in given:
        read = _value(name, value) if isinstance(value, str) else value
        if name == REFERENCES:
            found.setdefault(name, []).append(read)
        elif name in found:
            raise RequestError("a field of the form is given twice; give it once")
        else:
            found[name] = read
    return found


def _of_json(body: bytes) -> dict[str, Any]:
    found = _object(body)
    for name in (*FILES, REFERENCES, "input_reference"):
        if found.get(name) is not None:
            raise RequestError(f"{name} is a file: send it as a part of a multipart form")
    return found


def _checked(parse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the fields that are not None; RequestError for one that there is not, or for text that is no Unicode."""
    found = parse()
    for name in found:
        if name not in KNOWN and name not in _OPENAI:
            hint = wrong_name(name, KNOWN, f"there are {', '.join(KNOWN)}")
            raise RequestError(f"there is no setting {name!r}; {hint}")
        check_text(found[name])
    return {name: value for name, value in found.items() if value is not None}


async def read_object(request: Request, limits: Limits) -> dict[str, Any]:
    """Return a body that is a JSON object; raises what `read_fields` raises."""
    body = await _bounded(request, min(JSON_BYTES, limits.body_bytes)).body()
    return await asyncio.to_thread(_object, body)


def _bounded(request: Request, most: int, tail: bytearray | None = None) -> Request:
    """Return the request with a limit on its body: one that is too large, or takes too long to arrive, is refused.

    tail: takes the last bytes of the body.
    """
    too_large = HTTPException(413, f"a request may have {most >> 20} MiB")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > most):
        raise too_large
    left, until = most, asyncio.get_running_loop().time() + _BODY_SECONDS

    async def bounded() -> Message:
        nonlocal left
        try:
            async with asyncio.timeout_at(until):
                message = await request.receive()
        except TimeoutError as error:
            raise HTTPException(408, f"the body took more than {_BODY_SECONDS:.0f} seconds") from error
        body = message.get("body", b"")
        if tail is not None:
            tail[:] = (tail + body[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        left -= len(body)
        if left < 0:
            raise too_large
        return message

    return Request(request.scope, bounded)


def check_text(value: Any) -> None:
    """Check that all text in a value is valid Unicode; RequestError if not."""
    if isinstance(value, list | dict):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            check_text(each)
    elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RequestError("the text contains an unpaired surrogate")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body, parse_constant=_refuse, parse_float=json_number)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RequestError("the body must be a JSON object")
    return found


def json_number(text: str) -> float:
    """Return a number of JSON; 17.0 is whole, as JSON has only one kind of number."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number in JSON")


async def _upload(field: str, file: UploadFile) -> Upload:
    """Return a file with the last part of its name, in printable letters and not too long."""
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name
    name = "".join(letter for letter in name if letter.isprintable())[-_NAME_LETTERS:]
    return Upload(name or field, await file.read())


def _value(name: str, text: str) -> Any:
    """Return the value of a form's field: a number or a list if it looks like one, otherwise text."""
    if name in _WORDS:
        return text
    try:
        value = json.loads(text, parse_float=json_number)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | list) and isinstance(value, bool) == (name == "strict") else text


class Asked:
    """A request for a clip, checked as far as is possible without the model.

    Raises:
        RequestError: a value out of its range, or of another type.
    """

    def __init__(self, found: dict[str, Any], default_model: str, limits: Limits):
        self.model = _text("model", found.pop("model", default_model))
        self.prompt = _text("prompt", found.pop("prompt", ""))
        if len(self.prompt) > limits.prompt_letters:
            raise RequestError(f"the prompt has {len(self.prompt)} letters; at most {limits.prompt_letters} are read")
        negative = found.get("negative_prompt")
        if isinstance(negative, str) and len(negative) > limits.prompt_letters:
            raise RequestError(f"negative_prompt has {len(negative)} letters; at most {limits.prompt_letters} are read")
        if "input_reference" in found:
            found["image"] = found.pop("input_reference")
        self.files: dict[str, Upload] = {}
        for name in FILES:
            if name in found:
                self.files[name] = _file(name, found.pop(name))
        for number, file in enumerate(found.pop(REFERENCES, ()), 1):
            self.files[f"{REFERENCES}-{number}"] = _file(f"reference {number}", file)
        if "size" in found:
            found["width"], found["height"] = _size(found.pop("size"))
        self.seconds = _seconds(found.pop("seconds")) if "seconds" in found else None
        if any(
            isinstance(value, list) and len(value) > _MOST_VALUES for name, value in found.items() if name in _OPTIONS
        ):
            raise RequestError(f"a setting has at most {_MOST_VALUES} values")
        structured = {name: value for name in STRUCTURED if (value := found.pop(name, None)) is not None}
        Options(**found)
        _check_structured(structured, limits)
        self.settings = found | structured

    def for_model(self, fps: float) -> dict[str, Any]:
        """Return the settings, with seconds as frames at the model's rate."""
        if self.seconds is None:
            return self.settings
        if "num_frames" in self.settings:
            raise RequestError("give seconds or num_frames, not both")
        rate = self.settings.get("fps", fps)
        return self.settings | {"num_frames": max(1, math.ceil(self.seconds * rate))}

    def write(self, folder: Path) -> None:
        """Write the files, each under the name of its field."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, file in self.files.items():
            write_bytes(folder / name, file.content)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{name} is {value!r}; it must be text")
    return value


def _file(name: str, value: Any) -> Upload:
    if not isinstance(value, Upload) or not value.content:
        raise RequestError(f"{name} must be a file that is not empty")
    return value


def _check_structured(values: Mapping[str, Any], limits: Limits) -> None:
    """Check keys, tracks, a camera and a storyboard as far as is possible without the model."""
    given = Sources(**values)
    if any(shot.references for shot in given.shots):
        raise RequestError("shots have no references of their own here; send references as files of the form")
    if (letters := sum(len(shot.prompt) for shot in given.shots)) > limits.prompt_letters:
        raise RequestError(f"the shots have {letters} letters; at most {limits.prompt_letters} are read")
    if len(given.keys or ()) > MOST_STEPS:
        raise RequestError(f"keys are given for {len(given.keys or ())} latent frames; at most {MOST_STEPS} are made")
    if any(len(each) > _MOST_KEYS for each in given.keys or ()):
        raise RequestError(f"keys name more than {_MOST_KEYS} for a latent frame")
    points = 0
    for each in (given, *given.shots):
        points += sum(len(track) for track in each.tracks or () if track)
        points += len(each.camera) if isinstance(each.camera, tuple) else 0
    if points > MOST_STEPS:
        raise RequestError(f"tracks and camera have {points} points; at most {MOST_STEPS} are read")


def _size(value: Any) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in str(value).lower().split("x"))
    except ValueError:
        raise RequestError(f'size is {str(value)[:20]!r}; it must be "WIDTHxHEIGHT"') from None
    return width, height


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise RequestError(f"seconds is {str(value)[:20]!r}; it must be above 0 and at most 3600")
    return seconds
