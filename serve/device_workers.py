"""Device workers: threads that draw. Each has its own batches, so no two touch the same state."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from reelm.cores import cores
from reelm.device import device
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.request import Request

LOOK_SECONDS = 0.02  # between looks at what is to be drawn in time

_T = TypeVar("_T")


class Steered(Protocol):
    """What says only when it is drawn what it shows."""

    def ask(self) -> None:
        """Say what the next latent frame shows; from now on a batch may draw it. Raises nothing."""

    def take(self) -> None:
        """Draw it, unless a batch has done so. Raises nothing."""


class DeviceWorker:
    """A thread, and the batch of each language model that only this thread draws."""

    def __init__(self, name: str, drew: Callable[[int, int], object]):
        self._drew, self._batches = drew, dict[int, ContinuousBatch]()
        self._thread = ThreadPoolExecutor(1, name)
        self._steered = deque[Steered]()  # those that wait

    def batch_of(self, request: Request) -> ContinuousBatch:
        """Return the batch that a request joins: that of the language model which draws it."""
        return self._batches.setdefault(id(request.lm), ContinuousBatch(request.lm, self._drew))

    def do(self, function: Callable[[], _T]) -> Future[_T]:
        """Run a function in the thread, after all that it was given before."""
        return self._thread.submit(function)

    def draw(self, one: Steered) -> Future[None]:
        """Draw a latent frame of one that is steered, with those of all others that wait for theirs by then."""
        self._steered.append(one)
        return self.do(self._draw)

    def _draw(self) -> None:
        together = [self._steered.popleft() for _ in range(len(self._steered))]
        for each in together:
            each.ask()
        for each in together:
            each.take()

    def end(self) -> None:
        """End the thread; what waits is left undone."""
        self._thread.shutdown(cancel_futures=True)


def device_workers(drew: Callable[[int, int], object]) -> list[DeviceWorker]:
    """Return as many workers as the device can use."""
    count = min(device().drawing_threads, cores())
    return [DeviceWorker(f"device-worker-{i}", drew) for i in range(count)]
