"""`reelm evaluate`: scores of clips that are generated, rebuilt or enlarged, and the likelihood of real clips."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from reelm.cli.checks import check_input, check_model, check_output
from reelm.cli.progress import progress
from reelm.errors import RequestError
from reelm.storage.atomic import check_folder
from reelm.tokenizer.upscaling.config import check_scale

Digits = Literal["auto", "compact", "mnist"]
# Tasks whose clips may have any number of frames.
_OF_ANY_LENGTH = (
    "words",
    "words-chinese",
    "short-words",
    "sound",
    "video-to-audio",
    "audio-to-video",
    "steering",
    "world",
)
_WITH_SHEETS = ("words", "words-chinese", "steering", "emoji", "emoji-chinese", "emoji-steering")
_WITHOUT_DIGITS = ("emoji", "emoji-chinese", "emoji-steering", "world")


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneration:
    """Score generated clips with judges that know what each prompt asks for.

    Digits: the judge reads digit, colour and direction of each clip. Sound: a second judge hears which digit is spoken,
    and whether a tick marks each bounce. Emoji: the nearest real emoji must be the one asked for, in its skin tone.
    World: the game itself says what each key does. With --data, any model and data set: generated clips are compared
    with the real clips of their captions.

    Example: reelm evaluate generation --model demo --task sound --clips 100
    """

    model: str | None = None
    """Shipped model or model folder. Default: demo."""
    text_encoder: Path | None = None
    """Folder of the text encoder, for a model folder that does not hold its own."""
    task: Literal[
        "words",
        "words-chinese",
        "short-words",
        "continuation",
        "key-frames",
        "inpainting",
        "minute",
        "sound",
        "video-to-audio",
        "audio-to-video",
        "steering",
        "stories",
        "emoji",
        "emoji-chinese",
        "emoji-steering",
        "world",
    ] = "words"
    """What the clips are generated from. words: pictures from words; words-chinese: the same in Chinese. short-words:
    pictures from the name of a digit. sound: pictures and sound from words. steering: paths, silhouettes and a motion
    score. stories: references, storyboards and retakes. emoji: words, with an emoji model; emoji-chinese: the same in
    Chinese; emoji-steering: edges, a camera and a motion score. world: the keys of Crafter, with a model of that game.
    All other tasks use clips of one digit."""
    data: str | None = None
    """Data set whose captions are the prompts, in place of a task; for any model. Frechet distances and diversity are
    measured by the features at hand. Default: that of the task."""
    split: str = "test"
    """Split of that data set."""
    i3d: Path | None = None
    """I3D weights for the FVD of that data set; see `reelm evaluate reconstruction`."""
    clips: int | None = None
    """Clips of each kind. Default: 200, or 20 for the task minute."""
    num_frames: int | None = None
    """Frames of a clip, for the tasks words, words-chinese, short-words, sound, video-to-audio, audio-to-video and
    steering. Default: 17. Steps of the longest clips, for the task world. Default: 100."""
    digits: Digits = "auto"
    """Handwriting of the scenes: the compact part of MNIST that ships, or all of MNIST, whose files are in the folder
    `mnist` of REELM_HOME. auto: all where it is there. The output says which it was."""
    seed: int = 0
    """Seed of the prompts and of the clips."""
    best_of: int = 1
    """Clips drawn for each prompt, of which the fittest is judged; see `reelm generate`."""
    cfg_scale: float | None = None
    """Guidance scale. Default: the model's own."""
    min_p: float | None = None
    """Least share of the likeliest code's probability that a code needs to be drawn, where words or pictures say what
    to draw. Default: the model's own."""
    cfg_min_p: float | None = None
    """The same by the probabilities without guidance, for what guidance may reach. Default: the model's own."""
    sheets: Path | None = None
    """Folder to write contact sheets of the first clips of each kind to."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        if self.data is not None and self.task != "words":
            raise RequestError(f"--data is in place of a task, and --task is {self.task}; leave one out")
        if self.data is None and (self.i3d is not None or self.split != "test"):
            raise RequestError("--i3d and --split are for a data set; name it with --data")
        if self.i3d is not None:
            check_input(self.i3d)
        other = self.task in _WITHOUT_DIGITS or (self.data is not None and not _is_digits(self.data))
        subject = f"the task {self.task}" if self.data is None else self.data
        _report(self._scores, self.json, self.digits, "test", subject if other else None)

    def _scores(self) -> dict[str, Any]:
        clips = (20 if self.task == "minute" else 200) if self.clips is None else self.clips
        num_frames = (100 if self.task == "world" else 17) if self.num_frames is None else self.num_frames
        _check(self.model, clips, num_frames)
        if self.task not in _WITH_SHEETS and self.sheets is not None:
            raise RequestError(f"--sheets is for clips from words, not for {self.task}")
        if self.sheets is not None:
            check_folder(self.sheets)
        if self.task in ("continuation", "steering", "stories", "emoji-steering", "world") and self.best_of != 1:
            raise RequestError(f"--best-of chooses by words or pictures, not for {self.task}")
        if self.task not in _OF_ANY_LENGTH and self.num_frames is not None:
            raise RequestError(f"--num-frames is for clips from words or with sound, not for {self.task}")

        import reelm
        from reelm.evaluation.by_task import TASKS

        model = reelm.load(self.model, text_encoder=self.text_encoder)
        decoding = {"cfg_scale": self.cfg_scale, "sound_cfg_scale": self.cfg_scale}
        decoding |= {"min_p": self.min_p, "cfg_min_p": self.cfg_min_p}
        defaults = replace(model.defaults, **{name: value for name, value in decoding.items() if value is not None})
        model = replace(model, defaults=defaults)
        if self.data is not None:
            return self._of_data_set(model, clips)
        asked: dict[str, Any] = {"clips": clips, "seed": self.seed}
        if self.best_of != 1:
            asked["best_of"] = self.best_of
        if self.sheets is not None:
            asked["sheets"] = self.sheets
        if self.task in _OF_ANY_LENGTH:
            asked["num_frames"] = num_frames
        with progress("clips") as report:
            asked["progress"] = report
            return TASKS[self.task](model, **asked)

    def _of_data_set(self, model: Any, clips: int) -> dict[str, Any]:
        from reelm.data.catalog import open_clips
        from reelm.evaluation.features import i3d
        from reelm.evaluation.judges.real_clips import of_captions

        assert self.data is not None
        source = open_clips(self.data, self.split, num_frames=self.num_frames)
        params = None if self.i3d is None else i3d.load(self.i3d)
        asked: dict[str, Any] = {"clips": clips, "seed": self.seed, "best_of": self.best_of, "sheets": self.sheets}
        with progress("clips") as report:
            return of_captions(model, source, i3d_params=params, progress=report, **asked)


@dataclass(frozen=True, kw_only=True)
class EvaluateLikelihood:
    """Measure how likely a model finds clips that it did not learn from, in nats a code and bits a pixel.

    Nothing is generated. Nats compare between language models of one tokenizer.

    Example: reelm evaluate likelihood --model runs/model --data beach
    """

    model: str | None = None
    """Shipped model or model folder. Default: demo."""
    text_encoder: Path | None = None
    """Folder of the text encoder, for a model folder that does not hold its own."""
    data: str = "moving_digits"
    """Data set, as `reelm data list` names it, or the folder of one that was built."""
    split: str = "test"
    """Split of the data set."""
    clips: int = 200
    """Clips to read, from the first on."""
    num_frames: int | None = None
    """Frames of a clip. Default: its own length, as far as the model reads, 33 for a set that is drawn on demand."""
    digits: Digits = "auto"
    """Handwriting of moving digits; see `reelm evaluate reconstruction`."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        _check(self.model, self.clips, 1 if self.num_frames is None else self.num_frames)
        split = "train" if self.split == "train" else "test"
        _report(self._scores, self.json, self.digits, split, None if _is_digits(self.data) else self.data)

    def _scores(self) -> dict[str, Any]:
        import reelm
        from reelm.data.catalog import open_clips
        from reelm.evaluation.scores.likelihood import likelihood

        source = open_clips(self.data, self.split, num_frames=self.num_frames)
        model = reelm.load(self.model, text_encoder=self.text_encoder)
        with progress("clips") as report:
            return likelihood(model, source, clips=self.clips, progress=report)


@dataclass(frozen=True, kw_only=True)
class EvaluateReconstruction:
    """Score clips that a tokenizer encoded and decoded against the originals.

    Example: reelm evaluate reconstruction --model natural --data films/
    """

    model: str | None = None
    """Shipped model or model folder. Default: natural for a folder of videos and any_sound, demo for other sets."""
    data: str = "moving_digits"
    """Data set, as `reelm data list` names it, or a folder of videos. For moving_digits_sound and any_sound the audio
    tokenizer is scored, for any_sound beside Opus."""
    clips: int = 200
    """Clips to score. For a folder: clips of each video, spread over its length."""
    split: str = "test"
    """Split of the data set."""
    num_frames: int = 17
    """Frames of a clip, 1 + 4k."""
    size: int = 128
    """Height and width in pixels for a folder of videos: the short side is scaled to it and the centre is cropped."""
    digits: Digits = "auto"
    """Handwriting of moving digits: the compact part of MNIST that ships, or all of MNIST, whose files are in the
    folder `mnist` of REELM_HOME. auto: all where it is there. The output says which it was."""
    i3d: Path | None = None
    """I3D weights for the FVD of a folder of videos: rgb_imagenet.pt of pytorch-i3d, or its tensors as .safetensors.
    FVD depends on the number of clips and frames, so report both with it."""
    sheet: Path | None = None
    """PNG file to write: some clips, their reconstructions, and four times the difference."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        split = "train" if self.split == "train" else "test"
        other = Path(self.data).is_dir() or not _is_digits(self.data)
        _report(self._scores, self.json, self.digits, split, self.data if other else None)

    def _scores(self) -> dict[str, Any]:
        _check(self.model, self.clips, self.num_frames)
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
        from reelm.evaluation import any_sound, reconstruction
        from reelm.evaluation import sound as evaluate_sound
        from reelm.evaluation.features import i3d, lpips

        i3d_params = None if self.i3d is None else i3d.load(self.i3d)
        model = reelm.load(self.model or ("natural" if of_folder or self.data == "any_sound" else None))
        if self.data in ("moving_digits_sound", "any_sound"):
            if model.audio_tokenizer is None:
                raise RequestError(f"the model {model.name!r} has no audio tokenizer")
            with progress("clips") as report:
                if self.data == "any_sound":
                    asked = {"clips": self.clips, "split": self.split}
                    scores = any_sound.reconstruction(model.audio_tokenizer, progress=report, **asked)
                else:
                    heard = {"clips": self.clips, "num_frames": self.num_frames}
                    scores = evaluate_sound.reconstruction(model.audio_tokenizer, progress=report, **heard)
            return scores
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
        return scores


@dataclass(frozen=True, kw_only=True)
class EvaluateUpscaling:
    """Score clips that were shrunk and enlarged again by a model's upscaler, beside bicubic interpolation.

    Example: reelm evaluate upscaling --model natural --data films/
    """

    model: str | None = None
    """Shipped model or model folder. Default: natural."""
    data: str
    """Data set, as `reelm data list` names it, or a folder of videos, of clips in the larger size."""
    clips: int = 60
    """Clips to score. For a folder: clips in all, spread over the videos."""
    split: str = "test"
    """Split of the data set."""
    num_frames: int | None = None
    """Frames of a clip. Default: its own length, 17 for a folder of videos."""
    scale: int = 2
    """Times that clips are shrunk and enlarged: 2 or 4."""
    size: int = 256
    """Height and width in pixels for a folder of videos: the short side is scaled to it and the centre is cropped."""
    sheet: Path | None = None
    """PNG file to write: of some clips bicubic interpolation, what the upscaler makes, and the truth."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        _report(self._scores, self.json, "auto", "test", self.data)

    def _scores(self) -> dict[str, Any]:
        _check(self.model, self.clips, 1 if self.num_frames is None else self.num_frames)
        check_scale("--scale", self.scale)
        if self.sheet is not None:
            check_output(self.sheet, (".png",))

        import reelm
        from reelm.evaluation import upscaling
        from reelm.evaluation.features import lpips

        model = reelm.load(self.model or "natural")
        if not lpips.available():
            print(f"without LPIPS: {lpips.how_to_fetch()}", file=sys.stderr)
        asked: dict[str, Any] = {"clips": self.clips, "num_frames": self.num_frames, "sheet": self.sheet}
        with progress("clips") as report:
            asked |= {"scale": self.scale, "progress": report}
            if Path(self.data).is_dir():
                return upscaling.of_footage(model, Path(self.data), side=self.size, **asked)
            return upscaling.of_data_set(model, self.data, split=self.split, **asked)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a model.

    Example: reelm evaluate generation --model demo
    """

    what: (
        Annotated[EvaluateReconstruction, tyro.conf.subcommand("reconstruction")]
        | Annotated[EvaluateGeneration, tyro.conf.subcommand("generation")]
        | Annotated[EvaluateLikelihood, tyro.conf.subcommand("likelihood")]
        | Annotated[EvaluateUpscaling, tyro.conf.subcommand("upscaling")]
    )

    def run(self) -> None:
        self.what.run()


def _check(model: str | None, clips: int, num_frames: int) -> None:
    check_model(model)
    for name, value in (("clips", clips), ("num-frames", num_frames)):
        if value < 1:
            raise RequestError(f"--{name} is {value}; it must be 1 or more")


def _is_digits(data: str) -> bool:
    return data in ("moving_digits", "moving_digits_sound")


def _report(
    scores: Callable[[], dict[str, Any]],
    as_json: bool,
    digits: Digits,
    split: Literal["train", "test"],
    other: str | None,
) -> None:
    """Print scores; of moving digits with the handwriting that they were drawn from.

    other: what is no moving digits, in words; None where they are drawn.
    """
    if other is None:
        with _drawn_from(digits, split) as drawn:
            _print(scores(), as_json, drawn)
        return
    if digits != "auto":
        raise RequestError(f"--digits is for moving digits, which {other} is not")
    _print(scores(), as_json)


@contextmanager
def _drawn_from(digits: Digits, split: Literal["train", "test"]) -> Iterator[Callable[[], str]]:
    """Draw scenes from these digits; yield what says in words which they are."""
    from reelm.data.moving_digits import mnist

    with mnist.drawn_from("whole" if digits == "mnist" else digits):
        if digits == "mnist":
            mnist.load(split)  # refused now, and not after minutes
        yield lambda: mnist.in_words(split)


def _print(scores: dict[str, Any], as_json: bool, digits: Callable[[], str] | None = None) -> None:
    from reelm.cli.table import table, units

    if as_json:
        print(json.dumps(({} if digits is None else {"digits": digits()}) | scores, indent=2))
        return
    if digits is not None:
        print(f"digits: {digits()}")
    print(table(scores))
    print(units(scores))
