"""The processes of a run: connect them, agree on values, and let the first process act for all.

In: the processes as named on the command line, or nothing under Slurm, in a GKE job or on a TPU pod. Out: JAX knows the
devices of all. JAX's own service does the work: it connects the processes, sends SIGTERM of one to all, and ends all
when one dies. This module knows nothing of models, data or files.
"""

import atexit
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from reelm.errors import RequestError
from reelm.slurm import started_by_srun

from .config import Cluster

T = TypeVar("T")

_SILENT_SECONDS = 5.0  # of waiting for other processes, before it is said
_MARGIN_SECONDS = 3600  # by which JAX waits longer than this process
_connected = threading.Event()


@contextlib.contextmanager
def joined(cluster: Cluster) -> Iterator[None]:
    """Connect this process to its run, before JAX looks for devices, and disconnect at the end.

    Raises:
        RequestError: the processes are only partly named, or cannot connect.
        TimeoutError: some did not come.
    """
    if cluster.processes == 1 or not _join(cluster):
        yield
        return
    try:
        yield
    except Exception as error:
        if not isinstance(error, RequestError):
            # If only this process failed, the others wait for it: end it quickly, so that they notice soon.
            atexit.register(_leave)
        raise


def _join(cluster: Cluster) -> bool:
    """Connect the processes, and return whether there are any."""
    if not cluster.is_named and "SLURM_NTASKS" in os.environ and not started_by_srun():
        return False
    try:
        _connect(cluster)
    except (ValueError, RuntimeError) as error:
        # JAX raises these errors when it finds no cluster, or when the program used JAX before this call.
        alone = isinstance(error, ValueError) and "coordinator_address should be" in str(error)
        if not cluster.is_named and (alone or "must be called before" in str(error)):
            return False
        raise RequestError(
            f"the processes of this run cannot connect: {' '.join(str(error).split())[:300]}; "
            "name --coordinator, --processes and --process"
        ) from error
    # Synchronise once while all have just started: gloo gives up on a process that is half a minute late for the first
    # collective.
    multihost_utils.sync_global_devices("joined")
    return True


def _connect(cluster: Cluster) -> None:
    """Call `jax.distributed.initialize`, and say who is awaited; TimeoutError after `join_seconds`.

    JAX waits in C++, where it hears no signal, and ends the process when its own time is over. So it waits in a thread,
    for longer than this function does.
    """
    failed: list[BaseException] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                cluster.coordinator,
                cluster.processes,
                cluster.process,
                initialization_timeout=cluster.join_seconds + _MARGIN_SECONDS,
                heartbeat_timeout_seconds=cluster.heartbeat_seconds,
                shutdown_timeout_seconds=cluster.heartbeat_seconds,
            )
        except BaseException as error:
            failed.append(error)

    connecting = threading.Thread(target=initialize, name="connecting", daemon=True)
    connecting.start()
    _join_thread(connecting, min(_SILENT_SECONDS, cluster.join_seconds))
    if connecting.is_alive():
        print(f"waiting for {_others(cluster)}; --processes 1 trains in this one alone", file=sys.stderr, flush=True)
        _join_thread(connecting, cluster.join_seconds - _SILENT_SECONDS)
    if connecting.is_alive():
        atexit.register(_leave)  # JAX would wait for them at the end, too
        raise TimeoutError(
            f"waited {cluster.join_seconds} seconds for {_others(cluster)}; "
            "start them all, wait longer with --join-seconds, or train in this one alone with --processes 1"
        )
    if failed:
        raise failed[0]
    _connected.set()


def _join_thread(thread: threading.Thread, seconds: float) -> None:
    """Wait for a thread in small steps, between which Python handles signals."""
    until = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < until:
        thread.join(0.2)


def are_connected() -> bool:
    """Return whether this process is one of several, which must be told of its end."""
    return _connected.is_set()


def _others(cluster: Cluster) -> str:
    """Return who is awaited, in words."""
    count = cluster.processes or os.environ.get("SLURM_NTASKS")
    number = "the other processes" if count is None else f"all {count} processes"
    where = f" at {cluster.coordinator}" if cluster.coordinator else ""
    return f"{number} of this run{where}"


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def is_first() -> bool:
    """Return whether this is the process that writes for all."""
    return jax.process_index() == 0


def from_first(make: Callable[[], T]) -> T:
    """Run `make` on process 0, and return its JSON values, or raise its RequestError, on every process."""
    if jax.process_count() == 1:
        return make()
    said: dict[str, Any] = {}
    if is_first():
        try:
            said = {"value": make()}
        except RequestError as error:
            said = {"refused": str(error)}
    text = np.frombuffer(json.dumps(said).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    text = text if is_first() else np.zeros(length, np.uint8)
    said = json.loads(np.asarray(multihost_utils.broadcast_one_to_all(text)).tobytes())
    if "refused" in said:
        raise RequestError(said["refused"])
    return said["value"]


def here(tree: Any) -> Any:
    """Return `tree` with whole arrays on this process; every process must call it, as each holds a part."""
    return tree if jax.device_count() == 1 else multihost_utils.process_allgather(tree, tiled=True)
