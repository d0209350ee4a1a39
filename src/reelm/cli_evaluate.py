"""`reelm evaluate`: figures of merit of a model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from reelm.cli_paths import check_model
from reelm.cli_progress import progress
from reelm.tokenizer.request import RequestError


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneration:
    """Judge generated clips: does each show the digit, the colour and the direction that its prompt names?"""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    task: Literal["words", "continuation", "key-frames", "inpainting", "minute"] = "words"
    """What clips are made from; but for words, of one digit each."""
    clips: int | None = None
    """Clips of each kind; the default is 200, or 20 of a minute."""
    num_frames: int | None = None
    """Frames of a clip made from words; the default is 17."""
    seed: int = 0
    """Seed of the prompts and the clips."""
    sheets: Path | None = None
    """Folder for pictures of the first clips of each kind."""
    json: bool = False
    """Print JSON in place of a table."""

    def run(self) -> None:
        clips = self.clips or (20 if self.task == "minute" else 200)
        _check(self.model, clips if self.clips is None else self.clips)
        if self.task != "words" and (self.num_frames is not None or self.sheets is not None):
            raise RequestError(f"--num-frames and --sheets are for clips from words, not for {self.task}")

        import reelm
        from reelm.train import evaluate, evaluate_tasks

        model = reelm.load(self.model)
        with progress("clips") as report:
            if self.task == "words":
                scores = evaluate.generation(
                    model,
                    clips=clips,
                    num_frames=self.num_frames or 17,
                    seed=self.seed,
                    sheets=self.sheets,
                    progress=report,
                )
            else:
                scores = evaluate_tasks.TASKS[self.task](model, clips=clips, seed=self.seed, progress=report)
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
