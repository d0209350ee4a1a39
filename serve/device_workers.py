"""Device workers: threads that draw. Each has its own batches, so no two touch the same state."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Protocol, TypeVar

from reelm.cores import cores
from reelm.device import device
from reelm.programs.patient import patient_device, patiently
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.model import Model
from reelm.sampling.request import Request

from .turns import Company, Turns

POLL_SECONDS = 0.02  # between looks at live clips and worlds, which must be drawn in time

_T = TypeVar("_T")


class Steered(Protocol):
    """A world, whose keys are read only when its next latent frame is drawn."""

    def ask(self) -> None:
        """Set the keys of the next latent frame. A batch may draw it from now on. Never raises."""

    def take(self) -> None:
        """Draw the latent frame, unless a batch already has. Never raises."""


class DeviceWorker:
    """A thread, with a batch for each language model. Only this thread draws these batches.

    Args:
        name: of the thread.
        drew: called with the streams and the rows of each batch that was drawn.
        company: of the workers of a device.
        patient: whether the device lets the work of all others go first, where it can; see `patiently`. Its requests
            must be for `patient_models`.
    """

    def __init__(self, name: str, drew: Callable[[int, int], object], company: Company, *, patient: bool = False):
        self._drew, self._batches = drew, dict[int, ContinuousBatch]()
        self._turns, self._patient = Turns(name, 1, company=company), patient
        self._steered = deque[Steered]()  # those that wait

    def batch_of(self, request: Request) -> ContinuousBatch:
        """Return the batch of the language model that draws a request."""
        return self._batches.setdefault(id(request.lm), ContinuousBatch(request.lm, self._drew))

    def do(self, function: Callable[[], _T], owner: str = "") -> Future[_T]:
        """Run a function in the thread, after those of its owner before it, and in turn with those of others."""

        def work() -> _T:
            with patiently() if self._patient else nullcontext():
                return function()

        return self._turns.do(owner, work)

    def draw(self, one: Steered, owner: str) -> Future[None]:
        """Draw the next latent frame of an owner's world, together with all other worlds that wait by then."""
        self._steered.append(one)
        return self.do(self._draw, owner)

    def _draw(self) -> None:
        together = [self._steered.popleft() for _ in range(len(self._steered))]
        for each in together:
            each.ask()
        for each in together:
            each.take()

    def end(self) -> None:
        """End the thread and drop the work that waits."""
        self._turns.close(wait=True)


def patient_models(models: Mapping[str, Model]) -> Mapping[str, Model]:
    """Return the models for work that lets others go first: with weights of their own where that has its own device."""
    return models if patient_device() is None else {name: model.anew() for name, model in models.items()}


def device_workers(drew: Callable[[int, int], object]) -> list[DeviceWorker]:
    """Return as many workers as the device can use."""
    count = min(device().drawing_threads, cores())
    company = Company()
    return [DeviceWorker(f"device-worker-{i}", drew, company) for i in range(count)]
