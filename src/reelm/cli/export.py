"""`reelm export`: folders of training, and parts of models, to one model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from reelm.errors import RequestError
from reelm.sampling.folder import shipped

from .checks import check_parent


@dataclass(frozen=True, kw_only=True)
class Export:
    """Join trained parts into a model folder, for --model and for reelm.load."""

    video_tokenizer: Path
    """Folder of `reelm train video-tokenizer`; or, as for the other parts, a model that has one."""
    audio_tokenizer: Path | None = None
    """Folder of `reelm train audio-tokenizer`, for a model with sound."""
    text_encoder: Path | None = None
    """Folder of the text encoder that the language model was trained with, where it is no longer where it was."""
    thesaurus: Path | None = None
    """JSON file of other words for the captions, for a language model that reads the small sentence encoder."""
    lm: tuple[Path, ...] = ()
    """Folder of `reelm train lm`; without it the model can reconstruct and tokenize, and not generate. Of several,
    which went on from one another, the mean of their weights is written."""
    describer: Path | None = None
    """Folder of `reelm train describer`, for a model that says what a clip is called."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to write."""
    dtype: Literal["int8", "bfloat16", "float32"] = "float32"
    """Number format of the weights in the files."""
    cfg_scale: float = 1.0
    """Strength of guidance where a call does not name one; 1 is none."""
    min_p: float = 0.0
    """Least likelihood of a draw, as a share of the likeliest one's, where a call does not name one; 0 is no limit."""
    num_frames: int | None = None
    """Frames of a clip where a call does not name their number; the default is 17."""

    def run(self) -> None:
        for folder in (self.video_tokenizer, self.audio_tokenizer, *self.lm, self.describer):
            if folder is not None and not folder.is_dir() and str(folder) not in shipped.names():
                raise RequestError(f"there is no folder {folder}; name the --workdir of a training, or a model")
        if self.output.is_file():
            raise RequestError(f"cannot write {self.output}: it is a file; name a folder")
        check_parent(self.output)
        if self.num_frames is not None and self.num_frames < 1:
            raise RequestError(f"--num-frames is {self.num_frames}; it must be 1 or more")

        from reelm.train.export import export

        export(
            self.video_tokenizer,
            self.lm,
            self.output,
            audio_tokenizer=self.audio_tokenizer,
            describer=self.describer,
            text_encoder=self.text_encoder,
            thesaurus=self.thesaurus,
            dtype=self.dtype,
            cfg_scale=self.cfg_scale,
            min_p=self.min_p,
            num_frames=self.num_frames,
        )
        print(self.output)
