"""Measure energy, by the best counter that this machine lets us read.

In: counters of the machine. Out: joules, with the method and the boundary of the measurement. Unknown joules are None,
never 0. Knows nothing of clips.

| method | boundary | counts |
|---|---|---|
| nvml | device | every GPU that JAX uses, with its memory; not the host |
| rapl | package | the processors, with all that runs on them |
| estimated | process | seconds that this process spent on any core, times the watts of a core |
"""

import importlib
import os
import re
import time
from pathlib import Path
from typing import Any

from reelm.device import device

WATTS_PER_CORE = 6.0  # assumed for a busy core of a server
JOULES_PER_KWH = 3.6e6

_POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")  # AMD's counters have this name too; those with a second number are parts


class Meter:
    """Counts joules from its creation on. Only one thread may read it.

    Read it at least every minute: counters of processors wrap around, and two wraps look like none.

    Args:
        watts_per_core: of a busy core, for estimates.
        powercap: folder of the counters of processors.
    """

    def __init__(self, *, watts_per_core: float = WATTS_PER_CORE, powercap: Path = _POWERCAP):
        self._counter = _counter(watts_per_core, powercap)
        self.method, self.boundary = self._counter.method, self._counter.boundary
        self._estimate = {"watts_per_core": watts_per_core} if self.method == "estimated" else {}
        self._joules: float | None = 0.0
        self._counter.lap()

    def read(self) -> float | None:
        """Return the joules so far; None once a counter could not be read."""
        more = self._counter.lap()
        self._joules = None if self._joules is None or more is None else self._joules + more
        return self._joules

    def info(self, joules: float | None) -> dict[str, Any]:
        """Return the `energy` of `Clip.info`, for joules that were read here."""
        rounded = None if joules is None else float(f"{joules:.6g}")
        return {"joules": rounded, "method": self.method, "boundary": self.boundary, **self._estimate}


def _counter(watts_per_core: float, powercap: Path) -> "_Counter":
    if device().platform != "cpu":  # seconds of the host say nothing about an accelerator
        try:
            return _Gpus(gpus())
        except Exception:  # no NVML, or one that has no counter for this device
            return _Counter()
    try:
        return _Packages(powercap)
    except (OSError, ValueError):  # there are none, or only root may read them
        return _Cores(watts_per_core)


class _Counter:
    """A counter for devices without one; always returns None."""

    method: str | None = None
    boundary: str = "device"

    def lap(self) -> float | None:
        """Return the joules since the last lap; None if they are not known."""
        return None


class _Gpus(_Counter):
    method, boundary = "nvml", "device"

    def __init__(self, handles: list[Any]):
        self._nvml, self._handles = importlib.import_module("pynvml"), handles
        self._before = self._now()

    def _now(self) -> int:
        """Return millijoules since the driver was loaded."""
        return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)

    def lap(self) -> float | None:
        try:
            before, self._before = self._before, self._now()
        except self._nvml.NVMLError:
            return None
        return (self._before - before) / 1e3


class _Packages(_Counter):
    method, boundary = "rapl", "package"

    def __init__(self, powercap: Path):
        zones = [path for path in sorted(powercap.iterdir()) if _PACKAGE.fullmatch(path.name)]
        # A laptop also has "psys", the whole board, with the packages in it.
        zones = [path for path in zones if (path / "name").read_text().startswith("package")]
        if not zones:
            raise FileNotFoundError(f"no counters of packages in {powercap}")
        self._files = [path / "energy_uj" for path in zones]
        self._ranges = [_number(path / "max_energy_range_uj") for path in zones]
        self._before = [_number(path) for path in self._files]

    def lap(self) -> float | None:
        try:
            before, self._before = self._before, [_number(path) for path in self._files]
        except (OSError, ValueError):
            return None
        laps = zip(before, self._before, self._ranges, strict=True)
        return sum(now - then + (most if now < then else 0) for then, now, most in laps) / 1e6


class _Cores(_Counter):
    method, boundary = "estimated", "process"

    def __init__(self, watts_per_core: float):
        self._watts, self._before = watts_per_core, time.process_time()

    def lap(self) -> float | None:
        before, self._before = self._before, time.process_time()
        return (self._before - before) * self._watts


def _number(path: Path) -> int:
    return int(path.read_text())


def gpus() -> list[Any]:
    """Return NVML's handles of the GPUs that JAX uses here, in the order of JAX.

    Raises:
        Exception: there is no NVML, or it does not know them.
    """
    import jax

    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    handles = []
    for each in jax.local_devices():
        index = each.local_hardware_id or 0
        name = visible[index] if visible else str(index)
        by_name = nvml.nvmlDeviceGetHandleByIndex if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID
        handles.append(by_name(int(name) if name.isdigit() else name))
    return handles


def busy_shares() -> list[float]:
    """Return the share of the last moments in which each GPU worked, 0 to 1; [] if NVML does not know it."""
    if device().platform == "cpu":
        return []
    try:
        nvml = importlib.import_module("pynvml")
        return [nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100 for handle in gpus()]
    except Exception:
        return []
