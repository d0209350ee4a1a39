"""`reelm generate`: make clips from words, pictures, clips and sounds, and save them."""

import json
import sys
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import tyro

from reelm.cli.batches import batches
from reelm.cli.checks import check_clip_output, check_input, check_model
from reelm.cli.moves import camera, track
from reelm.cli.printable import print_path, printable
from reelm.cli.progress import progress
from reelm.errors import RequestError
from reelm.sampling.options import FILES, Options
from reelm.storage.fields import lines_of, read_text

if TYPE_CHECKING:
    from reelm import Clip


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
    """File to write: .mp4, .gif, .webp, or .png for one frame. Several clips become NAME-0.mp4, NAME-1.mp4 and so
    on."""
    model: str | None = None
    """Shipped model, model folder or id on the Hugging Face hub. Default: demo."""
    image: Path | None = None
    """Picture that the clip begins with."""
    last_image: Path | None = None
    """Picture that the clip ends with."""
    video: Path | None = None
    """Video to continue. With --mask: video to edit. A silent video of exactly --num-frames gets a soundtrack."""
    mask: Path | None = None
    """Picture that is white where --video is to be filled in. All other pixels stay."""
    audio: Path | None = None
    """Sound that the clip is made for, or the sound of --video."""
    control: Path | None = None
    """Video whose edges, silhouette or depth the pictures follow, see --control-kind."""
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Path of a subject: SECONDS:X,Y for each point, such as "0:0.2,0.5 2:0.8,0.5", as shares of width and height from
    the top left. Once for each subject, in the order of the words; "-" for one that is not steered."""
    camera: str | None = None
    """How the camera moves: "zoom in", "circle left" and so on, or SECONDS:ORBIT,ZOOM,RISE for each moment."""
    reference: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Picture of the subject that the prompt calls <1>. Once more for <2>, up to four times."""
    storyboard: Path | None = None
    """JSON file with the shots of the clip, instead of PROMPT: a list of {"prompt", "seconds", "cut", ...}."""
    prompts: Path | None = None
    """Text file with one prompt in each line, instead of PROMPT."""
    resume: bool = False
    """Skip clips whose files exist and were made from the same prompt, seed, settings and input files."""
    grid: bool = False
    """Put all clips side by side into one file."""
    mesh: str | None = None
    """Devices to shard the language model over, such as tensor=4. Default: one device."""
    text_encoder: Path | None = None
    """Folder of the text encoder, for a model that does not hold it."""
    dtype: Literal["float32", "bfloat16", "int8"] | None = None
    """Number format of the matrices that decoding reads. Default: what suits the device."""
    sampling: Options = Options()

    def run(self) -> None:
        check_clip_output(self.output)
        jobs = self._jobs(self._words())
        for path in dict.fromkeys(job.path for job in jobs):
            if not (self.resume and path.is_file()):
                check_clip_output(path)
        check_model(self.model)
        files = {name: path for name in FILES if (path := getattr(self, name)) is not None}
        for path in files.values():
            check_input(path)
        moves = self._moves()
        if self.resume and self.grid:
            raise RequestError("--resume skips single clips; it does not go with --grid")
        if self.output.suffix.lower() == ".png" and self.sampling.num_frames != 1:
            raise RequestError(f"{self.output} would hold one frame: add --num-frames 1, or write .mp4, .gif or .webp")

        import reelm

        model = reelm.load(self.model, mesh=self.mesh, dtype=self.dtype, text_encoder=self.text_encoder)
        if self.resume:
            same = {"model": model.name, "tokenizer": model.video_tokenizer.hash, **_contents(files | moves)}
            jobs = [job for job in jobs if not _is_made(job, same, self.sampling)]
        for prompt in dict.fromkeys(job.prompt for job in jobs):
            if (read := model.read_as(prompt)) != prompt:
                print(printable(f'"{prompt}" is read as "{read}"'), file=sys.stderr)
        made: list[Clip] = []
        for batch in batches(jobs):
            options = replace(self.sampling, seed=batch.seed, num_samples=batch.num_samples)
            with progress("latent frames") as callback:
                clips = model.generate(batch.prompts, callback=callback, **files, **moves, **vars(options))
            if self.grid:
                made += clips
                continue
            for job, clip in zip(batch.jobs, clips, strict=True):
                clip.save(job.path)
                print_path(job.path)
        if self.grid and made:
            from reelm.media.grid import grid

            grid(made).save(self.output)
            print_path(self.output)

    def _moves(self) -> dict[str, Any]:
        """Return tracks, camera, references and storyboard, checked."""
        found: dict[str, Any] = {"tracks": [track(each) for each in self.track]} if self.track else {}
        found |= {} if self.camera is None else {"camera": camera(self.camera)}
        if self.storyboard is not None:
            from reelm.sampling.conditions.storyboard import read_storyboard

            check_input(self.storyboard)
            found |= read_storyboard(self.storyboard)
        if self.reference:
            if "references" in found:
                raise RequestError(f"give --reference, or references in {self.storyboard}, not both")
            found["references"] = list(self.reference)
        if found:
            from reelm.sampling.conditions.sources import Sources

            given = Sources(**found)
            for each in chain(given.references or (), *(shot.references or () for shot in given.shots)):
                check_input(Path(str(each)))
        return found

    def _jobs(self, prompts: list[str]) -> list[Job]:
        first = self.sampling.seed
        pairs = list(product(prompts, range(first, first + self.sampling.num_samples)))
        if self.grid or len(pairs) == 1:
            return [Job(*pair, self.output) for pair in pairs]
        return [Job(*pair, self.output.with_stem(f"{self.output.stem}-{i}")) for i, pair in enumerate(pairs)]

    def _words(self) -> list[str]:
        """Return one prompt, or the lines of a file."""
        if self.prompts is not None:
            if self.prompt:
                raise RequestError("give a prompt or --prompts FILE, not both")
            check_input(self.prompts)
            lines = [line.strip() for line in lines_of(read_text(self.prompts))]
            if not any(lines):
                raise RequestError(f"{self.prompts} holds no prompt; write one a line")
            return [line for line in lines if line]
        if not self.prompt and (
            self.reference or any(getattr(self, name) is not None for name in (*FILES, "storyboard"))
        ):
            return [""]  # a picture or a clip needs no words
        if len(self.prompt) != 1:
            hint = "put the prompt in quotes" if self.prompt else "say what to show"
            raise RequestError(f'{hint}, as in: reelm generate "a red seven moves right" -o seven.mp4')
        return list(self.prompt)


def _contents(given: dict[str, Any]) -> dict[str, Any]:
    """Return the `info` of a clip that was made from exactly these sources, as they are now."""
    from reelm.sampling.conditions.sources import STRUCTURED, Sources

    return {**dict.fromkeys((*FILES, *STRUCTURED, "references", "sha256")), **Sources(**given).summary()}


_NOT_IN_INFO = ("num_samples", "strict")  # options that the info of a clip does not have
_OWN = ("negative_prompt", "motion", "control_kind", "retake", "upscale")  # options without a default of the model


def _is_made(job: Job, same: dict[str, Any], options: Options) -> bool:
    """Return whether the file of a job exists and was made from the same things, by its `info`."""
    from reelm import Clip

    if not job.path.is_file():
        return False
    try:
        info = {"best_of": 1} | Clip.open(job.path).info
    except RequestError:
        return False  # not a clip, or cut off: it is made again
    asked = {name: value for name, value in vars(options).items() if value is not None or name in _OWN}
    asked = {name: value for name, value in asked.items() if name not in _NOT_IN_INFO}
    asked = json.loads(json.dumps(asked))  # as in a file: tuples are lists
    wanted = asked | same | {"seed": job.seed} | ({} if same["storyboard"] else {"prompt": job.prompt})
    return all(info.get(name) == value for name, value in wanted.items())
