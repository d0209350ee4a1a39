"""Make the clips that judges of steering look at: one by one, counted, some shown on sheets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress
from reelm.sampling.model import Model

_SHEET_ROWS = 16


@dataclass
class Maker:
    """Makes clips.

    Attributes:
        model: what makes them.
        num_frames: of each clip; None for the model's own length.
        seed: of the first clip of a group; the next ones follow.
        sheets: folder for a contact sheet of the first clips of each group; None for no sheets.
        progress: called with the clips made and their number.
        total: clips of all groups.
    """

    model: Model
    num_frames: int | None
    seed: int
    sheets: Path | None
    progress: Progress
    total: int
    done: int = 0

    def one_more(self) -> None:
        """Count a clip."""
        self.done += 1
        self.progress(self.done, self.total)

    def made(self, group: str, words: Sequence[str], steers: Sequence[dict[str, Any]]) -> list[np.ndarray]:
        """Return a clip uint8 `[T, H, W, 3]` for each of the words of a group and what steers it."""
        found = list[np.ndarray]()
        for number, (prompt, given) in enumerate(zip(words, steers, strict=True)):
            clip = self.model.generate(prompt, num_frames=self.num_frames, seed=self.seed + number, **given)
            found.append(clip.video)
            self.one_more()
        if self.sheets is not None:
            self.sheets.mkdir(parents=True, exist_ok=True)
            contact_sheet(found[:_SHEET_ROWS], self.sheets / f"{group.replace(' ', '-')}.png", columns=9)
        return found
