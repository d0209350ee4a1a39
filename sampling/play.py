"""Play: an endless clip that is steered while it is made, latent frame by latent frame.

In: keys, or words, for each latent frame. Out: the pictures of the latent frame. Nothing is drawn ahead, because the
next keys are not known yet.
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
    """A live session, which makes a clip step by step. `Model.play` returns one.

    Args:
        request: an endless request for one clip.
        source: its latent frames, for a session in a batch. None draws them here.

    Attributes:
        keys: names of the keys of this world; empty for a model that is steered only by words.
        beginning: the clip before the first step: the picture or the recording that was given, or a first picture that
            is drawn.
    """

    def __init__(self, request: Request, source: Stream | BatchSlot | None = None):
        self.keys: tuple[str, ...] = request.lm.config.keys
        self._request, self._made = request, 0
        self._asked: Sequence[str] | None = None  # keys of the next latent frame; None in the beginning
        source = Stream(request.drawer, request.stream) if source is None else source
        self._window, self._pieces = source.window, stream(request, source, ahead=False)
        self.beginning = Clip.join([self.take() for _ in range(max(1, len(request.inputs.conditions.known)))])

    def step(self, keys: Sequence[str] = (), prompt: str | None = None) -> Clip:
        """Make the next latent frame.

        Args:
            keys: names of the keys held in this latent frame, from the session's `keys`; none if the player waits.
            prompt: words from this latent frame on. Default: the words before.

        Returns:
            Its frames as a Clip, whose `info` has the keys, too.

        Raises:
            RequestError: keys that this world does not have, or too many at a time; a prompt that does not fit.
        """
        self.ask(keys, prompt)
        return self.take()

    def ask(self, keys: Sequence[str] = (), prompt: str | None = None) -> None:
        """Set keys and words of the next latent frame; see `step`. A batch may draw it from now on."""
        model, grid = self._request.model, self._request.inputs.conditions.known.shape[1:]
        held = model.held(keys) if keys or self.keys else None
        if prompt is not None:
            self._window.add(later_shot(self._request, model.read_as(prompt), self._made))
        self._asked = keys
        if held is not None:
            channels, field = self._request.lm.config.channels, keys_field(held[None], np.array([True]))
            self._window.hold(control_field(channels, {"keys": field}, 1, grid))

    def take(self) -> Clip:
        """Make the latent frame that was asked for."""
        [clip] = next(self._pieces)
        self._made += 1
        keys = [] if self._asked is None else [list(self._asked)]
        return replace(clip, info=clip.info | {"keys": keys}) if self.keys else clip
