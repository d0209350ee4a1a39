"""Continuous batching: requests that are decoded together, joining and leaving between any two latent frames.

Turns of one kind share their programs. Their states are joined into the rows of one batch, drawn, and parted again, so
each request stands wherever it is in its own window. That copies the KV caches once a latent frame; each of its forward
passes reads them whole anyway. A clip has the codes that it has alone.
"""

from collections import deque
from collections.abc import Hashable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request
from reelm.storage.programs import program

from .choose import Controls
from .state import DecodeState
from .windows import LatentFrame, SlidingWindow, Turn, first_frames

ROWS = (1, 2, 4, 8)  # requests of a batch; others are filled up to one of these, so that few programs are compiled


class ContinuousBatch:
    """Requests to one model whose latent frames are drawn together.

    It is pulled: when a request needs its next latent frame, all others get theirs in the same batch, but for those
    that are far enough ahead. Whoever serves several requests takes a latent frame of each in turn. One thread may use
    it.
    """

    def __init__(self, model: ModelParts):
        self._model = model
        self.seats: list[Seat] = []

    def join(self, request: Request, ahead: int = 2) -> "Seat":
        """Let a request join.

        ahead: latent frames that may be drawn before they are taken.
        """
        seat = Seat(self, SlidingWindow(self._model, request), ahead)
        self.seats.append(seat)
        return seat

    def draw(self) -> None:
        """Draw the next latent frame of every request that is not far enough ahead."""
        turns: dict[Hashable, list[tuple[Seat, Turn]]] = {}
        for seat in [each for each in self.seats if len(each.ready) < each.ahead and each.failure is None]:
            try:
                frame = seat.window.known(seat.now)
                if frame is not None:
                    seat.take(frame)
                    continue
                turn = seat.window.turn(seat.now)
            except Exception as error:  # that of the one request, whoever asked for a latent frame
                seat.failure = error
                continue
            kind = turn.kind
            turns.setdefault(id(seat) if kind is None else kind, []).append((seat, turn))
        lm = self._model.language_model()
        with lm.on_mesh():
            for alike in turns.values():
                for begin in range(0, len(alike), ROWS[-1]):
                    seats, some = zip(*alike[begin : begin + ROWS[-1]], strict=True)
                    rows = next(rows for rows in ROWS if rows >= len(some))
                    try:
                        drawn = draw_together(some, lm.decoding_params, rows)
                    except Exception as error:  # their states may be gone
                        for seat in seats:
                            seat.failure = error
                        continue
                    for seat, (frame, state) in zip(seats, drawn, strict=True):
                        seat.window.keep(state)
                        seat.take(frame)


class Seat(Iterator[LatentFrame]):
    """A request in a batch: an iterator of its latent frames, without end."""

    def __init__(self, batch: ContinuousBatch, window: SlidingWindow, ahead: int):
        self.window, self.ahead, self.now, self.ready = window, ahead, 0, deque[LatentFrame]()
        self.failure: Exception | None = None
        self._batch = batch

    def __next__(self) -> LatentFrame:
        if not self.ready:
            self._batch.draw()
        if self.failure is not None:
            raise self.failure
        return self.ready.popleft()

    def take(self, frame: LatentFrame) -> None:
        """Keep a latent frame until it is asked for."""
        self.window.take(frame)
        self.ready.append(frame)
        self.now += 1

    def close(self) -> None:
        """Leave the batch."""
        if self in self._batch.seats:
            self._batch.seats.remove(self)


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
    programs = max((each.programs for each in turns), key=lambda programs: programs[0].span)
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
