"""The renderer: latent frames in, pixels and sound out, for the clips of one request.

Both tokenizers decode as streams, so a latent frame is rendered as soon as it is drawn, and memory does not grow.
"""

from collections.abc import Container
from typing import NamedTuple

import jax
import numpy as np

from reelm.media.pixels import Frames
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.soundtrack import Soundtrack
from reelm.sampling.decoding.windows import LatentFrame
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .finish_sound import SoundFinisher
from .finishing import Enlarge, finish, steps


class Rendering(NamedTuple):
    """A latent frame being rendered: pictures uint8 `[B, n, H, W, 3]` and sound float32 `[B, S, C]`, on the device."""

    video: jax.Array
    sound: jax.Array | None


class Renderer:
    """Renders the latent frames of B clips, in order.

    Args:
        tokenizer: decodes pictures.
        soundtrack: decodes sound; None for a silent model.
        conditions: of the clips; their given pixels and samples are put back.
        clips: B.
        height, width: of the frames, in pixels.
        fps: frames a second.
        length: frames of a clip; None for endless clips.
        cuts: numbers of the latent frames that begin with a cut; they are decoded without those before.
        enlarged: an upscaler and its scale; None leaves frames as they are drawn.

    Attributes:
        done: frames returned so far.
    """

    def __init__(
        self,
        tokenizer: VideoTokenizer,
        soundtrack: Soundtrack | None,
        conditions: Conditions,
        *,
        clips: int,
        height: int,
        width: int,
        fps: float,
        length: int | None,
        cuts: Container[int] = (),
        enlarged: tuple[Upscaler, int] | None = None,
    ):
        size = {"batch": clips, "height": height, "width": width}
        self._tokenizer, self._length, self.done = tokenizer, length, 0
        self._cuts, self._begun = cuts, 0
        if length != 1:
            tokenizer.prepare_decoding(**size)
        self._pictures = tokenizer.init_decode_state(**size)
        if enlarged is not None:
            upscaler, scale = enlarged
            upscaler.prepare(**size, scale=scale)
        self._steps = steps(conditions, None if enlarged is None else Enlarge(*enlarged))
        self._soundtrack = soundtrack
        self._finish_sound = SoundFinisher(soundtrack, conditions.given_sound, clips=clips, fps=fps)
        if soundtrack is not None:
            self._sound = soundtrack.tokenizer.init_decode_state(batch=clips)
            for frames in set(soundtrack.frames if length != 1 else ()):
                soundtrack.tokenizer.prepare_decoding(frames, batch=clips)

    def begin(self, frame: LatentFrame) -> Rendering:
        """Begin to render the next latent frame, without waiting for the device."""
        self._pictures = self._pictures.cut() if self._begun in self._cuts else self._pictures
        self._begun += 1
        video, self._pictures = self._tokenizer.decode_ahead(frame.video, self._pictures)
        sound = None
        if self._soundtrack is not None and frame.sound is not None:
            sound, self._sound = self._soundtrack.tokenizer.decode_ahead(frame.sound, self._sound)
        return Rendering(video, sound)

    def ends(self, rendering: Rendering) -> bool:
        """Return whether the clips end with this latent frame, the oldest that was begun."""
        return self._length is not None and self.done + rendering.video.shape[1] >= self._length

    def finish(self, rendering: Rendering) -> tuple[Frames, np.ndarray | None]:
        """Wait for the oldest latent frame that was begun, and return its pictures and its sound."""
        drawn = np.asarray(rendering.video)
        drawn = drawn if self._length is None else drawn[:, : self._length - self.done]
        frames = finish(self._steps, drawn, self.done)
        begin, self.done = self.done, self.done + drawn.shape[1]
        sound = None if rendering.sound is None else np.asarray(rendering.sound)
        return frames, self._finish_sound(sound, begin, self.done)
