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
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from reelm.errors import RequestError

from .config import Cluster

T = TypeVar("T")


@contextlib.contextmanager
def joined(cluster: Cluster) -> Iterator[None]:
    """Connect this process to its run, before JAX looks for devices, and disconnect at the end.

    Raises:
        RequestError: the processes are only partly named, or cannot connect.
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
    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.processes,
            cluster.process,
            heartbeat_timeout_seconds=cluster.heartbeat_seconds,
            shutdown_timeout_seconds=cluster.heartbeat_seconds,
        )
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
