"""Cores are those that the process may use, not those of the machine."""

import os
import subprocess
import sys

import pytest

from reelm.cores import cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process leave cores out")
def test_a_process_that_may_use_one_core_has_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import reelm.cores as c; print(c.cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "1\n"
    assert 1 <= cores() <= (os.cpu_count() or 1)
