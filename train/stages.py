"""The table of trainings: one row for each part of a model that `reelm train` makes.

Rows name functions by their module, as entry points do, so that a command line is read without importing a net.
"""

import importlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

StageName = Literal["video-tokenizer", "audio-tokenizer", "lm", "describer", "upscaler"]


class Stage(NamedTuple):
    """A training, and the part of a model that it makes.

    Attributes:
        name: its name on the command line.
        part: the part in words.
        training: module of `make_job(run, workdir, ...)`.
        net: module of `init_params(config, key)`.
        config: module of its config.
        run: name of its config.
    """

    name: StageName
    part: str
    training: str
    net: str
    config: str
    run: str

    @property
    def key(self) -> str:
        """The name as an identifier in Python and JSON."""
        return self.name.replace("-", "_")

    @property
    def a_part(self) -> str:
        """The part with its article."""
        return f"{'an' if self.part[0] in 'au' else 'a'} {self.part}"

    @property
    def make_job(self) -> Callable[..., Any]:
        return importlib.import_module(self.training).make_job

    @property
    def run_type(self) -> type:
        return getattr(importlib.import_module(self.config), self.run)

    @property
    def init_params(self) -> Callable[..., Any]:
        return importlib.import_module(self.net).init_params


_ROWS = (
    Stage(
        "video-tokenizer",
        "video tokenizer",
        "reelm.train.tokenizers.video",
        "reelm.tokenizer.video.tokenizer",
        "reelm.train.tokenizers.video_config",
        "VideoTokenizerRun",
    ),
    Stage(
        "audio-tokenizer",
        "audio tokenizer",
        "reelm.train.tokenizers.audio",
        "reelm.tokenizer.audio.tokenizer",
        "reelm.train.tokenizers.audio_config",
        "AudioTokenizerRun",
    ),
    Stage("lm", "language model", "reelm.train.lm.run", "reelm.lm.net.transformer", "reelm.train.lm.config", "LMRun"),
    Stage(
        "describer",
        "describer",
        "reelm.train.lm.describer",
        "reelm.lm.describer_net",
        "reelm.train.lm.describer_config",
        "DescriberRun",
    ),
    Stage(
        "upscaler",
        "upscaler",
        "reelm.train.upscaling.run",
        "reelm.tokenizer.upscaling.net",
        "reelm.train.upscaling.config",
        "UpscalerRun",
    ),
)
STAGES: dict[str, Stage] = {row.name: row for row in _ROWS}
"""Every training by its name."""
