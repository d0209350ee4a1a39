"""Files over HTTP, whole or in ranges of bytes (RFC 9110, section 14).

In: a file, and the request. Out: the answer; 304 for a file that the client has (section 13). A range that no file can
meet is refused in the words of `answers.py`, with 416. A unit other than bytes is ignored, as the RFC has it.
"""

import os
import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import refusal

_RANGE = re.compile(r"([0-9]*)[ \t]*-[ \t]*([0-9]*)")
_MOST_RANGES = 16
_DIGITS = 18  # of a number; longer ones are beyond the end of every file


class FileAnswer(FileResponse):
    """An answer with a file, or with the ranges of it that are asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        try:
            self.stat_result = os.stat(self.path)
        except FileNotFoundError:
            raise HTTPException(404, "the file was deleted") from None
        self.set_stat_headers(self.stat_result)
        if scope["method"] in ("GET", "HEAD") and self._unchanged(asked):
            kept = {name: self.headers[name] for name in ("etag", "last-modified")}
            await Response(status_code=304, headers=kept)(scope, receive, send)
            return
        if "range" in asked:
            size, still = self.stat_result.st_size, asked.get("if-range")
            same = still is None or still in (self.headers["etag"], self.headers["last-modified"])
            ranges = _ranges(asked["range"], size) if same and scope["method"] in ("GET", "HEAD") else ""
            if ranges is None:
                message = (
                    f"the range {asked['range'][:60]!r} cannot be met: the file has {size} bytes; ask as in bytes=0-99"
                )
                headers = {"Content-Range": f"bytes */{size}"}
                await refusal(416, "wrong_range", message, headers)(scope, receive, send)
                return
            scope = _with_range(scope, ranges)
        await super().__call__(scope, receive, send)

    def _unchanged(self, asked: Headers) -> bool:
        """Return whether the client has the file already (RFC 9110, section 13.2.2)."""
        if (tags := asked.get("if-none-match")) is not None:
            known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
            return "*" in known or self.headers["etag"].removeprefix("W/") in known
        return asked.get("if-modified-since") == self.headers["last-modified"]


class Whole:
    """An application that always sends whole files, even if ranges are asked for."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(_with_range(scope, ""), receive, send)


def _with_range(scope: Scope, ranges: str) -> Scope:
    others = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "headers": [*others, (b"range", ranges.encode())] if ranges else others}


def _ranges(asked: str, size: int) -> str | None:
    """Return the ranges of a header that a file of `size` bytes can meet, as a header.

    "" means the whole file, None a header that is wrong or asks for no byte of the file.
    """
    unit, _, wanted = asked.partition("=")
    if unit.strip().lower() != "bytes":
        return ""
    met = []
    parts = [part.strip() for part in wanted.split(",")]
    if len(parts) > _MOST_RANGES:
        return ""  # as the RFC lets a server that is asked for many small ones
    for part in filter(None, parts):
        match = _RANGE.fullmatch(part)
        if match is None or not any(match.groups()):
            return None
        first, last = (int(number.lstrip("0")[:_DIGITS] or 0) if number else None for number in match.groups())
        if first is None:
            if last and not size:
                return ""  # the end of an empty file is the whole of it
            first, last = (max(0, size - last), size - 1) if last else (size, size)
        elif last is not None and last < first:
            return None
        if first < size:
            met.append(f"{first}-{min(size - 1 if last is None else last, size - 1)}")
    return f"bytes={','.join(met)}" if met else None
