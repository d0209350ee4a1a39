"""A job under way: its latent frames are made in a lane, its files are written by other threads."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reelm.media.clip import Clip
from reelm.media.formats.fragments import FragmentedVideo
from reelm.sampling.best_of import fittest
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.generate import joined, stream
from reelm.sampling.model import Model
from reelm.sampling.request import Request

from .jobs import Job
from .lanes import Lane

CLIP, STREAM = "clip.mp4", "stream.mp4"  # files of a job: the clip, and its fragments while it is made


class Writers(NamedTuple):
    """Threads that write files."""

    pieces: Executor
    clips: Executor


class Making:
    """A job under way. `lane` makes its frames; `writers` write its files, and call `tell` with the id of the job."""

    def __init__(
        self,
        job: Job,
        model: Model,
        request: Request,
        lane: Lane,
        folder: Path,
        writers: Writers,
        tell: Callable[[str], None],
    ):
        assert request.settings.num_frames is not None
        self.job, self.lane, self._model, self._request = job, lane, model, request
        self._folder, self._writers, self._tell = folder, writers, tell
        self._parts: list[list[Clip]] = []
        self._written: list[Future[None]] = []  # pieces of the stream, perhaps still to be written
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (self._folder / STREAM).open("wb", buffering=0)
        rate = model.soundtrack.sample_rate if model.soundtrack else None
        self._fragments = FragmentedVideo(fps=request.settings.fps, sample_rate=rate)
        self._total = model.latent_frames(request.settings.num_frames)
        self._pieces = _pieces(model, request, lane.batches[job.model])
        self.made: Future[bool] | None = None  # the newest latent frame; whether it is the last one
        self.shown = False  # whether a frame is there
        self.joules: float | None = 0.0
        self.decoded = 0.0  # when the last frame was there, in seconds since the epoch
        self.saved: Future[None] | None = None
        self.clip: Clip

    @property
    def newest(self) -> np.ndarray:
        """The newest frame."""
        return self._parts[-1][0].video[-1]

    @property
    def percent(self) -> int:
        """Share of the clip that is made; 100 only once it is saved."""
        return min(99, 100 * len(self._parts) // self._total)

    def begin(self, wake: Callable[[], None]) -> None:
        """Begin to make the next latent frame; `wake` is called when it is there."""
        self.made = self.lane.do(self._make)
        self.made.add_done_callback(lambda _: wake())

    def _make(self) -> bool:
        """Make a latent frame; return whether it was the last one. What failed in writing others is raised here."""
        while self._written and self._written[0].done():
            self._written.pop(0).result()
        clips = next(self._pieces)
        self._parts.append(clips)
        self._written.append(self._writers.pieces.submit(self._write, clips[0]))
        if len(self._parts) < self._total:
            return False
        self.decoded = time.time()
        self._pieces.close()
        clips = joined(iter(self._parts), self._total)
        self.clip = fittest(self._model, self._request, clips)[0] if self._request.settings.best_of > 1 else clips[0]
        return True

    def save(self, energy: dict[str, Any]) -> Future[None]:
        """Begin to write the clip, with what it took."""
        self.clip = replace(self.clip, info=self.clip.info | {"energy": energy})
        self.saved = self._writers.clips.submit(self._finish)
        return self.saved

    def close(self) -> None:
        """Leave the batch, and close the files, once the latent frame that is under way is made."""

        def leave() -> None:
            self._pieces.close()
            self._writers.pieces.submit(self._file.close)

        self.lane.do(leave)

    def _write(self, piece: Clip) -> None:
        self._file.write(self._fragments.add(piece.video, piece.audio))
        self._tell(self.job.id)

    def _finish(self) -> None:
        self.clip.save(self._folder / CLIP)
        for each in self._written:
            each.result()
        self._file.write(self._fragments.finish())
        self._file.close()


def _pieces(model: Model, request: Request, batch: ContinuousBatch) -> Generator[list[Clip]]:
    """Yield what `stream` does, in a seat of a batch from the first to the last one."""
    seat = batch.join(request.stream)
    try:
        yield from stream(model, request, seat)
    finally:
        seat.close()
