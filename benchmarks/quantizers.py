"""Compare LFQ, BSQ and FSQ: `python benchmarks/quantizers.py --runs FOLDER [--films FOLDER]`.

`quantizers.sh` trains nine tokenizers for each data set into the folder, named DATA-QUANTIZER-SEED. They differ only in
quantizer and seed. All rebuild the same held-out clips, whose sha256 is printed. A cell is the mean over seeds with its
95% interval (Student's t). It prints a Markdown table on stdout and progress on stderr.
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from reelm.data import footage
from reelm.data.catalog import open_clips
from reelm.evaluation.features import lpips
from reelm.evaluation.reconstruction import Rebuilt, figures, rebuild
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.parts import open_video_tokenizer

QUANTIZERS = ("lfq", "bsq", "fsq")
_STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # quantiles for 95%, by the number of seeds
_BATCH = 4


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The inputs of the comparison."""

    runs: Path
    """Folder of the trainings."""
    films: Path | None = None
    """Folder of films that none was trained on. Default: only moving digits."""
    clips: int = 200
    """Clips to rebuild of each kind."""


def main(arguments: Arguments) -> None:
    """Print a table for each data set."""
    sets: dict[str, list[np.ndarray]] = {"digits": digits(arguments.clips)}
    if arguments.films is not None:
        sets["films"] = films(arguments.films, arguments.clips)
    params = lpips.load() if lpips.available() else None
    for name, clips in sets.items():
        digest = hashlib.sha256(b"".join(clip.tobytes() for clip in clips)).hexdigest()[:16]
        print(f"\n{name}: {len(clips)} held-out clips, sha256 {digest}\n")
        rows = {kind: scores(arguments.runs, f"{name}-{kind}", clips, params) for kind in QUANTIZERS}
        columns = [column for column in ("psnr", "ssim", "lpips", "codes_used") if column in rows["lfq"][0]]
        print("| quantizer | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
        for kind, each in rows.items():
            print(f"| {kind} | " + " | ".join(cell([row[column] for row in each]) for column in columns) + " |")


def digits(count: int) -> list[np.ndarray]:
    """Return the first test clips of moving digits."""
    source = open_clips("moving_digits", "test", num_frames=17, num_clips=count)
    return [source[index]["video"] for index in range(count)]


def films(folder: Path, count: int) -> list[np.ndarray]:
    """Return about `count` clips in all, spread over the length of each film."""
    return [clip for film in footage.square_clips(folder, clips=count, frames=17, side=128) for clip in film.clips]


def scores(runs: Path, prefix: str, clips: Sequence[np.ndarray], params: dict | None) -> list[dict[str, Any]]:
    """Return the figures of each seed of a quantizer."""
    found = []
    for folder in sorted(runs.glob(f"{prefix}-*")):
        tokenizer = open_video_tokenizer(folder)
        assert isinstance(tokenizer.config, VideoTokenizerConfig)
        print(f"{folder.name}: {tokenizer.config.quantizer}", file=sys.stderr)
        rebuilt: list[Rebuilt] = list(rebuild(tokenizer, clips, _BATCH, params))
        found.append(figures(rebuilt, tokenizer.config.bits))
    return found


def cell(values: Sequence[float]) -> str:
    """Return the mean of the seeds and the half-width of its interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.4g}"
    half = _STUDENT.get(len(values), 2.0) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return f"{mean:.4g} ± {half:.2g}"


if __name__ == "__main__":
    main(tyro.cli(Arguments))
