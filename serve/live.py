"""A live clip: it never ends, it is watched while it is made, and its words can change."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from reelm.errors import RequestError
from reelm.media.formats.fragments import FragmentedVideo
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import BatchSlot
from reelm.sampling.generate import stream
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.planning.stream_plan import later_shot
from reelm.sampling.request import Request

from .device_workers import POLL_SECONDS, DeviceWorker

_AHEAD_SECONDS = 0.75  # of the clip that are made before they are shown, so new words show this much later


class Live:
    """A live clip of one viewer. The engine calls all methods except `close`; a worker draws the clip.

    Args:
        owner: of the key of the viewer.
        model: name of the model.
        prompt: words to begin with.
        settings: options, as `Options` takes them.
        send: called with each piece of a fragmented mp4, from the worker's thread; must not block. A dict has the words
            that come next and how the model reads them, or an `error` about words that are refused: the clip goes on.
        failed: called with the error that ended the clip, from the same thread.
    """

    def __init__(
        self,
        owner: str,
        model: str,
        prompt: str,
        settings: dict[str, Any],
        send: Callable[[bytes | dict[str, Any]], None],
        failed: Callable[[Exception], None],
    ):
        self.owner, self.model, self.closed = owner, model, False
        self._prompt, self._settings, self._send, self._failed = prompt, settings, send, failed
        self._scenes, self._made, self._seconds, self._began = 0, 0, 0.0, 0.0
        self._unsent = b""
        self._slot: BatchSlot | None = None
        self._under_way: Future[None] | None = None

    def open(self, model: Model, worker: DeviceWorker) -> None:
        """Begin, in a worker."""
        self._parts, self.worker = model, worker
        worker.do(partial(self._try, self._open), self.owner)

    def say(self, words: str, cut: bool) -> None:
        """Change the words from the next latent frame on.

        cut: whether they begin a new scene. Otherwise the clip goes on from the pictures that there are.
        """

        def change() -> None:
            if cut:
                self._begin(words)
            else:  # one latent frame more may be drawn than was taken
                assert self._slot is not None
                read = self._planned(words).inputs.scripts[0][0].words
                self._slot.window.add(later_shot(self._request, read, self._made + 1))

        self.worker.do(partial(self._try, change), self.owner)

    @property
    def rest(self) -> float:
        """Seconds until the engine should look again."""
        return POLL_SECONDS

    def advance(self, wake: Callable[[], None]) -> None:
        """Begin a latent frame if the viewer will soon have seen all; `wake` is called when it is made."""
        if self._wants_more() and (self._under_way is None or self._under_way.done()):
            self._under_way = self.worker.do(partial(self._try, self._make), self.owner)
            self._under_way.add_done_callback(lambda _: wake())

    def leave(self) -> Future[None]:
        """Leave the batch."""
        return self.worker.do(self._leave, self.owner)

    def close(self) -> None:
        """End the clip; from any thread."""
        self.closed = True

    def _try(self, function: Callable[[], None]) -> None:
        """Call a function. Words that are refused are sent to the viewer as an error; any other error ends the clip."""
        if self.closed:
            return
        try:
            function()
        except RequestError as error:
            self._send({"error": {"code": "invalid_request", "message": str(error)}})
            self.closed = self._slot is None  # nothing plays yet: the next words begin another clip
        except Exception as error:
            self.closed = True
            self._failed(error)

    def _open(self) -> None:
        fps = self._begin(self._prompt)
        self._fragments = FragmentedVideo(fps=fps, **self._request.sound._asdict())

    def _begin(self, words: str) -> float:
        """Begin a scene; return its frame rate."""
        request = self._planned(words)
        self._request = request
        self._leave()
        self._slot = self.worker.batch_of(request).join(request.drawer, request.stream, ahead=1)
        self._pieces = stream(request, self._slot)
        self._scenes, self._made = self._scenes + 1, 0
        return request.choice.settings.fps

    def _planned(self, words: str) -> Request:
        """Return the plan of a scene, and send the viewer how its words are read, with warnings."""
        settings = self._settings | {"seed": (self._settings.get("seed", 0) + self._scenes) % 2**32}
        request = plan(self._parts, words, *read_arguments(settings), endless=True)
        read, warnings = request.inputs.scripts[0][0].words, request.choice.warnings[0]
        if warnings or read != words:
            self._send({"prompt": words, "read_as": read, "warnings": list(warnings)})
        return request

    def _wants_more(self) -> bool:
        """Return whether the viewer will soon have seen all that is made."""
        played = time.monotonic() - self._began if self._began else 0.0
        return not self.closed and self._seconds - played < _AHEAD_SECONDS

    def _make(self) -> None:
        [clip] = next(self._pieces)
        self._unsent += self._fragments.add(clip.video, clip.audio)
        self._made += 1
        if self._seconds:  # the first latent frame is one picture, and would be over before the next one is made
            self._began = self._began or time.monotonic()
            self._send(self._unsent)
            self._unsent = b""
        self._seconds += len(clip.video) / clip.fps

    def _leave(self) -> None:
        if self._slot is not None:
            self._slot.close()
