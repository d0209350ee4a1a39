"""`reelm evaluate likelihood`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.cli.progress import progress

from .report import Digits, check_asked, is_digits, report


@dataclass(frozen=True, kw_only=True)
class EvaluateLikelihood:
    """Measure how likely a model finds clips that it was not trained on, in nats a code and bits a pixel.

    Nothing is generated. Only nats of language models with the same tokenizer can be compared.

    Example: reelm evaluate likelihood --model runs/model --data beach
    """

    model: str | None = None
    """Shipped model or model folder. Default: demo."""
    text_encoder: Path | None = None
    """Folder of the text encoder, for a model folder that does not hold its own."""
    data: str = "moving_digits"
    """Data set, as `reelm data list` names it, or the folder of one that was built."""
    split: str = "test"
    """Split of the data set."""
    clips: int = 200
    """Clips to read, from the first on."""
    num_frames: int | None = None
    """Frames of a clip. Default: its own length, as far as the model reads, 33 for a set that is drawn on demand."""
    digits: Digits = "auto"
    """Handwriting of moving digits; see `reelm evaluate reconstruction`."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        check_asked(self.model, self.clips, self.num_frames)
        split = "train" if self.split == "train" else "test"
        report(self._scores, self.json, self.digits, split, None if is_digits(self.data) else self.data)

    def _scores(self) -> dict[str, Any]:
        import reelm
        from reelm.data.catalog import open_clips
        from reelm.evaluation.scores.likelihood import likelihood

        source = open_clips(self.data, self.split, num_frames=self.num_frames)
        model = reelm.load(self.model, text_encoder=self.text_encoder)
        with progress("clips") as shown:
            return likelihood(model, source, clips=self.clips, progress=shown)
