"""The number of this process among those that share the tokenizing of a data set, as Slurm gives it.

These processes do not talk to each other: each writes shards of its own, and may end and start again by itself.
"""

import os
from collections.abc import MutableMapping

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def of_slurm(environment: MutableMapping[str, str] = os.environ) -> tuple[int, int]:
    """Return (number of this process, number of all) that `srun` started; (0, 1) elsewhere.

    Where several of them share a machine, each is given its own GPU of those that it sees. So call it before JAX looks
    for devices.
    """
    started = environment.get("SLURM_STEP_NUM_TASKS")
    if started is None or started != environment.get("SLURM_NTASKS"):  # a shell in an allocation is one process
        return 0, 1
    here = int(environment["SLURM_LOCALID"])
    beside = int(environment.get("SLURM_STEP_TASKS_PER_NODE", "1").split("(")[0].split(",")[0])
    seen = environment.get(_VISIBLE, "").split(",")
    if beside > 1 and len(seen) != 1:
        environment[_VISIBLE] = seen[here % len(seen)]
    elif beside > 1 and not seen[0]:
        environment[_VISIBLE] = str(here)
    return int(environment["SLURM_PROCID"]), int(started)
