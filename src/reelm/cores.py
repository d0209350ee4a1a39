"""The processor cores that this process may use, and the threads that fake devices need."""

import os
import re


def cores() -> int:
    """Return how many there are: fewer than the machine has where a container or `taskset` sets a limit."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def give_fake_devices_threads() -> None:
    """Give XLA a thread for each fake device of a CPU, where these outnumber the cores; before JAX finds its devices.

    XLA has a thread for each core. In a collective each device holds one while it waits for the others: with fewer
    threads than devices all wait, and XLA aborts.
    """
    asked = re.findall(r"--xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", ""))
    asked += re.findall(r"\d+", os.environ.get("JAX_NUM_CPU_DEVICES", ""))
    devices = max(map(int, asked), default=1)
    if devices > cores() and "PJRT_NPROC" not in os.environ:
        os.environ.setdefault("NPROC", str(devices))
