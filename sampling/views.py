"""What a camera sees of the first frame of each clip, as part of the control field: found once that frame is drawn."""

from dataclasses import dataclass

import numpy as np

from reelm.lm.control.field import last_goes_on, of_source
from reelm.lm.control.structure import view_field
from reelm.lm.net.config import LMConfig
from reelm.media.view import seen_of
from reelm.sampling.decoding.window_plan import ShotPlan
from reelm.tokenizer.video.tokenizer import VideoTokenizer


@dataclass(frozen=True)
class Views:
    """Makes the control field of a shot whose camera is shown what it sees. `config` is of the net that is shown it."""

    tokenizer: VideoTokenizer
    config: LMConfig

    def __call__(self, shot: ShotPlan, codes: np.ndarray) -> np.ndarray:
        """Return the control field float32 `[B, t, h, w, C]` of a shot; see `OnFirstFrame`."""
        assert shot.camera is not None and shot.field is not None
        frames, fields = self.tokenizer.decode(codes[:, None])[:, 0], list[np.ndarray]()
        for frame in frames:  # one by one: a camera may move for a minute
            seen = self.tokenizer.encode(seen_of(frame, shot.camera))[0]
            view = view_field(seen, self.config.structures, self.config.bits)
            field = last_goes_on(shot.field, max(len(view), len(shot.field)))
            of_source(self.config.channels, "structure", field)[:] = last_goes_on(view, len(field))
            fields.append(field)
        return np.stack(fields)
