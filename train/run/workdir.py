"""The working folder of a run's processes: a shared local folder, or for a remote one the mirror of process 0.

In: the workdir as the user typed it. Out: a local path, the same for all processes.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from reelm.errors import RequestError
from reelm.storage import remote

from . import processes


@contextlib.contextmanager
def opened(workdir: Path) -> Iterator[Path]:
    """Yield the local path; RequestError when the processes do not all see it."""
    with contextlib.ExitStack() as stack:
        folder = Path(processes.from_first(lambda: str(stack.enter_context(remote.mirrored(workdir)))))
        if jax.process_count() > 1:
            if processes.is_first():
                folder.mkdir(parents=True, exist_ok=True)
            processes.from_first(lambda: None)  # wait until it exists before the others look
            if not np.all(multihost_utils.process_allgather(np.int32(folder.is_dir()))):
                raise RequestError(
                    f"not all processes of the run see {folder}; name a --workdir on a file system that every machine "
                    "mounts, a mounted bucket for one"
                )
        yield folder
