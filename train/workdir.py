"""The folder that the processes of a run work in: a shared one as it is, a remote one as the mirror of process 0.

In: the workdir as it is typed. Out: a local path, the same for all processes. Knows nothing of what is written in it.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from reelm.tokenizer.request import RequestError

from . import cluster, remote


@contextlib.contextmanager
def opened(workdir: Path) -> Iterator[Path]:
    """Yields the local path; RequestError when the processes do not all see it."""
    with contextlib.ExitStack() as stack:
        folder = Path(cluster.from_first(lambda: str(stack.enter_context(remote.mirrored(workdir)))))
        if jax.process_count() > 1:
            if cluster.is_first():
                folder.mkdir(parents=True, exist_ok=True)
            cluster.from_first(lambda: None)  # it is there before the others look
            if not np.all(multihost_utils.process_allgather(np.int32(folder.is_dir()))):
                raise RequestError(
                    f"not all processes of the run see {folder}; name a --workdir on a file system that every machine "
                    "mounts, a mounted bucket for one"
                )
        yield folder
