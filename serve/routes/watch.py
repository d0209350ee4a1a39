"""Follow a clip while it is made: its bytes, and events about it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from reelm.serve.engine import Engine
from reelm.serve.events import BEAT_SECONDS, JobEvents
from reelm.serve.job_runner import STREAM
from reelm.serve.jobs import Jobs

_READ_BYTES = 1 << 16


async def fragments(job_id: str, jobs: Jobs, events: JobEvents, is_valid: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the bytes of a job's stream from the first on, as they come; each client reads at its own pace.

    It ends when the key of the client is not valid any more.
    """
    path, at = jobs.folder(job_id) / STREAM, 0
    async for _ in events.of(job_id, BEAT_SECONDS):
        now = jobs.get(job_id)  # before reading: later bytes come with the next event
        while path.is_file() and (piece := await asyncio.to_thread(_read, path, at)):
            at += len(piece)
            yield piece
        if now is None or now.status in ("completed", "failed") or not is_valid():
            return


async def messages(
    job_id: str, jobs: Jobs, events: JobEvents, engine: Engine, is_valid: Callable[[], bool]
) -> AsyncIterator[str]:
    """Yield server-sent events: the job whenever it changes, and its newest frame; until the key is not valid."""
    sent, shown = None, None
    async for changed in events.of(job_id, BEAT_SECONDS):
        now = jobs.get(job_id)
        if now is None:
            yield _event("deleted", {"id": job_id})
            return
        if not changed:
            yield ": still here\n\n"
        if (about := now.as_json(jobs.place(now))) != sent:
            yield _event("status", sent := about)
        preview = engine.previews.get(job_id)
        if preview is not None and preview is not shown:
            shown = preview
            yield _event("preview", {"image": await asyncio.to_thread(preview.encoded)})
        if now.status in ("completed", "failed") or not is_valid():
            return


def _read(path: Path, at: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(_READ_BYTES)
    except FileNotFoundError:  # deleted
        return b""


def _event(name: str, value: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
