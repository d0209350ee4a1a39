"""Play: a clip without end that is steered while it is made, latent frame by latent frame.

Comes in: keys, or words, for each latent frame. Goes out: the latent frame's pictures. Nothing is drawn ahead, since
nobody knows yet which key comes next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from reelm.lm.control.field import control_field
from reelm.lm.control.keys import keys_field
from reelm.media.clip import Clip
from reelm.sampling.decoding.window_plan import StreamPlan
from reelm.sampling.decoding.windows import LatentFrame, latent_frames

from .generate import stream
from .planning.stream_plan import shot_plan
from .request import Request


class PlaySession:
    """A clip that is played. `Model.play` makes one.

    Args:
        request: an endless one of one clip.
        source: makes the latent frames of a plan, where it is decoded together with others.

    Attributes:
        keys: names of the keys of this world; empty for a model that is steered by words alone.
        beginning: what comes before the first step: the picture or the recording that it begins with, or a picture that
            is drawn.
    """

    def __init__(self, request: Request, source: Callable[[StreamPlan], Iterator[LatentFrame]] | None = None):
        lm = request.model.language_model()
        config = lm.config
        self.keys: tuple[str, ...] = config.keys
        self._model, self._request, self._shots = request.model, request, list(request.stream.shots)
        self._asked: Sequence[str] | None = None  # keys of the next latent frame; None where no key makes it
        self._field, self._grid = request.conditions.control(0, config), request.conditions.known.shape[1:]
        # Decoding asks once the keys are known.
        control = (lambda now, first: self._field) if self.keys else None
        plan = replace(request.stream, shots=self._shots, control=control)
        frames = latent_frames(lm, plan) if source is None else source(plan)
        self._pieces = stream(request, frames, ahead=False)
        self._made = 0
        self.beginning = Clip.join([self._begin(at) for at in range(max(1, len(request.conditions.known)))])

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
        held = self._model.held(keys) if keys or self.keys else None
        if prompt is not None:
            words = self._model.read_as(prompt)
            fps, conditions = self._request.settings.fps, self._request.conditions
            self._shots.append(shot_plan(self._model, [words], self._made, fps, conditions))
        self._asked = keys
        if held is not None:
            channels = self._model.language_model().config.channels
            self._field = control_field(channels, {"keys": keys_field(held[None], np.array([True]))}, 1, self._grid)

    def take(self) -> Clip:
        """Make the latent frame that was asked for."""
        [clip] = next(self._pieces)
        self._made += 1
        keys = [] if self._asked is None else [list(self._asked)]
        return replace(clip, info=clip.info | {"keys": keys}) if self.keys else clip

    def _begin(self, at: int) -> Clip:
        """Return a latent frame of the beginning, whose keys are those of the recording, if any."""
        self._field = self._request.conditions.control(at, self._model.language_model().config)
        return self.take()
