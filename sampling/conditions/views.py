"""What a camera sees of the first frame of each clip, as codes: found once, when that frame is there.

In: where the camera looks, and the codes of the clips' first latent frames. Out: their part of structure in the control
field.
"""

import jax
import numpy as np

from reelm.lm.control.structure import view_field
from reelm.lm.net.config import LMConfig
from reelm.media.view import seen_of
from reelm.tokenizer.codes import to_host
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions


class Views:
    """The views of the clips of a stream. A shot that a camera of its own sees has views of its own."""

    def __init__(self, tokenizer: VideoTokenizer, config: LMConfig):
        self._tokenizer, self._config = tokenizer, config
        self._found = dict[int, np.ndarray]()  # by their cameras, which the conditions of the stream keep

    def of(self, conditions: Conditions, now: int, first: jax.Array | None) -> np.ndarray | None:
        """Return the part of structure float32 `[B, h, w, c]` of latent frame `now`; None where no view is shown.

        first: ids `[B, h, w]` on the device, the first latent frame of each clip; None before it is there.
        """
        if conditions.camera is None or first is None or now == 0:
            return None
        if id(conditions.camera) not in self._found:
            self._found[id(conditions.camera)] = self._fields(conditions.camera, first)
        fields = self._found[id(conditions.camera)]
        return fields[:, min(now, fields.shape[1] - 1)]

    def _fields(self, camera: np.ndarray, first: jax.Array) -> np.ndarray:
        """Return the part of structure float32 `[B, t, h, w, c]` of the latent frames that a camera moves through."""
        frames = self._tokenizer.decode(to_host(first, self._config.bits)[:, None])[:, 0]
        fields = []
        for frame in frames:  # one by one: a camera may move for a minute
            codes = self._tokenizer.encode(seen_of(frame, camera))[0]
            fields.append(view_field(codes, self._config.structures, self._config.bits))
        return np.stack(fields)
