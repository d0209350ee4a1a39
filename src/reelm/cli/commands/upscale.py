"""`reelm upscale`: enlarge a video."""

from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli.checks import check_clip_output, check_input, check_model
from reelm.cli.printable import print_path
from reelm.tokenizer.upscaling.config import check_scale


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """Enlarge a video of any length by a model's upscaler; sound and times stay.

    Example: reelm upscale film.mp4 -o larger.mp4 --scale 2
    """

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """Video file or picture to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif, .webp, or .png for one frame."""
    scale: int = 2
    """Factor of height and width: 2 or 4."""
    model: str = "natural"
    """Shipped model or model folder that has an upscaler."""

    def run(self) -> None:
        check_scale("--scale", self.scale)
        check_input(self.video)
        check_clip_output(self.output)
        check_model(self.model)

        import reelm
        from reelm.media.film import open_film, save_film
        from reelm.media.timing import TimedFrame

        upscaler = reelm.load(self.model).enlarger()
        film = open_film(self.video)
        timed, read = tee(film.frames)
        made = upscaler.upscale_stream((frame.pixels for frame in read), self.scale)
        frames = (TimedFrame(at.start, at.end, pixels) for at, pixels in zip(timed, made, strict=True))
        save_film(self.output, film._replace(frames=frames))
        print_path(self.output)
