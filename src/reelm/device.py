"""The profile of the device: all that decides how programs for it are shaped. No other room looks at the platform."""

from dataclasses import dataclass
from functools import cache
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DeviceProfile:
    """A kind of device.

    Attributes:
        platform: as JAX calls it.
        extra_codes_cost: whether one more code, or row, in a forward pass takes more time. On an accelerator a pass
            takes as long as reading the weights.
        static_programs: whether loops and attended spans get a fixed length, and with it a program each. A GPU returns
            to the host at each pass of a loop of unknown length; a CPU does not, and finds out which slots are filled.
        number_format: default number format of the matrices that decoding reads.
        int8_activations: number format of activations with matrices of int8.
        drawing_threads: most threads that draw clips at the same time.
    """

    platform: str
    extra_codes_cost: bool
    static_programs: bool
    number_format: Literal["float32", "bfloat16"]
    int8_activations: Literal["float32", "bfloat16"]
    drawing_threads: int


@cache
def profile_of(platform: str) -> DeviceProfile:
    """Return the profile of a platform, "cpu", "gpu" or "tpu"."""
    if platform == "cpu":
        return DeviceProfile(
            platform=platform,
            extra_codes_cost=True,
            static_programs=False,
            number_format="float32",
            int8_activations="float32",
            # One clip hardly uses a second core, for its matmuls are small: two threads draw two clips in little more
            # time than one draws one.
            drawing_threads=2,
        )
    return DeviceProfile(
        platform=platform,
        extra_codes_cost=False,
        static_programs=True,
        number_format="bfloat16",
        int8_activations="bfloat16",
        drawing_threads=1,
    )


def device() -> DeviceProfile:
    """Return the profile of the devices that JAX computes on here."""
    import jax  # late: the command line reads configurations without JAX

    return profile_of(jax.default_backend())
