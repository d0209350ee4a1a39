"""The recipes: every command is one that there is, and at toy scale each makes its model and resumes."""

import os
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from made.emoji_packages import draw_packages, install_packages
from made.media import draw_films

from reelm.cli.parse import parse

ROOT = Path(__file__).parents[2]
RECIPES = {
    "demo": ROOT / "recipes/demo.sh",
    "emoji": ROOT / "zoo/emoji/recipe.sh",
    "natural": ROOT / "zoo/natural/recipe.sh",
    "crafter": ROOT / "zoo/crafter/recipe.sh",
    "toys": ROOT / "zoo/toys/recipe.sh",
}
QUANTIZERS = ROOT / "benchmarks/quantizers.sh"


@pytest.mark.long
@pytest.mark.parametrize("recipe", [*RECIPES, "quantizers"])
def test_every_command_of_a_recipe_is_one_that_there_is(recipe):
    asked = {"env": dict(os.environ, DRY="1"), "capture_output": True, "text": True, "check": True}
    printed = subprocess.run([RECIPES.get(recipe, QUANTIZERS)], **asked).stdout
    lines = [shlex.split(line.partition("REELM_HOME=")[2].partition(" ")[2] or line) for line in printed.splitlines()]
    wanted = {"export", "evaluate"} if recipe in RECIPES else {"train"}
    assert wanted <= {line[1] for line in lines if line[0] == "reelm"}
    for program, *arguments in lines:
        if program == "reelm":
            parse(arguments)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "toys"])  # `benchmarks/gpu.sh` runs that
def test_a_recipe_makes_its_model_at_toy_scale_and_resumes(recipe, tmp_path):
    for program, arguments in (("python", ""), ("reelm", "-m reelm")):
        (tmp_path / program).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (tmp_path / program).chmod(0o755)
    variables = {"RUNS": str(tmp_path / "runs"), "TOY": "1", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if recipe == "emoji":
        (tmp_path / "packages").mkdir()
        variables["PACKAGES"] = str(install_packages(draw_packages(tmp_path / "packages"), tmp_path / "installed"))
    elif recipe == "natural":
        variables["FOOTAGE"] = str(tmp_path / "footage")
        for part in ("train", "test"):
            draw_films(tmp_path / "footage" / part, fps=24)
    run = partial(subprocess.run, [RECIPES[recipe]], env=os.environ | variables, text=True)
    ran = run(capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "runs" / "model" / "model.json").exists() and "done before" not in ran.stderr
    again = run(capture_output=True)
    assert again.returncode == 0 and all("done before" in line for line in again.stderr.splitlines())
