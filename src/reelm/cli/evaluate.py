"""`reelm evaluate`: figures of merit of a model."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from reelm.errors import RequestError

from .checks import check_input, check_model, check_output
from .progress import progress


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneration:
    """Judge generated clips: does each show the digit, the colour and the direction that its prompt names?

    With sound: is the digit said, does a tick mark every bounce that the picture shows, is silence kept?
    Of emoji: is the nearest real emoji the one that was asked for, in its skin tone, and does it move as much?
    """

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    text_encoder: Path | None = None
    """Folder of the text encoder that the model reads prompts through, of one that does not carry it."""
    task: Literal[
        "words",
        "continuation",
        "key-frames",
        "inpainting",
        "minute",
        "sound",
        "video-to-audio",
        "audio-to-video",
        "emoji",
    ] = "words"
    """What clips are made from; but for words and sound, which is words to pictures with sound, of one digit each.
    Emoji are made from words by a model of them."""
    clips: int | None = None
    """Clips of each kind; the default is 200, or 20 of a minute."""
    num_frames: int | None = None
    """Frames of a clip made from words, or with sound; the default is 17."""
    seed: int = 0
    """Seed of the prompts and the clips."""
    best_of: int = 1
    """Clips drawn for each that is judged: see `reelm generate`."""
    sheets: Path | None = None
    """Folder for pictures of the first clips of each kind."""
    json: bool = False
    """Print JSON in place of a table."""

    def run(self) -> None:
        clips = self.clips or (20 if self.task == "minute" else 200)
        _check(self.model, clips if self.clips is None else self.clips)
        if self.task not in ("words", "emoji") and self.sheets is not None:
            raise RequestError(f"--sheets is for clips from words, not for {self.task}")
        if self.task == "continuation" and self.best_of != 1:
            raise RequestError(f"--best-of chooses by words or pictures, not for {self.task}")
        if self.task in ("continuation", "key-frames", "inpainting", "minute", "emoji") and self.num_frames is not None:
            raise RequestError(f"--num-frames is for clips from words or with sound, not for {self.task}")

        import reelm
        from reelm.evaluation import emoji as evaluate_emoji
        from reelm.evaluation import generation, sound_and_picture
        from reelm.evaluation import tasks as evaluate_tasks

        model = reelm.load(self.model, text_encoder=self.text_encoder)
        asked: dict[str, Any] = {"clips": clips, "seed": self.seed}
        if self.best_of != 1:
            asked["best_of"] = self.best_of
        with progress("clips") as report:
            asked["progress"] = report
            if self.task == "words":
                scores = generation.generation(model, num_frames=self.num_frames or 17, sheets=self.sheets, **asked)
            elif self.task == "emoji":
                scores = evaluate_emoji.generation(model, sheets=self.sheets, **asked)
            elif self.task in sound_and_picture.TASKS:
                scores = sound_and_picture.TASKS[self.task](model, num_frames=self.num_frames or 17, **asked)
            else:
                scores = evaluate_tasks.TASKS[self.task](model, **asked)
        _print(scores, self.json)


@dataclass(frozen=True, kw_only=True)
class EvaluateReconstruction:
    """Measure how near clips that went through a tokenizer are to what they were."""

    model: str | None = None
    """Shipped model or model folder; the default is "natural" for a folder of videos, "demo" for a data set."""
    data: str = "moving_digits"
    """Data set of the clips, as `reelm data list` shows them, or a folder of videos; of moving_digits_sound the
    sound is measured, through the audio tokenizer."""
    clips: int = 200
    """Clips to measure; of a folder's videos as many of each, spread over its whole length."""
    split: str = "test"
    """Part of a data set that the clips are taken from."""
    num_frames: int = 17
    """Frames of a clip: 1 + 4k."""
    size: int = 128
    """Height and width at which a folder's videos are measured: their short side is brought to it, the middle cut."""
    i3d: Path | None = None
    """Weights of I3D, for the FVD of a folder's videos: rgb_imagenet.pt of the PyTorch port pytorch-i3d, or its tensors
    in a .safetensors. It depends on how many clips there are, and of how many frames: say both with it."""
    sheet: Path | None = None
    """Picture to write: some clips, their reconstructions, and four times the difference; .png."""
    json: bool = False
    """Print JSON in place of a table."""

    def run(self) -> None:
        _check(self.model, self.clips)
        if self.sheet is not None:
            check_output(self.sheet, (".png",))
        of_folder = Path(self.data).is_dir()
        if self.split != "test" and (of_folder or self.data == "moving_digits_sound"):
            raise RequestError(f"--split is for a data set of pictures, which {self.data} is not")
        if self.i3d is not None:
            check_input(self.i3d)
            if not of_folder:
                raise RequestError(f"--i3d is for a folder of videos, which {self.data} is not")

        import reelm
        from reelm.evaluation import reconstruction
        from reelm.evaluation import sound as evaluate_sound
        from reelm.evaluation.features import i3d, lpips

        i3d_params = None if self.i3d is None else i3d.load(self.i3d)
        model = reelm.load(self.model or ("natural" if of_folder else None))
        if self.data == "moving_digits_sound":
            if model.audio_tokenizer is None:
                raise RequestError(f"the model {model.name!r} has no audio tokenizer")
            with progress("clips") as report:
                heard = {"clips": self.clips, "num_frames": self.num_frames}
                _print(evaluate_sound.reconstruction(model.audio_tokenizer, progress=report, **heard), self.json)
            return
        tokenizer = model.video_tokenizer
        if not lpips.available():
            print(f"without LPIPS: {lpips.how_to_fetch()}", file=sys.stderr)
        settings: dict[str, Any] = {"clips": self.clips, "num_frames": self.num_frames, "sheet": self.sheet}
        if of_folder:
            with progress("files") as report:
                scores = reconstruction.of_footage(
                    tokenizer, Path(self.data), side=self.size, i3d_params=i3d_params, progress=report, **settings
                )
        else:
            with progress("clips") as report:
                scores = reconstruction.of_data_set(tokenizer, self.data, split=self.split, progress=report, **settings)
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
    from reelm.evaluation.table import table

    print(json.dumps(scores, indent=2) if as_json else table(scores))
