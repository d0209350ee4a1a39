"""Follow a clip while it is made: its bytes, and events about it."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reelm.serve.engine import Engine
from reelm.serve.events import BEAT_SECONDS, JobEvents
from reelm.serve.job_runner import STREAM
from reelm.serve.jobs import Jobs

_READ_BYTES = 1 << 16


async def fragments(job_id: str, jobs: Jobs, events: JobEvents) -> AsyncIterator[bytes]:
    """Yield the bytes of a job's stream from the first on, as they come; each client reads at its own pace."""
    path, at = jobs.folder(job_id) / STREAM, 0
    async for _ in events.of(job_id, BEAT_SECONDS):
        now = jobs.get(job_id)  # before reading: later bytes come with the next event
        while path.is_file() and (piece := await asyncio.to_thread(_read, path, at)):
            at += len(piece)
            yield piece
        if now is None or now.status in ("completed", "failed"):
            return


async def messages(job_id: str, jobs: Jobs, events: JobEvents, engine: Engine) -> AsyncIterator[str]:
    """Yield server-sent events: the job whenever it changes, and its newest frame."""
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
        frame = engine.previews.get(job_id)
        if frame is not None and frame is not shown:
            shown = frame
            yield _event("preview", {"image": _data_address(frame)})
        if now.status in ("completed", "failed"):
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


def _data_address(frame: np.ndarray) -> str:
    written = io.BytesIO()
    Image.fromarray(frame).save(written, "png")
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"
