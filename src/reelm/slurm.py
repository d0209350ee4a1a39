"""What Slurm says of this process in its environment."""

import os
from collections.abc import Mapping, MutableMapping

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def started_by_srun(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether `srun` started every process of a job of Slurm.

    A shell in an allocation has the number of the job's tasks in its environment, too, and is one process.
    """
    return "SLURM_NTASKS" in environment and environment.get("SLURM_STEP_NUM_TASKS") == environment["SLURM_NTASKS"]


def number_of_process(environment: MutableMapping[str, str] = os.environ) -> tuple[int, int]:
    """Return (number of this process, number of all) that `srun` started; (0, 1) elsewhere.

    These processes need not talk to each other. Where several of them share a machine, each is given its own GPU of
    those that it sees. So call it before JAX looks for devices.
    """
    if not started_by_srun(environment):
        return 0, 1
    here = int(environment["SLURM_LOCALID"])
    beside = int(environment.get("SLURM_STEP_TASKS_PER_NODE", "1").split("(")[0].split(",")[0])
    seen = environment.get(_VISIBLE, "").split(",")
    if beside > 1 and len(seen) != 1:
        environment[_VISIBLE] = seen[here % len(seen)]
    elif beside > 1 and not seen[0]:
        environment[_VISIBLE] = str(here)
    return int(environment["SLURM_PROCID"]), int(environment["SLURM_NTASKS"])
