"""Continuous batching: streams are decoded together, and join and leave between any two latent frames.

Latent frames of the same kind share their programs. Their states are joined into the rows of one batch, drawn, and
split again, so each stream can be anywhere in its own window. That copies the KV caches once a latent frame, which
costs little: each forward pass reads them whole anyway. A batch does not change the codes of a clip.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reelm.device import device
from reelm.lm.language_model import LanguageModel
from reelm.programs.program import program

from .choose import SamplingParams
from .state import DecodeState
from .window_plan import StreamPlan
from .windows import Drawer, LatentFrame, NextFrame, SlidingWindow, first_frames

ROWS = (1, 2, 4, 8)  # of a batch: few sizes, so that few programs are compiled


class ContinuousBatch:
    """Streams of one model whose latent frames are drawn together.

    A batch runs when any stream needs a latent frame. Others join it unless they already have `ahead` latent frames.
    A caller with several streams takes a latent frame of each in turn. Only one thread may use it.

    Args:
        lm: draws them.
        drew: called with the streams and the rows of each batch that was drawn.
    """

    def __init__(self, lm: LanguageModel, drew: Callable[[int, int], object] = lambda streams, rows: None):
        self._lm, self._drew = lm, drew
        self.slots: list[BatchSlot] = []

    def join(self, drawer: Drawer, plan: StreamPlan, ahead: int = 2) -> "BatchSlot":
        """Let a stream join.

        Args:
            drawer: its language model must be that of the batch.
            plan: of the stream.
            ahead: latent frames that may be drawn before they are taken.
        """
        slot = BatchSlot(self, SlidingWindow(drawer, plan), ahead, plan.length)
        self.slots.append(slot)
        return slot

    def draw(self, asking: "BatchSlot") -> None:
        """Draw the next latent frame of a stream, and those of others that can be drawn with it."""
        frame = asking.next_frame()
        if frame is None:
            return
        kind, alike = frame.kind, [(asking, frame)]
        if kind is not None:
            hungry = (each for each in self.slots if each is not asking and len(each.ready) < each.ahead)
            for slot in sorted(hungry, key=lambda each: len(each.ready)):
                other = slot.next_frame() if len(alike) < ROWS[-1] else None
                if other is not None and other.kind == kind:
                    alike.append((slot, other))
        rows = _rows_for(len(alike))
        slots, frames = zip(*alike[:rows], strict=True)
        try:
            with self._lm.on_mesh():
                drawn = draw_together(frames, self._lm.decoding_params, rows)
        except Exception as error:  # their states may have been donated
            for slot in slots:
                slot.failure = error
            return
        self._drew(len(slots), rows)
        for slot, (frame, state) in zip(slots, drawn, strict=True):
            slot.window.keep(state)
            slot.take(frame)


class BatchSlot(Iterator[LatentFrame]):
    """A stream in a batch: an iterator over its latent frames. Nothing is drawn past the end of the stream."""

    def __init__(self, batch: ContinuousBatch, window: SlidingWindow, ahead: int, length: int | None):
        self.window, self.ahead, self.ready, self._length = window, ahead, deque[LatentFrame](), length
        self.failure: Exception | None = None
        self._batch, self._now = batch, 0

    def __next__(self) -> LatentFrame:
        if not self.ready and self.failure is None:
            self._batch.draw(self)
        if not self.ready:
            assert self.failure is not None
            raise self.failure
        return self.ready.popleft()

    def next_frame(self) -> NextFrame | None:
        """Return what the next latent frame is drawn from; None if there is nothing to draw.

        A latent frame that is given is taken. An error is kept and raised by this stream, even if another one asked.
        """
        if self.failure is not None or self._now == self._length:
            return None
        try:
            frame = self.window.known(self._now)
            if frame is None:
                return self.window.next_frame(self._now)
            self.take(frame)
        except Exception as error:
            self.failure = error
        return None

    def prepare(self) -> None:
        """Open a new window if the next latent frame needs one. That does not depend on what it will show."""
        if self.failure is None and self._now and self._now != self._length:
            try:
                self.window.open_for(self._now)
            except Exception as error:
                self.failure = error

    def take(self, frame: LatentFrame) -> None:
        """Keep a latent frame until it is asked for."""
        self.window.take(frame)
        self.ready.append(frame)
        self._now += 1

    def close(self) -> None:
        """Leave the batch."""
        if self in self._batch.slots:
            self._batch.slots.remove(self)


def batch_sizes() -> tuple[int, ...]:
    """Return the sizes of batches that suit the device, in rows."""
    # On a CPU two rows take longer than one row twice.
    return (1, *ROWS[2:]) if device().extra_codes_cost else ROWS


def _rows_for(waiting: int) -> int:
    """Return how many rows are drawn at once for `waiting` streams. Streams that are left over are drawn later."""
    if device().extra_codes_cost:  # at most a quarter of the rows is padding
        return max(rows for rows in batch_sizes() if 3 * rows <= 4 * waiting)
    return min(rows for rows in batch_sizes() if rows >= waiting)  # eight rows take little longer than one


def draw_together(asked: Sequence[NextFrame], params: dict, rows: int) -> list[tuple[LatentFrame, DecodeState]]:
    """Return what `NextFrame.draw` returns for each of some latent frames of one kind, drawn as one batch.

    Args:
        asked: one or more.
        params: with unrolled layers.
        rows: size of the batch after padding, so that few sizes are ever compiled.
    """
    if len(asked) == rows == 1:
        return [asked[0].draw(params)]
    first = asked[0]
    clips = len(first.sizes[0])
    padded = [*asked, *[first] * (rows - len(asked))]
    state, sampling = _joined([each.state for each in padded], [each.sampling for each in padded])
    real = np.repeat(np.arange(rows) < len(asked), clips)  # padding has no codes to draw, so nothing waits for it
    sizes = tuple(np.concatenate(each) * real for each in zip(*(each.sizes for each in padded), strict=True))
    programs = max((each.programs for each in asked), key=lambda programs: programs[0].span or 0)
    frame, state = NextFrame(programs, sizes, first.known, state, sampling).draw(params)
    parts = _split(rows, frame, state)[: len(asked)]
    return [
        (part._replace(sound=None if part.sound is None else first_frames(part.sound, int(one.sizes[1].max()))), state)
        for one, (part, state) in zip(asked, parts, strict=True)
    ]


@program(static=())
def _joined(states: list[DecodeState], sampling: list[SamplingParams]) -> tuple[DecodeState, SamplingParams]:
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *sampling)
    # With guidance, the conditional rows of all come before the unconditional ones.
    return DecodeState.joined(states), joined


@program(static=("count",))
def _split(count: int, frame: LatentFrame, state: DecodeState) -> list[tuple[LatentFrame, DecodeState]]:
    leaves, tree = jax.tree.flatten(frame)
    frames = zip(*(jnp.split(leaf, count) for leaf in leaves), strict=True)
    return list(zip(map(tree.unflatten, frames), state.split(count), strict=True))
