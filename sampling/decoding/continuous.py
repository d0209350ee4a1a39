"""Continuous batching: requests that are decoded together, joining and leaving between any two latent frames.

Turns of one kind share their programs. Their states are joined into the rows of one batch, drawn, and parted again, so
each request stands wherever it is in its own window. That copies the KV caches once a latent frame; each of its forward
passes reads them whole anyway. A clip has the codes that it has alone.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request
from reelm.storage.programs import program

from .choose import Controls
from .state import DecodeState
from .windows import LatentFrame, SlidingWindow, Turn, first_frames

ROWS = (1, 2, 4, 8)  # of a batch: few sizes, so that few programs are compiled


class ContinuousBatch:
    """Requests to one model whose latent frames are drawn together.

    It is pulled: when a request needs its next latent frame, others get theirs in the same batch, but for those that
    are far enough ahead. Whoever serves several requests takes a latent frame of each in turn. One thread may use it.

    Args:
        model: what they ask.
        drew: called with the requests and the rows of each batch that was drawn.
    """

    def __init__(self, model: ModelParts, drew: Callable[[int, int], object] = lambda requests, rows: None):
        self._model, self._drew = model, drew
        self.seats: list[Seat] = []

    def join(self, request: Request, ahead: int = 2) -> "Seat":
        """Let a request join.

        ahead: latent frames that may be drawn before they are taken.
        """
        frames = request.settings.num_frames
        length = None if frames is None else self._model.latent_frames(frames)
        seat = Seat(self, SlidingWindow(self._model, request), ahead, length)
        self.seats.append(seat)
        return seat

    def draw(self, asking: "Seat") -> None:
        """Draw the next latent frame of a request, and those of others that can be drawn with it."""
        turn = asking.turn()
        if turn is None:
            return
        kind, alike = turn.kind, [(asking, turn)]
        if kind is not None:
            hungry = (each for each in self.seats if each is not asking and len(each.ready) < each.ahead)
            for seat in sorted(hungry, key=lambda each: len(each.ready)):
                other = seat.turn() if len(alike) < ROWS[-1] else None
                if other is not None and other.kind == kind:
                    alike.append((seat, other))
        rows = _rows_for(len(alike))
        seats, turns = zip(*alike[:rows], strict=True)
        lm = self._model.language_model()
        try:
            with lm.on_mesh():
                drawn = draw_together(turns, lm.decoding_params, rows)
        except Exception as error:  # their states may be gone
            for seat in seats:
                seat.failure = error
            return
        self._drew(len(seats), rows)
        for seat, (frame, state) in zip(seats, drawn, strict=True):
            seat.window.keep(state)
            seat.take(frame)


class Seat(Iterator[LatentFrame]):
    """A request in a batch: an iterator of its latent frames. None is drawn ahead that the clip does not have."""

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

    def turn(self) -> Turn | None:
        """Return what the next latent frame is drawn from; None where there is nothing to draw.

        A latent frame that is given is taken. What goes wrong is kept for this request, whoever asked.
        """
        if self.failure is not None or self._now == self._length:
            return None
        try:
            frame = self.window.known(self._now)
            if frame is None:
                return self.window.turn(self._now)
            self.take(frame)
        except Exception as error:
            self.failure = error
        return None

    def take(self, frame: LatentFrame) -> None:
        """Keep a latent frame until it is asked for."""
        self.window.take(frame)
        self.ready.append(frame)
        self._now += 1

    def close(self) -> None:
        """Leave the batch."""
        if self in self._batch.seats:
            self._batch.seats.remove(self)


def batch_sizes() -> tuple[int, ...]:
    """Return the sizes of batches that suit the device, in rows."""
    # On a CPU two rows take longer than one row twice.
    return (1, *ROWS[2:]) if jax.default_backend() == "cpu" else ROWS


def _rows_for(waiting: int) -> int:
    """Return how many rows are drawn at once for so many turns: those that are left over are drawn later."""
    if jax.default_backend() == "cpu":  # each row costs arithmetic: at most a quarter of them is filled up and lost
        return max(rows for rows in batch_sizes() if 3 * rows <= 4 * waiting)
    return min(rows for rows in batch_sizes() if rows >= waiting)  # eight rows take little longer than one


def draw_together(turns: Sequence[Turn], params: dict, rows: int) -> list[tuple[LatentFrame, DecodeState]]:
    """Return what `Turn.draw` returns for each of some turns of one kind, drawn as one batch.

    Args:
        turns: one or more; their clips have the codes that they have alone.
        params: with unrolled layers.
        rows: turns to fill up to, so that few sizes of batches are ever compiled.
    """
    if len(turns) == rows == 1:
        return [turns[0].draw(params)]
    first = turns[0]
    clips = len(first.sizes[0])
    filled = [*turns, *[first] * (rows - len(turns))]
    state, controls = _joined([each.state for each in filled], [each.controls for each in filled])
    real = np.repeat(np.arange(rows) < len(turns), clips)  # what fills up has no codes to draw, and holds nobody back
    sizes = tuple(np.concatenate(each) * real for each in zip(*(each.sizes for each in filled), strict=True))
    programs = max((each.programs for each in turns), key=lambda programs: programs[0].span or 0)
    frame, state = Turn(programs, sizes, first.given, state, controls).draw(params)
    parts = _parted(rows, frame, state)[: len(turns)]
    return [
        (part._replace(sound=None if part.sound is None else first_frames(part.sound, int(turn.sizes[1].max()))), state)
        for turn, (part, state) in zip(turns, parts, strict=True)
    ]


@program(static=())
def _joined(states: list[DecodeState], controls: list[Controls]) -> tuple[DecodeState, Controls]:
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *controls)
    # With guidance, the conditional rows of all stand before the unconditional ones.
    return DecodeState.joined(states), joined


@program(static=("count",))
def _parted(count: int, frame: LatentFrame, state: DecodeState) -> list[tuple[LatentFrame, DecodeState]]:
    leaves, tree = jax.tree.flatten(frame)
    frames = zip(*(jnp.split(leaf, count) for leaf in leaves), strict=True)
    return list(zip(map(tree.unflatten, frames), state.parted(count), strict=True))
