"""The machine that programs are compiled for: its device, and everything else that machine code depends on."""

import os
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jax
from jax.extend.backend import get_default_device


def device() -> Any:
    """Return the device of programs that run on one: that of `jax.default_device`, or else the first."""
    return get_default_device()


def surroundings() -> tuple:
    """Return everything that all programs depend on: versions, device, processor, settings, flags."""
    settings = [getattr(jax.config, name) for name in ("jax_enable_x64", "jax_default_matmul_precision")]
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    versions = jax.__version__, device().client.platform_version
    return versions, device().platform, device().device_kind, _processor(), settings, flags


@cache
def _processor() -> str:
    """Return the features of the processor: machine code for another one may not run here."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.processor()
