"""Folders of films: good ones among files that are truncated, flipped, renamed, empty and lying, built into a set.

The build has to end; every good file has to be in the set; every other one is in it too (a flipped bit may do no harm)
or is named with a reason; no process is left behind.
"""

import os
import random
import shutil
from pathlib import Path

from reelm.data.films.buckets import Buckets
from reelm.data.films.build import build
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.tfds import records
from reelm.data.films.worker import local

from .judge import Fault, Judge
from .media import MUTATIONS

_CONFIG = CuttingConfig(buckets=Buckets(resolution=32, lengths=(1, 5)), test_share=0.2)
_COUNT = 20  # mutated files in a folder


class Folders:
    """Builds one folder after another."""

    def __init__(self, judge: Judge):
        self._judge = judge

    def attempt(self, rng: random.Random) -> None:
        """Build a folder; Fault."""
        good = {path.name for path in Path("films").iterdir()}
        mutated = set()
        for number in range(_COUNT):
            change, original = MUTATIONS[number % len(MUTATIONS)], Path("films", rng.choice(sorted(good)))
            name = f"{change.__name__}{number:02d}{rng.choice([original.suffix, '.mp4', '.avi', '.webm'])}"
            Path("films", name).write_bytes(change(original.read_bytes(), rng))
            mutated.add(name)
        shutil.rmtree("sets")

        def run() -> None:
            built = build(Path("films"), "films", Path("sets"), _CONFIG, pool=local(2, 20.0))
            inside = {
                record["source"].decode() for split in built.splits for record in records("films", Path("sets"), split)
            }
            _check(good, mutated, inside, built.left_out)

        self._judge.check("build(Path('films'), ...) of good and mutated files", run)


def _check(good: set[str], mutated: set[str], inside: set[str], left_out: dict[str, str]) -> None:
    faults = {
        "good files are missing": good - inside,
        "nothing is said of files": mutated - inside - set(left_out),
        "files are both in and out": inside & set(left_out),
        "files are left out without a reason": {name for name, reason in left_out.items() if not reason.strip()},
    }
    for what, names in faults.items():
        if names:
            raise Fault(f"{what}: {', '.join(sorted(names))}")
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    raise Fault("a process is left behind")
