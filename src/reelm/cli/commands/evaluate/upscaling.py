"""`reelm evaluate upscaling`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.cli.checks import check_output
from reelm.cli.progress import progress
from reelm.tokenizer.upscaling.config import check_scale

from .report import check_asked, report


@dataclass(frozen=True, kw_only=True)
class EvaluateUpscaling:
    """Score clips that were shrunk and enlarged again by a model's upscaler, compared with bicubic interpolation.

    Example: reelm evaluate upscaling --model natural --data films/
    """

    model: str | None = None
    """Shipped model or model folder. Default: natural."""
    data: str
    """Data set, as `reelm data list` names it, or a folder of videos, of clips in the larger size."""
    clips: int = 60
    """Clips to score. For a folder: clips in all, spread over the videos."""
    split: str = "test"
    """Split of the data set."""
    num_frames: int | None = None
    """Frames of a clip. Default: its own length, 17 for a folder of videos."""
    scale: int = 2
    """Factor by which clips are shrunk and enlarged: 2 or 4."""
    size: int = 256
    """Height and width in pixels for a folder of videos: the short side is scaled to it and the centre is cropped."""
    sheet: Path | None = None
    """PNG file to write: some clips by bicubic interpolation, by the upscaler, and as they were."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        report(self._scores, self.json, "auto", "test", self.data)

    def _scores(self) -> dict[str, Any]:
        check_asked(self.model, self.clips, self.num_frames)
        check_scale("--scale", self.scale)
        if self.sheet is not None:
            check_output(self.sheet, (".png",))

        import reelm
        from reelm.evaluation import upscaling
        from reelm.evaluation.features import lpips

        model = reelm.load(self.model or "natural")
        if not lpips.available():
            print(f"without LPIPS: {lpips.how_to_fetch()}", file=sys.stderr)
        asked: dict[str, Any] = {"clips": self.clips, "num_frames": self.num_frames, "sheet": self.sheet}
        with progress("clips") as shown:
            asked |= {"scale": self.scale, "progress": shown}
            if Path(self.data).is_dir():
                return upscaling.of_footage(model, Path(self.data), side=self.size, **asked)
            return upscaling.of_data_set(model, self.data, split=self.split, **asked)
