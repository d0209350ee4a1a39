"""`reelm evaluate`: figures of merit of a model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from reelm.cli_paths import check_model
from reelm.cli_progress import progress
from reelm.tokenizer.request import RequestError


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneration:
    """Judge generated clips: does each show the digit, the colour and the direction that its prompt names?"""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    clips: int = 200
    """Prompts of each kind."""
    num_frames: int = 17
    """Frames of a clip."""
    seed: int = 0
    """Seed of the prompts and the clips."""
    sheets: Path | None = None
    """Folder for pictures of the first clips of each kind."""
    json: bool = False
    """Print JSON in place of a table."""

    def run(self) -> None:
        _check(self.model, self.clips)

        import reelm
        from reelm.train import evaluate

        model = reelm.load(self.model)
        with progress("clips") as report:
            scores = evaluate.generation(
                model,
                clips=self.clips,
                num_frames=self.num_frames,
                seed=self.seed,
                sheets=self.sheets,
                progress=report,
            )
        _print(scores, self.json)


@dataclass(frozen=True, kw_only=True)
class EvaluateReconstruction:
    """Measure how near clips that went through the video tokenizer are to what they were."""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    data: str = "moving_digits"
    """Data set of the clips; `reelm data list` shows them."""
    clips: int = 200
    """Clips to measure."""
    json: bool = False
    """Print JSON in place of a table."""

    def run(self) -> None:
        _check(self.model, self.clips)

        import reelm
        from reelm.train import evaluate

        tokenizer = reelm.load(self.model).video_tokenizer
        with progress("clips") as report:
            scores = evaluate.reconstruction(tokenizer, data=self.data, clips=self.clips, progress=report)
        _print(scores, self.json)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a model."""

    what: (
        Annotated[EvaluateReconstruction, tyro.conf.subcommand("reconstruction")]
        | Annotated[EvaluateGeneration, tyro.conf.subcommand("generation")]
    )

    def run(self) -> None:
        self.what.run()


def _check(model: str | None, clips: int) -> None:
    check_model(model)
    if clips < 1:
        raise RequestError(f"--clips is {clips}; it must be 1 or more")


def _print(scores: dict[str, Any], as_json: bool) -> None:
    from reelm.train.evaluate import table

    print(json.dumps(scores, indent=2) if as_json else table(scores))
