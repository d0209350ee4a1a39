"""`reelm evaluate generation`."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

from reelm.cli.checks import check_input
from reelm.cli.progress import progress
from reelm.errors import RequestError
from reelm.registry import entries
from reelm.storage.atomic import check_folder

from .report import Digits, check_asked, is_digits, report

# Options that only some tasks take, and the errors for the others.
_NOT_FOR = {
    "num_frames": "--num-frames is for clips whose length is free, not for {}",
    "sheets": "--sheets is for clips from words, not for {}",
    "best_of": "--best-of chooses by words or pictures, not for {}",
}


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
    """Shipped model or model folder. Default: the one that the task is for."""
    text_encoder: Path | None = None
    """Folder of the text encoder, for a model folder that does not hold its own."""
    task: str = "words"
    """What the clips are generated from. words: pictures from words; words-chinese: the same in Chinese. short-words:
    pictures from the name of a digit. sound: pictures and sound from words. steering: paths, silhouettes and a motion
    score. stories: references, storyboards and retakes. emoji: words, with an emoji model; emoji-chinese: the same in
    Chinese. world: the keys of Crafter, with a model of that game. All other tasks use clips of one digit."""
    data: str | None = None
    """Data set whose captions are the prompts, in place of a task; for any model. Frechet distances and diversity are
    measured by the features at hand. Default: that of the task."""
    split: str = "test"
    """Split of that data set."""
    i3d: Path | None = None
    """I3D weights for the FVD of that data set; see `reelm evaluate reconstruction`."""
    clips: int | None = None
    """Clips of each kind. Default: that of the task, mostly 200."""
    num_frames: int | None = None
    """Frames of a clip, for tasks in which its length is free. Default: 17. Steps of the longest clips, for the task
    world. Default: 100."""
    digits: Digits = "auto"
    """Handwriting of the scenes: the compact part of MNIST that ships, or all of MNIST, whose files are in the folder
    `mnist` of REELM_HOME. auto: all where it is there. The output says which it was."""
    seed: int = 0
    """Seed of the prompts and of the clips."""
    best_of: int = 1
    """Clips drawn for each prompt, of which the fittest is judged; see `reelm generate`."""
    cfg_scale: float | None = None
    """Guidance scale. Default: the model's own."""
    min_p: tuple[float, ...] | None = None
    """Least share of the likeliest code's probability that a code needs to be drawn, for the first latent frames; the
    last number repeats. Default: the model's own."""
    cfg_min_p: float | None = None
    """Least share of the top probability without guidance that guidance keeps. Default: the model's own."""
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
        other = self.task in entries("EVALUATIONS") or (self.data is not None and not is_digits(self.data))
        subject = f"the task {self.task}" if self.data is None else self.data
        report(self._scores, self.json, self.digits, "test", subject if other else None)

    def _scores(self) -> dict[str, Any]:
        check_asked(self.model, self.clips, self.num_frames)
        if self.sheets is not None:
            check_folder(self.sheets)
        asked: dict[str, Any] = {"clips": self.clips, "num_frames": self.num_frames, "sheets": self.sheets}
        asked |= {"best_of": None if self.best_of == 1 else self.best_of}
        asked = {name: value for name, value in asked.items() if value is not None}

        import reelm
        from reelm.evaluation import by_task

        task = by_task.find(self.task)
        for name in asked.keys() & _NOT_FOR if self.data is None else ():
            if name not in signature(task).parameters:
                raise RequestError(_NOT_FOR[name].format(self.task))
        entry = entries("EVALUATIONS").get(self.task)
        model = reelm.load(self.model or (None if entry is None else entry.model), text_encoder=self.text_encoder)
        decoding = dict.fromkeys(("cfg_scale", "sound_cfg_scale", "motion_cfg_scale"), self.cfg_scale)
        decoding |= dict.fromkeys(("min_p", "motion_min_p"), self.min_p) | {"cfg_min_p": self.cfg_min_p}
        defaults = replace(model.defaults, **{name: value for name, value in decoding.items() if value is not None})
        model = replace(model, defaults=defaults)
        if self.data is not None:
            return self._of_data_set(model, self.clips or 200)
        with progress("clips") as shown:
            return task(model, **asked, seed=self.seed, progress=shown)

    def _of_data_set(self, model: Any, clips: int) -> dict[str, Any]:
        from reelm.data.catalog import open_clips
        from reelm.evaluation.features import i3d
        from reelm.evaluation.judges.real_clips import of_captions

        assert self.data is not None
        source = open_clips(self.data, self.split, num_frames=self.num_frames)
        params = None if self.i3d is None else i3d.load(self.i3d)
        asked: dict[str, Any] = {"clips": clips, "seed": self.seed, "best_of": self.best_of, "sheets": self.sheets}
        with progress("clips") as shown:
            return of_captions(model, source, i3d_params=params, progress=shown, **asked)
