"""`reelm export`: join trained parts, and parts of models, into one model folder."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from reelm.cli.printable import print_path
from reelm.errors import RequestError
from reelm.sampling.folder import shipped
from reelm.storage.atomic import check_folder
from reelm.train.stages import StageName


@dataclass(frozen=True, kw_only=True)
class Export:
    """Join trained parts into a model folder, for --model and for reelm.load.

    Example: reelm export --video-tokenizer runs/video --lm runs/lm -o my-model
    """

    video_tokenizer: Path
    """Workdir of `reelm train video-tokenizer`, or a model that holds one. The other parts take models, too."""
    audio_tokenizer: Path | None = None
    """Workdir of `reelm train audio-tokenizer`, for a model with sound."""
    text_encoder: Path | None = None
    """Folder of the text encoder that the language model was trained with. Default: the folder used in training."""
    prompt_retrieval: Path | None = None
    """JSON file of synonyms for the captions. Default: the prompt retrieval of the model that --lm names, if any."""
    prompt_retrieval_encoder: Path | None = None
    """Folder of the sentence encoder that finds the caption of a prompt. Default: the language model's text encoder."""
    lm: tuple[Path, ...] = ()
    """Workdir of `reelm train lm`. Without one the model can reconstruct and tokenize but not generate. Several runs
    that continue one another are averaged."""
    specialists: tuple[Path, ...] = ()
    """Workdirs of further `reelm train lm`, with the same text pieces and codes, for inputs that --lm was not trained
    for. A request goes to the first one that was trained for all its inputs."""
    describer: Path | None = None
    """Workdir of `reelm train describer`, for a model that finds words for clips."""
    upscaler: Path | None = None
    """Workdir of `reelm train upscaler`, for a model that enlarges clips."""
    best: tuple[StageName, ...] | None = None
    """Take the best checkpoint of every training with evaluations, or of the parts that are named after it. The codes
    of a language model must be those of the tokenizer taken: use --best there as in `reelm data tokenize`. Default: the
    newest checkpoint."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Model folder to write."""
    dtype: Literal["int8", "bfloat16", "float32"] = "float32"
    """Number format of the stored weights."""
    differences: bool = False
    """Store specialists as four-bit differences from the language model that they were trained from, at half the size
    of int8."""
    cfg_scale: float = 1.0
    """Guidance scale that the model uses unless a call sets one. 1 is no guidance."""
    sound_cfg_scale: float | None = None
    """Guidance scale that the model uses for a request with only sound. Default: that of --cfg-scale."""
    motion_cfg_scale: float | None = None
    """Guidance scale that the model uses for a request with a motion score. Default: that of --cfg-scale."""
    min_p: tuple[float, ...] = (0.0,)
    """Least share of the top probability, `min_p`, that the model uses unless a call sets one. 0 keeps every code.
    Several numbers are for the first latent frames, and the last one repeats."""
    motion_min_p: tuple[float, ...] | None = None
    """The same for a request with a motion score. Default: that of --min-p."""
    cfg_min_p: float = 0.0
    """Least share of the top probability without guidance, `cfg_min_p`, that the model uses unless a call sets one."""
    overlap: float | None = None
    """Seconds of the previous window that the next window of a long clip reads again, unless a call sets another.
    Default: 1, or half a window where that is shorter."""
    num_frames: int | None = None
    """Frames of a clip that the model makes unless a call sets a length. Default: 17."""
    check_draws: bool = True
    """Draw a few clips first, and refuse a language model that makes noise: it finds its own codes far less likely than
    those of its training. Turn it off if this machine is too small for the model."""

    def run(self) -> None:
        lms = (*self.lm, *self.specialists)
        for folder in (self.video_tokenizer, self.audio_tokenizer, *lms, self.describer, self.upscaler):
            if folder is not None and not folder.is_dir() and str(folder) not in shipped.names():
                raise RequestError(f"there is no folder {folder}; name the --workdir of a training, or a model")
        check_folder(self.output)
        if self.num_frames is not None and self.num_frames < 1:
            raise RequestError(f"--num-frames is {self.num_frames}; it must be 1 or more")

        from reelm.train.export import ExportPlan, export

        plan = ExportPlan(**{each.name: getattr(self, each.name) for each in fields(ExportPlan)})
        export(plan, self.output)
        print_path(self.output)
