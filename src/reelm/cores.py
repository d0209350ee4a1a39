"""The processor cores that this process may use."""

import os


def cores() -> int:
    """Return how many there are: fewer than the machine has where a container or `taskset` sets a limit."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
