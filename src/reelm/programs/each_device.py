"""Work on all devices of this process: each computes one piece at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from typing import Any, TypeVar

import jax

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2  # pieces of each device that are under way or wait


def on_each_device(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield `function(item)` of each item, in order. The items are taken in this thread.

    Each result is what one device would give alone: no program is cut over the devices.
    """
    devices = jax.local_devices()
    if len(devices) == 1:
        yield from map(function, items)
        return

    def on(device: Any, item: _Item) -> _Result:
        with jax.default_device(device):
            return function(item)

    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1, f"device-{each.id}")) for each in devices]
        under_way = deque[Future[_Result]]()
        for item, device, thread in zip(items, cycle(devices), cycle(threads), strict=False):
            under_way.append(thread.submit(on, device, item))
            if len(under_way) == _AHEAD * len(devices):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
