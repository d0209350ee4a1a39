"""`reelm export`: two folders of training to one model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from reelm.cli_paths import check_parent
from reelm.tokenizer.request import RequestError


@dataclass(frozen=True, kw_only=True)
class Export:
    """Join a trained tokenizer and a trained language model into a model folder for --model and reelm.load."""

    video_tokenizer: Path
    """Folder of `reelm train video-tokenizer`."""
    lm: Path
    """Folder of `reelm train lm`."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to write."""
    dtype: Literal["int8", "bfloat16", "float32"] = "float32"
    """Number format of the weights in the files."""

    def run(self) -> None:
        for folder in (self.video_tokenizer, self.lm):
            if not folder.is_dir():
                raise RequestError(f"there is no folder {folder}; name the --workdir of a training")
        if self.output.is_file():
            raise RequestError(f"cannot write {self.output}: it is a file; name a folder")
        check_parent(self.output)

        from reelm.train.export import export

        export(self.video_tokenizer, self.lm, self.output, dtype=self.dtype)
        print(self.output)
