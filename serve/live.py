"""A live clip: it never ends, is played while it is made, and its words change on the fly."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

from reelm.media.clip import Clip
from reelm.media.formats.fragments import FragmentedVideo
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.generate import stream
from reelm.sampling.model import Model
from reelm.sampling.plan import plan
from reelm.sampling.request import Shot

_AHEAD_SECONDS = 0.75  # of the clip that are made before they are shown: new words are seen that much later


def close(pieces: Iterator[Any]) -> None:
    """Close a generator, which leaves its batch."""
    if isinstance(pieces, Generator):
        pieces.close()


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
        self._script: list[Shot] = []
        self._made, self._seconds, self._began = 0, 0.0, 0.0

    def open(self, model: Model, batch: ContinuousBatch) -> bool:
        """Begin, and return whether that went well; from the engine's thread."""
        try:
            request = plan(model, self._prompt, *read_arguments(self._settings), endless=True)
            self._parts, self._script = model, list(request.scripts[0])
            request = replace(request, scripts=[self._script])
            rate = model.soundtrack.tokenizer.config.sample_rate if model.soundtrack else None
            self._fragments = FragmentedVideo(fps=request.settings.fps, sample_rate=rate)
            self._pieces: Iterator[list[Clip]] = stream(model, request, batch)
        except Exception as error:
            self._end(error)
            return False
        return True

    def say(self, words: str) -> None:
        """Change the words from the next latent frame on; from the engine's thread."""
        self._script.append(Shot(self._made + 1, self._parts.read_as(words)))  # one more is drawn than was taken

    def wants_more(self) -> bool:
        """Whether the viewer will soon have seen all that there is."""
        return not self.closed and self._seconds - (time.monotonic() - self._began) < _AHEAD_SECONDS

    def step(self) -> None:
        """Make a latent frame."""
        try:
            [clip] = next(self._pieces)
            self._send(self._fragments.add(clip.video, clip.audio))
        except Exception as error:
            self._end(error)
            return
        if not self._made:
            self._began = time.monotonic()
        self._made += 1
        self._seconds += len(clip.video) / clip.fps

    def close(self) -> None:
        """End the clip."""
        self.closed = True

    def leave(self) -> None:
        """Leave the batch; from the engine's thread."""
        close(self._pieces)

    def _end(self, error: Exception) -> None:
        self.closed = True
        self._failed(error)
