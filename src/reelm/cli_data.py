"""`reelm data`: the data sets that training reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli_build import DataBuild


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
    """Data set to tokenize."""
    video_tokenizer: str = "demo"
    """Folder of `reelm train video-tokenizer`, a model folder, or a shipped model."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/tokens")
    """Folder to write, where the language model's configuration looks for it. An unfinished one is gone on with."""
    split: str = "train"
    """Part of the data set."""
    num_clips: int = 60_000
    """Clips to tokenize."""
    num_frames: int = 33
    """Frames of a clip."""

    def run(self) -> None:
        from reelm.train.tokenize import tokenize

        tokenize(
            self.name,
            self.video_tokenizer,
            self.output,
            split=self.split,
            num_clips=self.num_clips,
            num_frames=self.num_frames,
        )
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
