"""The evaluations whose figures the documents claim: each a command of `reelm evaluate`, its clips and what it needs.

Comes in: the name of an evaluation. Goes out: the JSON that its command prints. Knows nothing of claims.
"""

import contextlib
import importlib.util
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.cli.parse import parse
from reelm.data.moving_digits import mnist
from reelm.errors import RequestError

FOOTAGE = "FOLDER"
"""What stands in a command for the folder of films."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A command without its `--clips`: `clips` in full, `fast` to look whether its claims can still be so.

    model: whose weights it measures. of_digits: whether its scenes are drawn from MNIST. needs: keys of `NEEDS`.
    """

    command: str
    model: str
    clips: int = 200
    fast: int = 24
    of_digits: bool = True
    needs: tuple[str, ...] = ()

    def arguments(self, clips: int, footage: Path | None) -> list[str]:
        """Return the words after `reelm`."""
        words = f"{self.command} --clips {clips}".split()
        return [str(footage) if word == FOOTAGE else word for word in words]

    def missing(self, footage: Path | None) -> list[str]:
        """Return for each thing that it needs and that is not here how to get it."""
        missing = [_footage(footage)] if FOOTAGE in self.command.split() else []
        return [how for how in (*missing, *(NEEDS[need]() for need in self.needs)) if how]


_GENERATION = "evaluate generation --task"
_RECONSTRUCTION = "evaluate reconstruction"
_EMOJI = {"model": "emoji", "of_digits": False, "needs": ("emoji set", "EfficientNet")}

EVALUATIONS: dict[str, Evaluation] = {
    "sound": Evaluation(command=f"{_GENERATION} sound", model="demo"),
    "words-chinese": Evaluation(command=f"{_GENERATION} words-chinese", model="demo"),
    "short": Evaluation(command=f"{_GENERATION} short-words", model="demo", clips=40),
    "continuation": Evaluation(command=f"{_GENERATION} continuation", model="demo"),
    "key-frames": Evaluation(command=f"{_GENERATION} key-frames", model="demo"),
    "key-frames-of-4": Evaluation(command=f"{_GENERATION} key-frames --best-of 4", model="demo", clips=100),
    "inpainting": Evaluation(command=f"{_GENERATION} inpainting --best-of 8", model="demo", clips=100),
    "minute": Evaluation(command=f"{_GENERATION} minute", model="demo", clips=20, fast=8),
    "video-to-audio": Evaluation(command=f"{_GENERATION} video-to-audio", model="demo"),
    "audio-to-video": Evaluation(command=f"{_GENERATION} audio-to-video", model="demo"),
    "audio-to-video-of-8": Evaluation(command=f"{_GENERATION} audio-to-video --best-of 8", model="demo"),
    "steering": Evaluation(command=f"{_GENERATION} steering", model="demo"),
    "stories": Evaluation(command=f"{_GENERATION} stories", model="demo", fast=12),
    "likelihood": Evaluation(command="evaluate likelihood", model="demo"),
    "pictures": Evaluation(command=_RECONSTRUCTION, model="demo"),
    "tracks": Evaluation(command=f"{_RECONSTRUCTION} --data moving_digits_sound", model="demo"),
    "emoji": Evaluation(command=f"{_GENERATION} emoji --model emoji", **_EMOJI),
    "emoji-chinese": Evaluation(command=f"{_GENERATION} emoji-chinese --model emoji", **_EMOJI),
    "emoji-unguided": Evaluation(command=f"{_GENERATION} emoji --model emoji --cfg-scale 1", **_EMOJI),
    "emoji-steering": Evaluation(
        command=f"{_GENERATION} emoji-steering --model emoji",
        model="emoji",
        fast=10,
        of_digits=False,
        needs=("emoji set", "larger emoji set", "EfficientNet"),
    ),
    "emoji-likelihood": Evaluation(
        command="evaluate likelihood --model emoji --data animated_emoji --split held_out",
        model="emoji",
        of_digits=False,
        needs=("emoji set",),
    ),
    "emoji-pictures": Evaluation(
        command=f"{_RECONSTRUCTION} --model emoji --data animated_emoji --split held_out --num-frames 25",
        model="emoji",
        clips=60,
        of_digits=False,
        needs=("emoji set", "LPIPS"),
    ),
    "emoji-larger": Evaluation(
        command="evaluate upscaling --model emoji --data animated_emoji/256px_8fps --split held_out --num-frames 3",
        model="emoji",
        clips=40,
        fast=12,
        of_digits=False,
        needs=("larger emoji set", "LPIPS"),
    ),
    "world": Evaluation(
        command=f"{_GENERATION} world --model crafter --num-frames 1000",
        model="crafter",
        fast=16,
        of_digits=False,
        needs=("crafter",),
    ),
    "films": Evaluation(
        command=f"{_RECONSTRUCTION} --data {FOOTAGE}", model="natural", clips=60, of_digits=False, needs=("LPIPS",)
    ),
    "films-larger": Evaluation(
        command=f"evaluate upscaling --data {FOOTAGE} --num-frames 3",
        model="natural",
        clips=60,
        fast=10,
        of_digits=False,
        needs=("LPIPS",),
    ),
    "sounds": Evaluation(
        command=f"{_RECONSTRUCTION} --data any_sound",
        model="natural",
        of_digits=False,
        needs=("sounds", "pystoi", "visqol"),
    ),
}


def measure(evaluation: Evaluation, clips: int, footage: Path | None) -> dict[str, Any]:
    """Run the command in this process, so that programs are compiled once; return what it prints as JSON."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        parse([*evaluation.arguments(clips, footage), "--json"]).run()
    # What comes before the scores is said to people.
    text = printed.getvalue()
    return json.loads(text[text.index("{\n") :])


def digits_source() -> str:
    """Return which handwriting the scenes are drawn from: "mnist" or "mnist-compact"."""
    return mnist.load("test").name.partition("/")[0]


def footage_folder(named: Path | None) -> Path | None:
    """Return the folder of the test films: the one named, else `test` in `$FOOTAGE`, as the recipe has it."""
    films = os.environ.get("FOOTAGE")
    return named or (Path(films) / "test" if films else None)


def _footage(folder: Path | None) -> str | None:
    if folder is not None and folder.is_dir():
        return None
    return "--footage FOLDER of the test films; `python -m reelm.zoo.natural.make_footage --help` says how to get them"


def _refused(opened: Callable[[], object]) -> str | None:
    try:
        opened()
    except RequestError as error:
        return str(error)
    return None


def _emoji_set() -> str | None:
    from reelm.zoo.emoji.source import AnimatedEmojiSet

    return _refused(lambda: [AnimatedEmojiSet().open(split) for split in ("train", "held_out")])


def _larger_emoji_set() -> str | None:
    from reelm.zoo.emoji.source import AnimatedEmojiSet

    return _refused(lambda: AnimatedEmojiSet(config="256px_8fps").open("held_out"))


def _sounds() -> str | None:
    from reelm.zoo.natural.sounds import AnySoundSet

    return _refused(lambda: AnySoundSet().open("test"))


def _efficientnet() -> str | None:
    from reelm.evaluation.features import efficientnet

    return _refused(efficientnet.load)


def _lpips() -> str | None:
    from reelm.evaluation.features import lpips

    return None if lpips.available() else lpips.how_to_fetch()


def _installed(module: str, extra: str) -> str | None:
    return None if importlib.util.find_spec(module) else f'pip install "reelm[{extra}]"'


NEEDS: dict[str, Callable[[], str | None]] = {
    "emoji set": _emoji_set,
    "larger emoji set": _larger_emoji_set,
    "sounds": _sounds,
    "EfficientNet": _efficientnet,
    "LPIPS": _lpips,
    "crafter": lambda: _installed("crafter", "worlds"),
    "pystoi": lambda: _installed("pystoi", "evaluate"),
    "visqol": lambda: _installed("visqol", "visqol"),
}
"""What an evaluation may need: a function that returns how to get it, or None where it is here."""
