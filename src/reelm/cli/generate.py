"""`reelm generate`: words, pictures and clips to files."""

import sys
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import tyro

from reelm.errors import RequestError

from .checks import check_clip_output, check_input, check_model
from .progress import progress

if TYPE_CHECKING:
    from reelm import Clip


_AT_ONCE = 8  # clips made together
_SETTINGS = ("num_frames", "temperature", "top_k", "top_p", "min_p", "negative_prompt", "decoding")
_SETTINGS += ("height", "width", "fps", "overlap", "best_of")
_FILES = ("image", "last_image", "video", "mask", "audio")


class Job(NamedTuple):
    """One clip to be made."""

    prompt: str
    seed: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Make clips from words, pictures, clips and sounds, and print the path of every file.

    Example: reelm generate "a red seven moves right" -o seven.mp4
    """

    prompt: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PROMPT")] = ()
    """What to show, in quotes."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif, .webp, or .png for one frame. Several clips become NAME-0.mp4, NAME-1.mp4 ..."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    num_frames: int | None = None
    """Frames of the clip, given ones included; the default is as many as the video or the audio has,
    otherwise the model's own (17 of "demo")."""
    seed: int = 0
    """The same seed gives the same clip."""
    num_samples: int = 1
    """Clips of every prompt; sample k is the clip of seed + k."""
    best_of: int | None = None
    """Clips drawn for each that is kept: the one that fits words and key frames best; the default is 1."""
    image: Path | None = None
    """Picture that the clip begins with."""
    last_image: Path | None = None
    """Picture that it ends with."""
    video: Path | None = None
    """Clip to go on from; with --mask, one to make a part of anew; one without sound can be given its sound."""
    mask: Path | None = None
    """Picture that is white where the video is to be filled in; all else stays as it is."""
    audio: Path | None = None
    """Sound that the clip is to go with, or the sound of a video."""
    overlap: float | None = None
    """Seconds that the sliding window of a long clip reads again of what it made; the default is 1."""
    temperature: float | None = None
    """0 always takes the likeliest code; the default is 1."""
    top_k: int | None = None
    """Draw among the k likeliest only; 0, the default, draws among all."""
    top_p: float | None = None
    """Draw among the likeliest that make up this share of the probability; the default is 1."""
    min_p: float | None = None
    """Draw among those at least this share as likely as the likeliest; the default is the model's own, or 0 where
    neither words nor pictures tell of what is to be drawn."""
    cfg_scale: tuple[float, ...] | None = None
    """Strength of guidance by what is asked, 1 for none; several numbers are for one latent frame after another. The
    default is the model's own."""
    negative_prompt: str | None = None
    """Words that guidance leads away from."""
    decoding: Literal["auto", "sequential", "parallel"] | None = None
    """How codes are found: one by one, or several at once, which gives the same clip; the default takes the faster."""
    prompts: Path | None = None
    """Text file of prompts, one a line, in place of PROMPT."""
    resume: bool = False
    """Leave clips alone that are there already, made from the same prompt, seed and settings."""
    grid: bool = False
    """Put all clips side by side into one file."""
    height: int | None = None
    """Rows of the picture; the default is the model's own."""
    width: int | None = None
    """Columns of the picture; the default is the model's own."""
    fps: float | None = None
    """Frames a second; the default is the model's own."""
    mesh: str | None = None
    """Devices to cut the language model over, such as tensor=4; the default is one."""
    text_encoder: Path | None = None
    """Folder of the text encoder that the model reads prompts through, of one that does not carry it."""
    dtype: Literal["float32", "bfloat16", "int8"] | None = None
    """Number format of the matrices that decoding reads; the default suits the device."""

    def run(self) -> None:
        words = self._words()
        check_clip_output(self.output)
        check_model(self.model)
        for name in _FILES:
            if (path := getattr(self, name)) is not None:
                check_input(path)
        self._check_numbers()

        import reelm

        model = reelm.load(self.model, mesh=self.mesh, dtype=self.dtype, text_encoder=self.text_encoder)
        chosen = {name: value for name in (*_SETTINGS, *_FILES) if (value := getattr(self, name)) is not None}
        if self.cfg_scale is not None:
            chosen["cfg_scale"] = self.cfg_scale[0] if len(self.cfg_scale) == 1 else list(self.cfg_scale)
        pairs = list(product(words, range(self.seed, self.seed + self.num_samples)))
        several = len(pairs) > 1 and not self.grid
        jobs = [
            Job(*pair, self.output.with_stem(f"{self.output.stem}-{i}") if several else self.output)
            for i, pair in enumerate(pairs)
        ]
        if self.resume:
            same = {"model": model.name, **{name: str(v) if name in _FILES else v for name, v in chosen.items()}}
            jobs = [job for job in jobs if not _is_made(job, same)]
        for prompt in dict.fromkeys(job.prompt for job in jobs):
            if (read := model.read_as(prompt)) != prompt:
                print(f'"{prompt}" is read as "{read}"', file=sys.stderr)
        made: list[Clip] = []
        for group in _together(jobs):
            seeds = len({job.seed for job in group})
            prompts = [job.prompt for job in group][::seeds]
            with progress("latent frames") as callback:
                clips = model.generate(prompts, seed=group[0].seed, num_samples=seeds, callback=callback, **chosen)
            if self.grid:
                made += clips
                continue
            for job, clip in zip(group, clips, strict=True):
                clip.save(job.path)
                print(job.path)
        if self.grid and made:
            from reelm.media.grid import grid

            grid(made).save(self.output)
            print(self.output)

    def _words(self) -> list[str]:
        """One prompt, or the lines of a file."""
        if self.prompts is not None:
            if self.prompt:
                raise RequestError("give a prompt or --prompts FILE, not both")
            check_input(self.prompts)
            try:
                lines = [line.strip() for line in self.prompts.read_text(encoding="utf-8").splitlines()]
            except UnicodeDecodeError:
                raise RequestError(f"{self.prompts} is no text in UTF-8") from None
            if not any(lines):
                raise RequestError(f"{self.prompts} holds no prompt; write one a line")
            return [line for line in lines if line]
        if not self.prompt and any(getattr(self, name) is not None for name in _FILES):
            return [""]  # a picture or a clip may speak for itself
        if len(self.prompt) != 1:
            hint = "put the prompt in quotes" if self.prompt else "say what to show"
            raise RequestError(f'{hint}, as in: reelm generate "a red seven moves right" -o seven.mp4')
        return list(self.prompt)

    def _check_numbers(self) -> None:
        leasts = {"num_frames": 1, "num_samples": 1, "best_of": 1, "temperature": 0, "top_k": 0, "min_p": 0}
        for name, least in leasts.items():
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it must be {least} or more")
        if self.cfg_scale is not None and not all(0 <= scale < float("inf") for scale in self.cfg_scale):
            raise RequestError(f"--cfg-scale is {' '.join(map(str, self.cfg_scale))}; it must be 0 or more")
        if self.resume and self.grid:
            raise RequestError("--resume leaves single clips alone; it does not go with --grid")
        if self.output.suffix.lower() == ".png" and self.num_frames != 1:
            raise RequestError(f"{self.output} would hold one frame: add --num-frames 1, or write .mp4, .gif or .webp")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise RequestError(f"--top-p is {self.top_p}; it must be above 0 and at most 1")
        for name in ("height", "width", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise RequestError(f"--{name} is {value}; it must be above 0")


def _is_made(job: Job, same: dict[str, Any]) -> bool:
    """Whether the file of a job is there and says that it was made from the same."""
    from reelm import Clip

    if not job.path.is_file():
        return False
    try:
        info = Clip.open(job.path).info
    except RequestError:
        return False  # something else, or cut short: made again
    return all(info.get(name) == value for name, value in {**same, "prompt": job.prompt, "seed": job.seed}.items())


def _together(jobs: list[Job]) -> list[list[Job]]:
    """Jobs that one call makes: seeds in a row of one prompt, or prompts in a row with one seed."""
    several = len({job.seed for job in jobs}) > 1
    alike = lambda each: (each[1].prompt, each[1].seed - each[0]) if several else each[1].seed  # noqa: E731
    runs = [[job for _, job in run] for _, run in groupby(enumerate(jobs), alike)]
    return [run[i : i + _AT_ONCE] for run in runs for i in range(0, len(run), _AT_ONCE)]
