"""`reelm describe`: find words that fit a file."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli.checks import check_input, check_model
from reelm.cli.printable import printable


@dataclass(frozen=True, kw_only=True)
class Describe:
    """Find words for a video, a picture or a sound, which can be its prompt.

    Example: reelm describe seven.mp4
    """

    video: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="FILE")] = None
    """Video or picture to read. Only about the first half second is used, with its sound."""
    audio: Path | None = None
    """Sound to read instead. Only about the first half second is used."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""

    def run(self) -> None:
        for path in (self.video, self.audio):
            if path is not None:
                check_input(path)
        check_model(self.model)

        import reelm

        words = reelm.load(self.model).describe(self.video, audio=self.audio)
        if not words:
            print("none of the words that the model knows is likely", file=sys.stderr)
        print(printable(words))
