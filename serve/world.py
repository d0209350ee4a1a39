"""A world that is played: each latent frame is drawn once its keys are known, and sent at once.

Latent frames come at the frame rate of the world. A press does not wait for the next one: its latent frame is drawn as
soon as the worker is free, and the next one is due a whole period later. So the world runs faster the more keys are
pressed.
"""

import io
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from reelm.errors import RequestError
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import BatchSlot
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.play import PlaySession

from .device_workers import POLL_SECONDS, DeviceWorker
from .key_state import KeyState


class World:
    """A world of one player. The engine calls all methods except `close`; a worker draws it.

    Args:
        model: name of the model.
        key_state: keys of the player.
        prompt: words to begin with.
        seed: to begin with.
        send: called with each message to the player, from the worker's thread; must not block. A dict is a step, with
            the `seed` of a world that begins or else its `keys`, or an `error`. The frames of the step follow, each as
            a PNG.
        failed: called with the error that ended the world, from the same thread.
        has_room: returns whether the player has received nearly all that was sent.

    Attributes:
        speed: how many times faster than the world's own frame rate it runs; any thread may set it.
        shown: whether the player has a picture.
    """

    def __init__(
        self,
        model: str,
        key_state: KeyState,
        prompt: str,
        seed: int,
        send: Callable[[bytes | dict[str, Any]], None],
        failed: Callable[[Exception], None],
        has_room: Callable[[], bool],
    ):
        self.model, self.closed, self.shown, self.speed = model, False, False, 1.0
        self._key_state, self._prompt, self._seed = key_state, prompt, seed
        self._send, self._failed, self._has_room = send, failed, has_room
        self._session: PlaySession | None = None
        self._slot: BatchSlot | None = None
        self._words: str | None = None  # new words, from the next latent frame on
        self._asked: list[str] | None = None  # keys of the latent frame to take
        self._step, self._due = 0, 0.0
        self._under_way: Future[None] | None = None

    def open(self, model: Model, worker: DeviceWorker) -> None:
        """Begin, in a worker."""
        self._parts, self.worker = model, worker
        self.begin(self._prompt, self._seed)

    def begin(self, prompt: str | None, seed: int) -> None:
        """Begin again with a seed; `prompt` None keeps the words."""
        self._prompt = self._prompt if prompt is None else prompt
        self.worker.do(partial(self._try, partial(self._begin, self._prompt, seed)))

    def say(self, words: str) -> None:
        """Change the words from the next latent frame on."""

        def change() -> None:
            self._parts.read_as(words)  # refuses words that do not fit
            self._words = words

        self.worker.do(partial(self._try, change))

    @property
    def rest(self) -> float:
        """Seconds until the engine should look again."""
        return min(POLL_SECONDS, max(0.0, self._due - time.monotonic())) if self._is_free else POLL_SECONDS

    def advance(self, wake: Callable[[], None]) -> None:
        """Let the worker draw a latent frame if one is due; `wake` is called when it is drawn."""
        if self._is_free and (self._key_state.waits or time.monotonic() >= self._due):
            self._under_way = self.worker.draw(self)
            self._under_way.add_done_callback(lambda _: wake())

    def ask(self) -> None:
        """Set the keys of the next latent frame to those of this moment."""
        self._try(self._ask)

    def take(self) -> None:
        """Draw the latent frame that was asked for, and send it."""
        if self._asked is not None:
            self._try(self._take)

    def leave(self) -> None:
        """Leave the batch."""
        self.worker.do(self._leave)

    def close(self) -> None:
        """End the world; from any thread."""
        self.closed = True

    @property
    def _is_free(self) -> bool:
        """Whether a latent frame may be begun."""
        drawn = self._under_way is None or self._under_way.done()
        return self.shown and drawn and not self.closed and self._has_room()

    def _try(self, function: Callable[[], None]) -> None:
        """Call a function. A RequestError is sent to the player; any other error ends the world."""
        if self.closed:
            return
        try:
            function()
        except RequestError as error:
            self._send({"error": {"code": "invalid_request", "message": str(error)}})
        except Exception as error:
            self.closed = True
            self._failed(error)

    def _begin(self, prompt: str, seed: int) -> None:
        request = plan(self._parts, prompt, *read_arguments({"seed": seed}), endless=True)
        self._leave()
        self._slot = self.worker.batch_of(request).join(request.drawer, request.stream, ahead=0)
        self._session, self._words, self._step = PlaySession(request, self._slot), None, 0
        self._show({"step": 0, "seed": seed}, self._session.beginning.video)
        self._due, self.shown = time.monotonic() + 1 / self._parts.defaults.fps, True

    def _ask(self) -> None:
        assert self._session is not None and self._slot is not None
        keys, words, self._words = self._key_state.take(), self._words, None
        now, defaults = time.monotonic(), self._parts.defaults
        period = self._parts.video_tokenizer.config.time_stride / (defaults.fps * self.speed)
        self._due = now + period if now < self._due else max(self._due + period, now)
        self._session.ask(keys, words)
        self._asked, self._slot.ahead = keys, 1  # another player's batch may draw it

    def _take(self) -> None:
        assert self._session is not None and self._slot is not None
        keys, self._asked = self._asked, None
        try:
            video = self._session.take().video
        finally:
            self._slot.ahead = 0
        self._step += 1
        self._show({"step": self._step, "keys": keys}, video)
        self._slot.prepare()  # while the player looks

    def _show(self, step: dict[str, Any], video: np.ndarray) -> None:
        for each in (step, *map(_png, video)):
            self._send(each)

    def _leave(self) -> None:
        if self._slot is not None:
            self._slot.close()


def _png(frame: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(frame).save(written, "png", compress_level=1)  # the fastest: a player waits
    return written.getvalue()
