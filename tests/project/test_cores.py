"""Cores are those that the process may use, not those of the machine; fake devices have a thread each."""

import os
import subprocess
import sys

import pytest

from reelm.cores import cores, give_fake_devices_threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process leave cores out")
def test_a_process_that_may_use_one_core_has_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import reelm.cores as c; print(c.cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "1\n"
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("given", "threads"),
    [
        ({}, None),
        ({"XLA_FLAGS": "--xla_a=b --xla_force_host_platform_device_count=4096"}, "4096"),
        ({"JAX_NUM_CPU_DEVICES": "4096"}, "4096"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}, None),
        ({"JAX_NUM_CPU_DEVICES": "4096", "NPROC": "3"}, "3"),
        ({"JAX_NUM_CPU_DEVICES": "4096", "PJRT_NPROC": "3"}, None),
    ],
)
def test_fake_devices_that_outnumber_the_cores_have_a_thread_each(given, threads, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(given))
    give_fake_devices_threads()
    assert os.environ.get("NPROC") == threads
