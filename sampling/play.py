"""Play: a clip without end that is steered while it is made, latent frame by latent frame.

Comes in: keys, or words, for each latent frame. Goes out: the latent frame's pictures. Nothing is drawn ahead, since
nobody knows yet which key comes next.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reelm.lm.control.field import control_field
from reelm.lm.control.keys import keys_field
from reelm.media.clip import Clip
from reelm.sampling.decoding.continuous import BatchSlot
from reelm.sampling.decoding.windows import Stream

from .generate import stream
from .planning.stream_plan import later_shot
from .request import Request


class PlaySession:
    """A clip that is played. `Model.play` makes one.

    Args:
        request: an endless one of one clip.
        source: makes its latent frames, where it is decoded together with others.

    Attributes:
        keys: names of the keys of this world; empty for a model that is steered by words alone.
        beginning: what comes before the first step: the picture or the recording that it begins with, or a picture that
            is drawn.
    """

    def __init__(self, request: Request, source: Stream | BatchSlot | None = None):
        self.keys: tuple[str, ...] = request.lm.config.keys
        self._request, self._made = request, 0
        self._asked: Sequence[str] | None = None  # keys of the next latent frame; None where no key makes it
        source = Stream(request.drawer, request.stream) if source is None else source
        self._window, self._pieces = source.window, stream(request, source, ahead=False)
        self.beginning = Clip.join([self.take() for _ in range(max(1, len(request.inputs.conditions.known)))])

    def step(self, keys: Sequence[str] = (), prompt: str | None = None) -> Clip:
        """Make the next latent frame.

        Args:
            keys: held while it comes to be, of those in `keys`; none is the player who waits.
            prompt: words from this latent frame on. Default: those before.

        Returns:
            Its frames as a Clip, whose `info` has the keys, too.

        Raises:
            RequestError: keys that this world does not have, or too many at a time; a prompt that does not fit.
        """
        self.ask(keys, prompt)
        return self.take()

    def ask(self, keys: Sequence[str] = (), prompt: str | None = None) -> None:
        """Say what the next latent frame is made with, as `step` takes it. A batch may draw it from now on."""
        model, grid = self._request.model, self._request.inputs.conditions.known.shape[1:]
        held = model.held(keys) if keys or self.keys else None
        if prompt is not None:
            self._window.add(later_shot(self._request, model.read_as(prompt), self._made))
        self._asked = keys
        if held is not None:
            channels, told = self._request.lm.config.channels, keys_field(held[None], np.array([True]))
            self._window.hold(control_field(channels, {"keys": told}, 1, grid))

    def take(self) -> Clip:
        """Make the latent frame that was asked for."""
        [clip] = next(self._pieces)
        self._made += 1
        keys = [] if self._asked is None else [list(self._asked)]
        return replace(clip, info=clip.info | {"keys": keys}) if self.keys else clip
