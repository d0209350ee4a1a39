"""The command itself, with its subcommands."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from .generation import EvaluateGeneration
from .likelihood import EvaluateLikelihood
from .reconstruction import EvaluateReconstruction
from .upscaling import EvaluateUpscaling


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
