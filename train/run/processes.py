"""The processes of a run: how they find each other, agree, and let one speak for all.

In: what the command line says of the processes, or nothing where Slurm, a GKE job or a TPU pod says it. Out: JAX knows
the devices of all. JAX's own service does the work: it finds the processes, carries SIGTERM from one to all, and ends
all when one dies. Knows nothing of models, data or files.
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
    """This process as one of its run's, from before JAX looks for devices to the end of all.

    Raises:
        RequestError: the processes are named by half, or cannot find each other.
    """
    if cluster.processes == 1 or not _join(cluster):
        yield
        return
    try:
        yield
    except Exception as error:
        if not isinstance(error, RequestError):
            # What befell this process alone, the others wait for: the sooner it is gone, the sooner they know.
            atexit.register(_leave)
        raise


def _join(cluster: Cluster) -> bool:
    """Whether there are processes to join."""
    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.processes,
            cluster.process,
            heartbeat_timeout_seconds=cluster.heartbeat_seconds,
            shutdown_timeout_seconds=cluster.heartbeat_seconds,
        )
    except (ValueError, RuntimeError) as error:
        # JAX says so where it finds no cluster, and in a program that used it before it called this one.
        alone = isinstance(error, ValueError) and "coordinator_address should be" in str(error)
        if not cluster.is_named and (alone or "must be called before" in str(error)):
            return False
        raise RequestError(
            f"the processes of this run do not find each other: {' '.join(str(error).split())[:300]}; "
            "name --coordinator, --processes and --process"
        ) from error
    # They meet once while all are here: who comes to a first meeting half a minute late is given up by gloo.
    multihost_utils.sync_global_devices("joined")
    return True


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def is_first() -> bool:
    """Whether this process is the one that writes for all."""
    return jax.process_index() == 0


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives on process 0, JSON values, on every process; a RequestError of it is raised on every one."""
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
    """`tree` as this process can use it alone; every process calls it, as each holds a part."""
    return tree if jax.device_count() == 1 else multihost_utils.process_allgather(tree, tiled=True)
