"""Events of jobs: from the engine's thread to everybody who waits in the loop of the server.

An event carries no content. Whoever hears it looks up how the job stands, so a slow listener misses nothing that still
matters, and nothing piles up.
"""

import asyncio
from collections.abc import AsyncIterator

BEAT_SECONDS = 15.0  # between signs of life to those who wait


class JobEvents:
    """Wakes those who wait for a job."""

    def __init__(self):
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop those run in who wait."""
        self._loop = loop

    def tell(self, job_id: str) -> None:
        """Say that a job has changed, from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, job_id)

    def close(self) -> None:
        """End all waiting, since the server ends; call it in the loop."""
        self._closed = True
        for job_id in self._waiting:
            self._wake(job_id)

    async def of(self, job_id: str, seconds: float) -> AsyncIterator[bool]:
        """Yield at once, then True whenever the job has changed, and False after so many seconds without a change.

        It ends with `close`.
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
