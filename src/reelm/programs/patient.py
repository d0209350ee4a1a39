"""Work on a CPU that lets all other work go first.

`patiently()` runs JAX on a second client of the CPU, whose threads have a low priority. So the system gives the
processor to everybody else first, even while a program runs that takes seconds. An accelerator has no priorities, and
its programs are short.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import get_native_id
from typing import Any

import jax

_NICE = 10


def let_others_first() -> None:
    """Give this thread, and those that it starts, a low priority; only Linux has one for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """Let what JAX computes in this thread go after all else on this machine."""
    device = patient_device()
    with contextlib.nullcontext() if device is None else jax.default_device(device):
        yield


@cache
def patient_device() -> Any | None:
    """Return the device whose threads let others go first; None where there is none."""
    if sys.platform != "linux" or jax.default_backend() != "cpu":
        return None
    from jaxlib import xla_client

    # Its threads have the priority of the thread that starts them.
    with ThreadPoolExecutor(1, "patient", initializer=let_others_first) as thread:
        return thread.submit(xla_client.make_cpu_client).result().local_devices()[0]
