"""Play: a clip without end that is steered while it is made, latent frame by latent frame.

Comes in: keys, or words, for each latent frame. Goes out: the latent frame's pictures. Nothing is drawn ahead, since
nobody knows yet which key comes next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from reelm.errors import RequestError
from reelm.lm.control import held, keys_field
from reelm.lm.tasks import TASKS
from reelm.media.clip import Clip
from reelm.sampling.decoding.window_plan import StreamPlan
from reelm.sampling.decoding.windows import LatentFrame, latent_frames

from .generate import stream
from .parts import ModelParts
from .request import Request
from .stream_plan import shot_plan


class Keys:
    """The keys of a world: what is held in each latent frame, as the control field that decoding asks for.

    names: of the keys.
    at_once: most that may be held.
    """

    def __init__(self, names: tuple[str, ...], at_once: int):
        self.names, self.at_once = names, at_once
        self._now = keys_field(np.zeros((1, len(names)), bool), np.zeros(1, bool))

    def hold(self, keys: Sequence[str] | None) -> None:
        """Hold these keys in the next latent frame; None where nobody knows. RequestError when there are none such."""
        told = keys is not None
        self._now = keys_field(held(self.names, self.at_once, keys or ())[None], np.array([told]))

    def show(self, field: np.ndarray) -> None:
        """Take the control field of the next latent frame as it is."""
        self._now = field

    def field(self, now: int) -> np.ndarray:
        """Return the control field `[1, 1, 1, C]` of the latent frame that is drawn next."""
        return self._now


class PlaySession:
    """A clip that is played. `Model.play` makes one.

    Args:
        model: what draws it.
        request: an endless one of one clip.
        source: makes the latent frames of a plan, where it is decoded together with others.

    Attributes:
        keys: names of the keys of this world; empty for a model that is steered by words alone.
        beginning: what comes before the first step: the picture or the recording that it begins with, or a picture that
            is drawn.
    """

    def __init__(
        self,
        model: ModelParts,
        request: Request,
        source: Callable[[StreamPlan], Iterator[LatentFrame]] | None = None,
    ):
        config = model.language_model().config
        self.keys: tuple[str, ...] = config.keys
        self._model, self._request, self._shots = model, request, list(request.stream.shots)
        self._held = Keys(config.keys, config.keys_at_once) if config.keys else None
        plan = replace(request.stream, shots=self._shots)
        if self._held is not None:
            plan = replace(plan, control=self._held.field)
        frames = latent_frames(model.language_model(), plan) if source is None else source(plan)
        self._pieces = stream(model, request, frames, ahead=False)
        self._made = 0
        self.beginning = Clip.join([self._begin(at) for at in range(max(1, len(request.given.known)))])

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
        if keys:
            check_keys(self._model, keys)
        if prompt is not None:
            words = self._model.read_as(prompt)
            settings, given = self._request.settings, self._request.given
            self._shots.append(shot_plan(self._model, [words], self._made, settings, given))
        self._hold(keys)

    def take(self) -> Clip:
        """Make the latent frame that was asked for."""
        [clip] = next(self._pieces)
        self._made += 1
        keys = [] if self._asked is None else [list(self._asked)]
        return replace(clip, info=clip.info | {"keys": keys}) if self.keys else clip

    def _hold(self, keys: Sequence[str] | None) -> None:
        """Hold keys in the next latent frame; None where no key makes it."""
        self._asked = keys
        if self._held is not None:
            self._held.hold(keys)

    def _begin(self, at: int) -> Clip:
        """Return a latent frame of the beginning, whose keys are those of the recording, if any."""
        self._hold(None)
        if self._held is not None:
            self._held.show(self._request.given.control(at, self._model.language_model().config))
        return self.take()


def check_keys(model: ModelParts, keys: Sequence[str]) -> None:
    """RequestError for keys that no latent frame of a model can be made with."""
    config = model.language_model().config
    if not config.keys:
        raise RequestError(f"{model.name!r} was not trained {TASKS['plays'].refusal}")
    held(config.keys, config.keys_at_once, keys)
