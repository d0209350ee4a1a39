"""A world that is played: each latent frame is drawn once its keys are known, and sent at once.

Latent frames come at the frame rate of the world. A press does not wait for the next one: its latent frame is drawn as
soon as the worker is free, and the next one is due a whole period later. So the world runs faster the more keys are
pressed.
"""

import io
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import BatchSlot
from reelm.sampling.goals import Goals, goals_of
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.play import PlaySession

from .device_workers import POLL_SECONDS, DeviceWorker
from .key_state import KeyState


class World:
    """A world of one player. The engine calls all methods except `close`; a worker draws it.

    Args:
        owner: of the key of the player.
        model: name of the model.
        key_state: keys of the player.
        prompt: words to begin with.
        seed: to begin with.
        send: called with each message to the player, from the worker's thread; must not block. A dict is a step, with
            the `seed` of a world that begins or else its `keys`, or an `error`. Of a game whose goals are known it has
            those that its pictures show to be `reached`, and for the first one whether the player is `empty_handed`.
            The frames of the step follow, each as a PNG.
        failed: called with the error that ended the world, from the same thread.
        has_room: returns whether the player has received nearly all that was sent.
        keep: called with each recording and the keys of all steps up to its end, from the same thread; must not block.
        most_frames: of a recording, which then ends by itself.
        replay: keys of the first steps, which nobody has to press.

    Attributes:
        speed: how many times faster than the world's own frame rate it runs; any thread may set it.
        shown: whether the player has a picture.
    """

    def __init__(
        self,
        owner: str,
        model: str,
        key_state: KeyState,
        prompt: str,
        seed: int,
        send: Callable[[bytes | dict[str, Any]], None],
        failed: Callable[[Exception], None],
        has_room: Callable[[], bool],
        keep: Callable[[Clip, list[list[str]]], None],
        most_frames: int,
        replay: Sequence[list[str]] = (),
    ):
        self.owner, self.model, self.closed, self.shown, self.speed = owner, model, False, False, 1.0
        self._key_state, self._prompt, self._seed = key_state, prompt, seed
        self._send, self._failed, self._has_room, self._keep = send, failed, has_room, keep
        self._most, self._replay = most_frames, deque(replay)
        self._played: list[list[str]] = []  # keys of all steps so far
        self._tape: list[Clip] | None = None  # what is being recorded, from the picture on that was shown
        self._goals: Goals | None = None
        self._last: Clip  # of the newest step
        self._session: PlaySession | None = None
        self._slot: BatchSlot | None = None
        self._words: str | None = None  # new words, from the next latent frame on
        self._asked: list[str] | None = None  # keys of the latent frame to take
        self._due = 0.0
        self._under_way: Future[None] | None = None

    def open(self, model: Model, worker: DeviceWorker) -> None:
        """Begin, in a worker."""
        self._parts, self.worker = model, worker
        self.begin(self._prompt, self._seed, self._replay)

    def begin(self, prompt: str | None, seed: int, replay: Sequence[list[str]] = ()) -> None:
        """Begin again with a seed, and with keys of the first steps; `prompt` None keeps the words.

        The player goes on after the last key of `replay`, or breaks it off by pressing a key.
        """
        self._prompt = self._prompt if prompt is None else prompt
        self.worker.do(partial(self._try, partial(self._begin, self._prompt, seed, deque(replay))), self.owner)

    def record(self, on: bool) -> None:
        """Begin a recording with the picture that is shown, or end it and keep it. Does nothing if it is so already."""

        def change() -> None:
            if not on:
                self._cut()
            elif self._tape is None and self.shown:
                self._tape = [replace(self._last, info=self._last.info | {"keys": []})]

        self.worker.do(partial(self._try, change), self.owner)

    def say(self, words: str) -> None:
        """Change the words from the next latent frame on."""

        def change() -> None:
            self._parts.read_as(words)  # refuses words that do not fit
            self._words = words

        self.worker.do(partial(self._try, change), self.owner)

    @property
    def rest(self) -> float:
        """Seconds until the engine should look again."""
        return min(POLL_SECONDS, max(0.0, self._due - time.monotonic())) if self._is_free else POLL_SECONDS

    def advance(self, wake: Callable[[], None]) -> None:
        """Let the worker draw a latent frame if one is due; `wake` is called when it is drawn."""
        if self._is_free and (self._key_state.waits or time.monotonic() >= self._due):
            self._under_way = self.worker.draw(self, self.owner)
            self._under_way.add_done_callback(lambda _: wake())

    def ask(self) -> None:
        """Set the keys of the next latent frame to those of this moment."""
        self._try(self._ask)

    def take(self) -> None:
        """Draw the latent frame that was asked for, and send it."""
        if self._asked is not None:
            self._try(self._take)

    def leave(self) -> Future[None]:
        """Leave the batch; what is being recorded is kept."""
        self.worker.do(self._cut, self.owner)
        return self.worker.do(self._leave, self.owner)

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

    def _begin(self, prompt: str, seed: int, replay: deque[list[str]]) -> None:
        self._cut()
        request = plan(self._parts, prompt, *read_arguments({"seed": seed}), endless=True)
        self._leave()
        self._slot = self.worker.batch_of(request).join(request.drawer, request.stream, ahead=0)
        self._session, self._words, self._played = PlaySession(request, self._slot), None, []
        self._replay, self._goals = replay, goals_of(self._parts)
        self._show({"step": 0, "seed": seed}, self._session.beginning)
        self._due, self.shown = time.monotonic() + 1 / self._parts.defaults.fps, True

    def _ask(self) -> None:
        assert self._session is not None and self._slot is not None
        if self._key_state.waits:
            self._replay.clear()
        keys = self._replay.popleft() if self._replay else self._key_state.take()
        words, self._words = self._words, None
        now, defaults = time.monotonic(), self._parts.defaults
        period = self._parts.video_tokenizer.config.time_stride / (defaults.fps * self.speed)
        self._due = now + period if now < self._due else max(self._due + period, now)
        self._session.ask(keys, words)
        self._asked, self._slot.ahead = keys, 1  # another player's batch may draw it

    def _take(self) -> None:
        assert self._session is not None and self._slot is not None
        keys, self._asked = self._asked, None
        try:
            clip = self._session.take()
        finally:
            self._slot.ahead = 0
        assert keys is not None
        self._played.append(keys)
        self._show({"step": len(self._played), "keys": keys}, clip)
        if self._tape is not None:
            self._tape.append(clip)
            if sum(len(each.video) for each in self._tape) >= self._most:
                self._cut()
        self._slot.prepare()  # while the player looks

    def _show(self, step: dict[str, Any], clip: Clip) -> None:
        self._last = clip
        if self._goals is not None:
            step["reached"] = [name for frame in clip.video for name in self._goals.look(frame)]
            if step["step"] == 0:
                step["empty_handed"] = self._goals.empty_handed
        for each in (step, *map(_png, clip.video)):
            self._send(each)

    def _cut(self) -> None:
        """End a recording."""
        tape, self._tape = self._tape, None
        if tape is not None:
            clip = Clip.join(tape)
            before = len(self._played) - len(clip.info["keys"])
            clip = replace(clip, info=clip.info | {"keys_before": self._played[:before]})
            self._keep(clip, [*self._played])

    def _leave(self) -> None:
        if self._slot is not None:
            self._slot.close()


def _png(frame: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(frame).save(written, "png", compress_level=1)  # the fastest: a player waits
    return written.getvalue()
