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

    It is pulled: when a request needs its next latent frame, all others that have none ready get theirs in the same
    batch. Whoever serves several requests takes a latent frame of each in turn. One thread may use it.
    """

    def __init__(self, model: ModelParts):
        self._model, self._seats = model, list[_Seat]()

    @property
    def requests(self) -> int:
        """Return how many requests are under way."""
        return len(self._seats)

    def latent_frames(self, request: Request) -> Iterator[LatentFrame]:
        """Yield the latent frames of a request without end; closing the iterator leaves the batch."""
        seat = _Seat(SlidingWindow(self._model, request))
        self._seats.append(seat)
        try:
            while True:
                if not seat.ready:
                    self._draw()
                if seat.failure is not None:
                    raise seat.failure
                yield seat.ready.popleft()
        finally:
            self._seats.remove(seat)

    def _draw(self) -> None:
        """Draw the next latent frame of every request that has none ready."""
        turns: dict[Hashable, list[tuple[_Seat, Turn]]] = {}
        for seat in [each for each in self._seats if not each.ready and each.failure is None]:
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
                    for seat, (frame, state) in zip(seats, draw_together(some, lm.decoding_params, rows), strict=True):
                        seat.window.keep(state)
                        seat.take(frame)


class _Seat:
    """A request under way: its window, its next latent frame, and those that are drawn but not taken."""

    def __init__(self, window: SlidingWindow):
        self.window, self.now, self.ready = window, 0, deque[LatentFrame]()
        self.failure: Exception | None = None

    def take(self, frame: LatentFrame) -> None:
        self.window.take(frame)
        self.ready.append(frame)
        self.now += 1


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
