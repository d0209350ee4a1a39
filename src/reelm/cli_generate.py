"""`reelm generate`: words to files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from reelm.cli_paths import check_clip_output, check_input, check_model
from reelm.cli_progress import progress
from reelm.tokenizer.request import RequestError


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Make a clip from words. Prints the path of every file it writes."""

    prompt: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PROMPT")] = ()
    """What to show, in quotes."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif, .webp, or .png for one frame. Several clips become NAME-0.mp4, NAME-1.mp4 ..."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    num_frames: int | None = None
    """Frames of the clip; the default is 17."""
    seed: int = 0
    """The same seed gives the same clip."""
    num_samples: int = 1
    """Clips of every prompt; sample k is the clip of seed + k."""
    temperature: float | None = None
    """0 always takes the likeliest code; the default is 1."""
    top_k: int | None = None
    """Draw among the k likeliest only; 0, the default, draws among all."""
    top_p: float | None = None
    """Draw among the likeliest that make up this share of the probability; the default is 1."""
    cfg_scale: float | None = None
    """Strength of guidance by the prompt; 1 is none; the default is the model's own."""
    negative_prompt: str | None = None
    """What guidance leads away from."""
    decoding: Literal["auto", "sequential", "parallel"] | None = None
    """How codes are found: one by one, or several at once, which gives the same clip; the default takes the faster."""
    prompts: Path | None = None
    """Text file of prompts, one a line, in place of PROMPT."""
    height: int | None = None
    """Rows of the picture; the default is the model's own."""
    width: int | None = None
    """Columns of the picture; the default is the model's own."""
    fps: float | None = None
    """Frames a second; the default is the model's own."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Number format to compute in; the default suits the device."""

    def run(self) -> None:
        words = self._words()
        check_clip_output(self.output)
        check_model(self.model)
        self._check_numbers()

        import reelm

        model = reelm.load(self.model, dtype=self.dtype)
        chosen = {
            name: getattr(self, name)
            for name in (
                *("num_frames", "temperature", "top_k", "top_p", "cfg_scale", "negative_prompt"),
                *("height", "width", "fps", "decoding"),
            )
            if getattr(self, name) is not None
        }
        with progress("latent frames") as callback:
            made = model.generate(words, seed=self.seed, num_samples=self.num_samples, callback=callback, **chosen)
        clips = made if isinstance(made, list) else [made]
        for index, clip in enumerate(clips):
            path = self.output if len(clips) == 1 else self.output.with_stem(f"{self.output.stem}-{index}")
            clip.save(path)
            print(path)

    def _words(self) -> str | list[str]:
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
        if len(self.prompt) != 1:
            hint = "put the prompt in quotes" if self.prompt else "say what to show"
            raise RequestError(f'{hint}, as in: reelm generate "a red seven moves right" -o seven.mp4')
        return self.prompt[0]

    def _check_numbers(self) -> None:
        for name, least in (("num_frames", 1), ("num_samples", 1), ("temperature", 0), ("top_k", 0), ("cfg_scale", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it must be {least} or more")
        if self.output.suffix.lower() == ".png" and self.num_frames != 1:
            raise RequestError(f"{self.output} would hold one frame: add --num-frames 1, or write .mp4, .gif or .webp")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise RequestError(f"--top-p is {self.top_p}; it must be above 0 and at most 1")
        for name in ("height", "width", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise RequestError(f"--{name} is {value}; it must be above 0")
