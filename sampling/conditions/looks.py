"""References at the places where a draft of a picture has subjects, as codes of their mattes.

In: references, and a draft of each clip's latent frame. Out: their part of structure in the control field. A draft does
not say which subject is which reference: the largest is taken for the first one that the words name.
"""

from collections.abc import Iterator

import jax
import numpy as np

from reelm.lm.control.structure import looks_at, looks_field
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.media.pixels import Frames
from reelm.media.portrait import placed, subjects
from reelm.tokenizer.codes import to_host
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions, names


class Looks:
    """The references of a stream's shots, at their places."""

    def __init__(self, tokenizer: VideoTokenizer, config: LMConfig):
        self._tokenizer, self._config = tokenizer, config

    def of(self, conditions: Conditions, words: Prefix, draft: jax.Array) -> np.ndarray:
        """Return the part of structure float32 `[B, h, w, c]` of the latent frame that was drafted.

        Args:
            conditions: have the references of its shot.
            words: of the shot, a row for each prompt.
            draft: ids `[B, t, h, w]` on the device: the draft of each clip, behind the latent frame before it if any.
        """
        ids = to_host(draft, self._config.bits)
        copies = len(ids) // len(words.words)
        named = {number: np.repeat(names(words, number, self._config), copies) for number in conditions.references}
        fields = []
        # One by one, so that a clip is what it is alone.
        for clip, codes in enumerate(ids):
            frame = self._tokenizer.decode(codes[None])[0, -1]
            numbers = np.array([number for number in sorted(named) if named[number][clip]])
            shown = list(self._placed(conditions, numbers, frame))
            looks = np.stack(shown) if shown else np.zeros((0, *codes.shape[1:]), np.int64)
            fields.append(looks_field(looks, numbers[: len(shown)], self._config.structures, self._config.bits))
        return np.stack(fields)

    def _placed(self, conditions: Conditions, numbers: np.ndarray, frame: Frames) -> Iterator[np.ndarray]:
        """Yield the codes `[h, w]` of mattes where a frame has subjects, or -1: one of each, as far as they go."""
        for number, box in zip(numbers.tolist(), subjects(frame), strict=False):
            picture, where = placed(conditions.references[number].picture, box, *frame.shape[:2])
            yield looks_at(self._tokenizer.encode(picture[None, None])[0], where[None])[0]
