"""The meter of energy: counters of processors and GPUs, what is told where there is none, and what clips say."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from reelm import Clip
from reelm.cli.main import main
from reelm.energy import Meter, busy_shares


@pytest.fixture
def counters() -> Iterator[Path]:
    """A folder as /sys/class/powercap, where everybody may look: two packages, a part of one, and the whole board."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for zone, name in {"0": "package-0", "0:0": "core", "1": "package-1", "2": "psys"}.items():
            path = Path(folder) / f"intel-rapl:{zone}"
            path.mkdir()
            (path / "name").write_text(f"{name}\n")
            (path / "energy_uj").write_text("900\n")
            (path / "max_energy_range_uj").write_text("1000\n")
        yield Path(folder)


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody whom files refuse, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_packages_are_counted_once_and_past_the_end_of_their_counters(counters):
    meter = Meter(powercap=counters)
    assert (meter.method, meter.boundary, meter.read()) == ("rapl", "package", 0.0)
    (counters / "intel-rapl:0/energy_uj").write_text("950\n")
    for whole_or_part in ("0:0", "2"):
        (counters / f"intel-rapl:{whole_or_part}/energy_uj").write_text("999\n")
    assert meter.read() == pytest.approx(50e-6)
    (counters / "intel-rapl:0/energy_uj").write_text("20\n")  # 70 more than 950, and the counter holds 1000
    (counters / "intel-rapl:1/energy_uj").write_text("901\n")
    assert meter.read() == pytest.approx(50e-6 + 70e-6 + 1e-6)
    assert meter.info(meter.read()) == {"joules": 121e-6, "method": "rapl", "boundary": "package"}


def test_counters_that_nobody_may_read_are_estimated_and_said_to_be(counters):
    for file in counters.rglob("energy_uj"):
        file.chmod(0o400 if os.geteuid() == 0 else 0)
    with nobody():
        with pytest.raises(PermissionError):
            (counters / "intel-rapl:0/energy_uj").read_text()
        meter = Meter(powercap=counters, watts_per_core=10.0)
    assert (meter.method, meter.boundary) == ("estimated", "process")


def test_what_is_refused_on_the_way_is_unknown_from_there_on(counters):
    meter = Meter(powercap=counters)
    (counters / "intel-rapl:0/energy_uj").unlink()
    assert meter.read() is None
    (counters / "intel-rapl:0/energy_uj").write_text("900\n")
    assert meter.read() is None and meter.info(meter.read())["joules"] is None


@pytest.mark.parametrize("there", [True, False])
def test_without_counters_the_seconds_of_the_process_count(tmp_path, there):
    meter = Meter(powercap=tmp_path if there else tmp_path / "none", watts_per_core=10.0)
    before = time.process_time()
    while time.process_time() < before + 0.05:
        pass
    joules = meter.read()
    assert joules is not None and joules >= 0.5 * 0.999
    assert meter.info(0.25) == {"joules": 0.25, "method": "estimated", "boundary": "process", "watts_per_core": 10.0}


class _Nvml(SimpleNamespace):
    """Two GPUs that NVML knows, as it answers; no machine of the tests has one."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__(used={0: 5_000, 1: 7_000, "GPU-b": 7_000})

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:
        return name

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int | str) -> int:
        if self.used[handle] is None:
            raise self.NVMLError
        return self.used[handle]

    def nvmlDeviceGetUtilizationRates(self, handle: int | str) -> SimpleNamespace:
        return SimpleNamespace(gpu=75, memory=10)


@pytest.fixture
def gpus(monkeypatch) -> _Nvml:
    nvml = _Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_devices", lambda: [SimpleNamespace(local_hardware_id=number) for number in (0, 1)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return nvml


def test_gpus_are_counted_in_thousandths_of_a_joule(gpus, monkeypatch):
    meter = Meter()
    gpus.used[0], gpus.used[1] = 6_000, 7_500
    assert (meter.method, meter.boundary, meter.read()) == ("nvml", "device", 1.5)
    assert busy_shares() == [0.75, 0.75]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-b")  # the first device of JAX is NVML's second one
    meter = Meter()
    gpus.used[0], gpus.used[1] = 9_000, 8_500
    assert meter.read() == 1.0


def test_an_accelerator_without_a_counter_has_no_figure_rather_than_that_of_its_host(gpus, monkeypatch):
    gpus.used[1] = None
    meter = Meter()
    assert meter.info(meter.read()) == {"joules": None, "method": None, "boundary": "device"}
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert Meter().read() is None and busy_shares() == []


@pytest.mark.slow
def test_clips_name_their_energy_in_their_files_too(tiny_model, tmp_path, capsys):
    meter = Meter()
    clips = tiny_model.generate(["red", "blue"], num_frames=5)
    whole = meter.read()
    energy = [clip.info["energy"] for clip in clips]
    assert energy[0] == energy[1] and energy[0]["method"] == meter.method and energy[0]["joules"] > 0
    assert whole is not None and 2 * energy[0]["joules"] <= whole + 1e-5
    clips[0].save(tmp_path / "clip.mp4")
    assert Clip.open(tmp_path / "clip.mp4").info["energy"] == energy[0]
    assert main(["info", str(tmp_path / "clip.mp4")]) == 0
    assert f"joules: {energy[0]['joules']}" in capsys.readouterr().out
