"""The benchmarks of speed run, and say what they timed on what; no figure is checked."""

import json
import subprocess
import sys

import pytest

ABOUT = {"device", "reelm", "jax", "jaxlib"}
DECODE = {
    "batch",
    "weights",
    "ms_per_code",
    "codes_per_second",
    "share_of_limit",
    "clips_per_second",
    "times_real_time",
}
TRAIN = {"batch", "positions", "ms_per_step", "samples_per_second", "positions_per_second", "tflops_per_second", "mfu"}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "options", "expected"), [("decode", ["--clips", "1"], DECODE), ("train", ["--steps", "1"], TRAIN)]
)
def test_a_benchmark_writes_its_figures_and_what_it_ran_on(tmp_path, program, options, expected):
    command = [sys.executable, f"benchmarks/{program}.py", "--sizes", "toy", "--no-peers", *options]
    ran = subprocess.run([*command, "--json", tmp_path / "made.json"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    made = json.loads((tmp_path / "made.json").read_text())
    assert made == json.loads(ran.stdout)
    assert made.keys() >= ABOUT and all(made[name] in ran.stderr.splitlines()[0] for name in ABOUT)
    (row,) = made["rows"]
    assert row.keys() >= {"size", "by"} | expected and (row["size"], row["by"]) == ("toy", "reelm")
    if program == "decode":
        # A clip of the toy has two latent frames: 1 + 4 frames at 8 a second.
        assert row["times_real_time"] == pytest.approx(row["clips_per_second"] * 5 / 8)
