"""Runs a job: a device worker draws its latent frames, other threads write its files.

The engine asks for progress by `poll`, and knows nothing of futures.
"""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reelm.media.clip import Clip
from reelm.media.formats.fragments import FragmentedVideo
from reelm.sampling.best_of import fittest
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.generate import joined, stream
from reelm.sampling.request import Request

from .device_workers import DeviceWorker
from .job import Job

CLIP, STREAM = "clip.mp4", "stream.mp4"  # files of a job: the clip, and its fragments while it is made


class Writers(NamedTuple):
    """Threads that write files."""

    pieces: Executor
    clips: Executor


class State(Enum):
    """How far a job is."""

    NEW = auto()  # nothing has begun
    DRAWING = auto()  # latent frames are made
    DRAWN = auto()  # all are made; `save` comes next
    SAVING = auto()
    SAVED = auto()


class JobRunner:
    """A job under way.

    Args:
        job: the job.
        request: the plan of the job.
        worker: draws its latent frames.
        folder: of its files.
        writers: write its files.
        tell: called with the id of the job, from a writer's thread, when a piece of the stream is written.
        wake: called when there is progress, from the thread that did the work.
    """

    def __init__(
        self,
        job: Job,
        request: Request,
        worker: DeviceWorker,
        folder: Path,
        writers: Writers,
        tell: Callable[[str], None],
        wake: Callable[[], None],
    ):
        assert request.stream.length is not None
        self.job, self.worker, self.request = job, worker, request
        self._folder, self._writers, self._tell, self._wake = folder, writers, tell, wake
        self._parts: list[list[Clip]] = []
        self._written: list[Future[None]] = []  # pieces of the stream, some perhaps still being written
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (self._folder / STREAM).open("wb", buffering=0)
        self._fragments = FragmentedVideo(fps=request.choice.settings.fps, **request.sound._asdict())
        self._total = request.stream.length
        self._pieces = _pieces(request, worker.batch_of(request))
        self._under_way: Future[State]  # the newest piece of work, and the state that it leads to
        self.state = State.NEW
        self.newest: np.ndarray  # the newest frame; set once a latent frame is made
        self.joules: float | None = 0.0  # None for unknown
        self.decoded = 0.0  # when the last frame was made, in seconds since the epoch
        self.clip: Clip

    @property
    def percent(self) -> int:
        """Percent of the clip that is made, at most 99: it is not complete before it is saved."""
        return min(99, 100 * len(self._parts) // self._total)

    @property
    def draws(self) -> bool:
        """Whether its worker has more to do."""
        return self.state in (State.NEW, State.DRAWING)

    def poll(self) -> bool:
        """Take finished work, begin the next latent frame, and return whether there is progress. Raises its errors."""
        if self.state is State.NEW:
            self.state = State.DRAWING
            self._begin(self.worker.do(self._make, self.job.owner))
            return False
        if not self._under_way.done():
            return False
        self.state = self._under_way.result()
        if self.state is not State.SAVED:
            self.newest = self._parts[-1][0].video[-1]
        if self.state is State.DRAWING:
            self._begin(self.worker.do(self._make, self.job.owner))
        return True

    def spend(self, joules: float | None) -> None:
        """Add energy that was used for the job; None for unknown."""
        self.joules = None if self.joules is None or joules is None else self.joules + joules

    def save(self, energy: dict[str, Any]) -> None:
        """Begin to write the clip, with its energy in the file."""
        self.state = State.SAVING
        self.clip = replace(self.clip, info=self.clip.info | {"energy": energy})
        self._begin(self._writers.clips.submit(self._finish))

    def close(self) -> None:
        """Leave the batch and close the files, after the latent frame that is under way."""

        def leave() -> None:
            self._pieces.close()
            self._writers.pieces.submit(self._file.close)

        self.worker.do(leave, self.job.owner)

    def drop(self) -> None:
        """Close the file of a job that is left to another server, once no worker and no writer is at work."""
        self._file.close()

    def _begin(self, work: Future[State]) -> None:
        self._under_way = work
        work.add_done_callback(lambda _: self._wake())

    def _make(self) -> State:
        """Make a latent frame. Errors in writing earlier ones are raised here."""
        while self._written and self._written[0].done():
            self._written.pop(0).result()
        clips = next(self._pieces)
        self._parts.append(clips)
        self._written.append(self._writers.pieces.submit(self._write, clips[0]))
        if len(self._parts) < self._total:
            return State.DRAWING
        self.decoded = time.time()
        self._pieces.close()
        clips = joined(iter(self._parts), self._total)
        self.clip = fittest(self.request, clips)[0] if self.request.choice.settings.best_of > 1 else clips[0]
        return State.DRAWN

    def _write(self, piece: Clip) -> None:
        self._file.write(self._fragments.add(piece.video, piece.audio))
        self._tell(self.job.id)

    def _finish(self) -> State:
        self.clip.save(self._folder / CLIP)
        for each in self._written:
            each.result()
        self._file.write(self._fragments.finish())
        self._file.close()
        return State.SAVED


def _pieces(request: Request, batch: ContinuousBatch) -> Generator[list[Clip]]:
    """Yield what `stream` yields, in a slot of a batch that is given back at the end."""
    slot = batch.join(request.drawer, request.stream)
    try:
        yield from stream(request, slot)
    finally:
        slot.close()
