"""`reelm evaluate reconstruction`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.cli.checks import check_input, check_output
from reelm.cli.progress import progress
from reelm.errors import RequestError
from reelm.registry import entries

from .report import Digits, check_asked, is_digits, report


@dataclass(frozen=True, kw_only=True)
class EvaluateReconstruction:
    """Score clips that a tokenizer encoded and decoded against the originals.

    Example: reelm evaluate reconstruction --model natural --data films/
    """

    model: str | None = None
    """Shipped model or model folder. Default: natural for a folder of videos, else the one that the data set is for."""
    data: str = "moving_digits"
    """Data set, as `reelm data list` names it, or a folder of videos. For moving_digits_sound and any_sound the audio
    tokenizer is scored; for any_sound Opus is scored, too."""
    clips: int = 200
    """Clips to score. For a folder: clips of each video, spread over its length."""
    split: str = "test"
    """Split of the data set."""
    num_frames: int = 17
    """Frames of a clip, 1 + 4k."""
    size: int = 128
    """Height and width in pixels for a folder of videos: the short side is scaled to it and the centre is cropped."""
    digits: Digits = "auto"
    """Handwriting of moving digits: the compact part of MNIST that ships, or all of MNIST, whose files are in the
    folder `mnist` of REELM_HOME. auto: all where it is there. The output says which it was."""
    i3d: Path | None = None
    """I3D weights for the FVD of a folder of videos: rgb_imagenet.pt of pytorch-i3d, or its tensors as .safetensors.
    FVD depends on the number of clips and frames, so report both with it."""
    sheet: Path | None = None
    """PNG file to write: some clips, their reconstructions, and four times the difference."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        split = "train" if self.split == "train" else "test"
        other = Path(self.data).is_dir() or not is_digits(self.data)
        report(self._scores, self.json, self.digits, split, self.data if other else None)

    def _scores(self) -> dict[str, Any]:
        check_asked(self.model, self.clips, self.num_frames)
        if self.sheet is not None:
            check_output(self.sheet, (".png",))
        of_folder = Path(self.data).is_dir()
        if self.split != "test" and (of_folder or self.data == "moving_digits_sound"):
            raise RequestError(f"--split is for a data set of pictures, which {self.data} is not")
        if self.i3d is not None:
            check_input(self.i3d)
            if not of_folder:
                raise RequestError(f"--i3d is for a folder of videos, which {self.data} is not")

        import reelm
        from reelm.evaluation import reconstruction
        from reelm.evaluation import sound as evaluate_sound
        from reelm.evaluation.features import i3d, lpips

        i3d_params = None if self.i3d is None else i3d.load(self.i3d)
        brought = entries("DATA_SETS").get(self.data.partition("/")[0])
        usual = "natural" if of_folder else None if brought is None else brought.model
        model = reelm.load(self.model or usual)
        if self.data in (special := entries("RECONSTRUCTIONS")):
            with progress("clips") as shown:
                return special[self.data].load()(model, clips=self.clips, split=self.split, progress=shown)
        if self.data == "moving_digits_sound":
            if model.audio_tokenizer is None:
                raise RequestError(f"the model {model.name!r} has no audio tokenizer")
            with progress("clips") as shown:
                heard = {"clips": self.clips, "num_frames": self.num_frames}
                return evaluate_sound.reconstruction(model.audio_tokenizer, progress=shown, **heard)
        tokenizer = model.video_tokenizer
        if not lpips.available():
            print(f"without LPIPS: {lpips.how_to_fetch()}", file=sys.stderr)
        settings: dict[str, Any] = {"clips": self.clips, "num_frames": self.num_frames, "sheet": self.sheet}
        if of_folder:
            with progress("files") as shown:
                scores = reconstruction.of_footage(
                    tokenizer, Path(self.data), side=self.size, i3d_params=i3d_params, progress=shown, **settings
                )
        else:
            with progress("clips") as shown:
                scores = reconstruction.of_data_set(tokenizer, self.data, split=self.split, progress=shown, **settings)
        return scores
