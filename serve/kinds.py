"""Which kinds of clips are drawn apart from the others, and how many new kinds a key may ask for.

The first clip of a kind waits until its programs are compiled, which can take longer than the clip. A latent frame of a
large clip takes long each time. So the engine draws both apart.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from threading import Lock

from reelm.sampling.request import Request

_MOST = 128  # kinds that are remembered; the programs of older ones may be dropped
_HOUR = 3600.0
_LARGE = 2.0  # times the pixels of a latent frame of the model's own size


def kind_of(request: Request) -> Hashable:
    """Return what requests with the same programs have in common. Two with the same programs may have two kinds."""
    settings, conditions = request.choice.settings, request.inputs.conditions
    slides = settings.num_frames is None or settings.num_frames > request.model.longest
    numbers = {"height", "width", "decoding", "upscale", "best_of", "control_kind"}
    return (
        request.model.name,
        request.choice.lm,
        request.choice.opened_by,
        tuple(sorted((name, value) for name, value in vars(settings).items() if name in numbers and value is not None)),
        (settings.guided, settings.top_k > 0, settings.retake is not None, slides),
        tuple(sorted({*request.inputs.summary} - {"sha256"})),
        len(conditions.pictures),
    )


def is_large(request: Request) -> bool:
    """Return whether a latent frame takes far longer than one of a clip of the model's own size."""
    settings, usual = request.choice.settings, request.model.defaults
    height, width = settings.shown
    return height * width * len(request.choice.seeds) > _LARGE * usual.height * usual.width


class Kinds:
    """The kinds that are known. Any thread may use it.

    Args:
        an_hour: new kinds that a key may ask for in an hour.
    """

    def __init__(self, an_hour: int):
        self._an_hour, self._lock = an_hour, Lock()
        self._known, self._asked = OrderedDict[Hashable, None](), dict[str, deque[float]]()

    def knows(self, kind: Hashable) -> bool:
        """Return whether the programs of a kind are compiled."""
        with self._lock:
            if kind in self._known:
                self._known.move_to_end(kind)
            return kind in self._known

    def learn(self, kind: Hashable) -> None:
        """Note that the programs of a kind are compiled."""
        with self._lock:
            self._known[kind] = None
            while len(self._known) > _MOST:
                self._known.popitem(last=False)

    def wait_for(self, owner: str, kind: Hashable) -> float:
        """Count a request, and return 0; or return the seconds until its key may ask for another new kind."""
        if not owner or self.knows(kind):
            return 0.0
        with self._lock:
            now, asked = time.monotonic(), self._asked.setdefault(owner, deque())
            while asked and asked[0] <= now - _HOUR:
                asked.popleft()
            if len(asked) >= self._an_hour:
                return asked[0] + _HOUR - now
            asked.append(now)
            return 0.0
