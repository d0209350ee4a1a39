"""Events of jobs: from the engine's thread to the listeners in the server's event loop.

An event carries no content. A listener looks up the state of the job, so a slow one misses nothing that still matters,
and nothing piles up.
"""

import asyncio
from collections.abc import AsyncIterator

BEAT_SECONDS = 15.0  # between heartbeats to clients that wait


class JobEvents:
    """Wakes the listeners of a job."""

    def __init__(self):
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the event loop of the listeners."""
        self._loop = loop

    def tell(self, job_id: str) -> None:
        """Wake the listeners of a job that has changed; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, job_id)

    def close(self) -> None:
        """End all listening, because the server ends; call it in the loop."""
        self._closed = True
        for job_id in self._waiting:
            self._wake(job_id)

    async def of(self, job_id: str, seconds: float) -> AsyncIterator[bool]:
        """Yield True at once and whenever the job has changed, and False after `seconds` without a change.

        `close` ends it.
        """
        event = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(event)
        try:
            yield True
            while not self._closed:
                try:
                    await asyncio.wait_for(event.wait(), seconds)
                except TimeoutError:
                    yield False
                    continue
                event.clear()
                yield True
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def _wake(self, job_id: str) -> None:
        for event in self._waiting.get(job_id, ()):
            event.set()
