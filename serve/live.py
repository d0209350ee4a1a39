"""A live clip: it never ends, is played while it is made, and its words change on the fly."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reelm.media.formats.fragments import FragmentedVideo
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import ContinuousBatch, Seat
from reelm.sampling.generate import stream
from reelm.sampling.model import Model
from reelm.sampling.plan import plan
from reelm.sampling.request import Shot

_AHEAD_SECONDS = 0.75  # of the clip that are made before they are shown: new words are seen that much later


class Live:
    """A clip that one viewer watches. The engine's thread makes it, but `say` and `close` may come from another one.

    Args:
        model: name of the model.
        prompt: words to begin with.
        settings: options, as `Options` takes them.
        send: called with each piece of a fragmented mp4, from the engine's thread; must not wait.
        failed: called with what went wrong.
    """

    def __init__(
        self,
        model: str,
        prompt: str,
        settings: dict[str, Any],
        send: Callable[[bytes], None],
        failed: Callable[[Exception], None],
    ):
        self.model, self.closed = model, False
        self._prompt, self._settings, self._send, self._failed = prompt, settings, send, failed
        self._scenes, self._made, self._seconds, self._began = 0, 0, 0.0, 0.0
        self._unsent = b""
        self._seat: Seat | None = None

    def open(self, model: Model, batch: ContinuousBatch) -> bool:
        """Begin, and return whether that went well; from the engine's thread."""
        self._parts, self._batch = model, batch
        try:
            fps = self._begin(self._prompt)
            rate = model.soundtrack.sample_rate if model.soundtrack else None
            self._fragments = FragmentedVideo(fps=fps, sample_rate=rate)
        except Exception as error:
            self._end(error)
            return False
        return True

    def say(self, words: str, cut: bool) -> None:
        """Change the words from the next latent frame on; from the engine's thread.

        cut: whether they begin a new scene. Otherwise the clip goes on from the pictures that there are.
        """
        try:
            if cut:
                self._begin(words)
            else:  # one more latent frame is drawn than was taken
                self._script.append(Shot(self._made + 1, self._parts.read_as(words)))
        except Exception as error:
            self._end(error)

    def _begin(self, words: str) -> float:
        """Begin a scene; return its frame rate."""
        settings = self._settings | {"seed": (self._settings.get("seed", 0) + self._scenes) % 2**32}
        request = plan(self._parts, words, *read_arguments(settings), endless=True)
        self._script = list(request.scripts[0])
        request = replace(request, scripts=[self._script])
        self.leave()
        self._seat = self._batch.join(request, ahead=1)
        self._pieces = stream(self._parts, request, self._seat)
        self._scenes, self._made = self._scenes + 1, 0
        return request.settings.fps

    def wants_more(self) -> bool:
        """Whether the viewer will soon have seen all that there is."""
        played = time.monotonic() - self._began if self._began else 0.0
        return not self.closed and self._seconds - played < _AHEAD_SECONDS

    def step(self) -> None:
        """Make a latent frame."""
        try:
            [clip] = next(self._pieces)
            self._unsent += self._fragments.add(clip.video, clip.audio)
        except Exception as error:
            self._end(error)
            return
        self._made += 1
        if self._seconds:  # the first latent frame is one picture, and would be over before the next one is made
            self._began = self._began or time.monotonic()
            self._send(self._unsent)
            self._unsent = b""
        self._seconds += len(clip.video) / clip.fps

    def close(self) -> None:
        """End the clip."""
        self.closed = True

    def leave(self) -> None:
        """Leave the batch; from the engine's thread."""
        if self._seat is not None:
            self._seat.close()

    def _end(self, error: Exception) -> None:
        self.closed = True
        self._failed(error)
