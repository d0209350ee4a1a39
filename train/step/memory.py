"""Check that the training state of a language model fits in memory before it is made, and suggest what would fit.

In: a run, the devices along each axis, the free bytes of a device. Out: nothing, or a RequestError with the figures.
Only the state and one gradient are counted, which every setting needs. Activations, which XLA plans, come on top, so a
run that is refused here could not have run.
"""

from collections.abc import Callable
from typing import Any

from reelm.errors import RequestError
from reelm.lm import size
from reelm.lm.mesh import AXES
from reelm.lm.net.config import LMConfig
from reelm.lm.parameters import check_mesh
from reelm.tokenizer.device_memory import gibibytes

_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def check_state(model: LMConfig, create: Callable[[dict], Any], mesh: dict[str, int], free: int | None) -> None:
    """Raise RequestError when a device of a mesh of these sizes cannot hold the state.

    Args:
        create: function from parameters to the state, which includes them.
        free: free bytes of a device; None if unknown, and nothing is refused.
    """
    if free is None:
        return

    def parts(mesh: dict[str, int]) -> dict[str, int]:
        return size.training_bytes(model, create, 0, 0, 0, mesh)

    here = parts(mesh)
    if sum(here.values()) <= free:
        return
    enough = least_devices(model, "fsdp", lambda mesh: sum(parts(mesh).values()) <= free)
    raise RequestError(
        f"training takes {gibibytes(here['state'])} of state and {gibibytes(here['gradient'])} of gradient on a "
        f"device, before any activations, free are {gibibytes(free)}; what fits: "
        + (f"more devices, --mesh fsdp={enough}" if enough else "a smaller model")
    )


def least_devices(model: LMConfig, axis: str, fits: Callable[[dict[str, int]], bool]) -> int | None:
    """Return the least number of devices along this axis over which the net divides and on which it fits, or None."""
    for count in _COUNTS:
        mesh = {**dict.fromkeys(AXES, 1), axis: count}
        try:
            check_mesh(model, mesh)
        except RequestError:
            continue
        if fits(mesh):
            return count
    return None
