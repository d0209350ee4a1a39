"""`reelm describe`: a file to the words that fit it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli_paths import check_input, check_model


@dataclass(frozen=True, kw_only=True)
class Describe:
    """Find the words that fit a video or a picture: those under which the model would likeliest make it."""

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """File to read; its first half second or so is looked at."""
    words: tuple[str, ...] | None = None
    """Words to choose from, "up" "to the left"; the default is those that the model learned from its captions."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""

    def run(self) -> None:
        check_input(self.video)
        check_model(self.model)

        import reelm

        print(reelm.load(self.model).describe(self.video, self.words))
