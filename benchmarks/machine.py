"""What a benchmark ran on, to stand above its table and in its JSON."""

import platform
import sys
from importlib.metadata import version
from typing import Any

import jax


def about(*peers: str) -> dict[str, Any]:
    """The devices and the versions, also of the packages that peers are made with; prints them as one line."""
    devices = f"{len(jax.devices())} x {jax.devices()[0].device_kind} ({platform.machine()})"
    versions = {name: version(name) for name in ("reelm", "jax", "jaxlib", *peers)}
    print(", ".join([devices, *(f"{name} {number}" for name, number in versions.items())]), file=sys.stderr)
    return {"device": devices, **versions}
