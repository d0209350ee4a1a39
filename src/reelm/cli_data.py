"""`reelm data`: the data sets that training reads."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli_build import DataBuild
from reelm.cli_progress import progress
from reelm.tokenizer.request import RequestError

_DRAWN = 60_000  # clips to tokenize of a set that has no end


@dataclass(frozen=True, kw_only=True)
class DataList:
    """List the data sets: those that need no files, and those that were built."""

    data_dir: Path | None = None
    """Folder in which sets were built; the default is $REELM_HOME/datasets."""

    def run(self) -> None:
        from reelm.train import datasets

        for name in datasets.names(self.data_dir):
            print(f"{name}: {datasets.describe(name, self.data_dir)}")


@dataclass(frozen=True, kw_only=True)
class DataTokenize:
    """Turn a data set into codes, for `reelm train lm`."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Data set to tokenize, or the folder of one that was built."""
    video_tokenizer: str = "demo"
    """Folder of `reelm train video-tokenizer`, a model folder, or a shipped model."""
    audio_tokenizer: str | None = None
    """Likewise, for the sound of clips that have some; by default sound is left out."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/tokens")
    """Folder to write, where the language model's configuration looks for it. An unfinished one is gone on with."""
    split: str = "train"
    """Part of the data set."""
    num_clips: int | None = None
    """Clips to tokenize; by default all of a set that was built, 60,000 of one that is drawn."""
    num_frames: int | None = None
    """Frames of a clip; by default its own length, 33 of clips that are drawn."""
    process: int = 0
    """Which of `processes` this one is, counted from 0, such as $SLURM_PROCID."""
    processes: int = 1
    """Processes that share the work, each started with the same command and folder, such as $SLURM_NTASKS."""

    def run(self) -> None:
        from reelm.train.datasets import is_drawn
        from reelm.train.remote import is_remote, mirrored
        from reelm.train.tokenize import tokenize

        if self.processes > 1 and is_remote(self.output):
            raise RequestError(
                f"{self.output} is written by one process alone; name a folder that all {self.processes} see, or "
                "tokenize in one"
            )
        with progress("shards") as report, mirrored(self.output) as output:
            index = tokenize(
                self.name,
                self.video_tokenizer,
                output,
                audio_tokenizer=self.audio_tokenizer,
                split=self.split,
                num_clips=self.num_clips or (_DRAWN if is_drawn(self.name) else None),
                num_frames=self.num_frames,
                process=self.process,
                processes=self.processes,
                note=report,
            )
        if not index.complete:
            print(f"{self.output} is not complete yet: other processes have shards to write", file=sys.stderr)
        print(self.output)


@dataclass(frozen=True, kw_only=True)
class Data:
    """List, build and tokenize data sets."""

    what: (
        Annotated[DataList, tyro.conf.subcommand("list")]
        | Annotated[DataBuild, tyro.conf.subcommand("build")]
        | Annotated[DataTokenize, tyro.conf.subcommand("tokenize")]
    )

    def run(self) -> None:
        self.what.run()
