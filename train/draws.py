"""Whether a language model draws what it learned.

In: a model, and the nats of a code in its training. Out: nothing, or an error. A net can train for days and then make
noise: where decoding computes something else than training did, or where runs were averaged that have no mean. Its own
codes are then far less likely to it than those of its training.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.sampling.model import Model

_CLIPS = 4
# Without words a clip is less likely than under its caption, and clips differ. Noise is tens of times less likely.
_MOST, _MARGIN = 2.0, 1.0  # times the nats of training, and nats beside


def check_draws(model: Model, trained: Mapping[str, Any], where: object) -> None:
    """Draw clips without words, and check that their codes are about as likely as those of the training.

    Args:
        model: with a language model.
        trained: metrics of its training: `nats_first` and `nats_later`, of a code of a clip's first latent frame and of
            the others. Without them nothing is checked.
        where: the training, for messages.

    Raises:
        RequestError: the codes are far less likely, or no clip can be drawn on this machine.
    """
    first = trained.get("nats_first")
    if first is None:
        return
    drawn = nats_of_draws(model, where)
    frames = np.full(len(drawn), trained.get("nats_later", first))
    frames[0] = first
    expected, found = float(frames.mean()), float(drawn.mean())
    if not found <= _MOST * expected + _MARGIN:
        raise RequestError(
            f"{where} makes noise: a code that it draws has {found:.2f} nats, one of its training had {expected:.2f}. "
            "Runs that were averaged may have no mean, or its weights are damaged; --no-check-draws exports it as it is"
        )


def nats_of_draws(model: Model, where: object = "the model") -> np.ndarray:
    """Return the mean nats of a code of each latent frame of clips that a model draws, `[t]`; arguments as above."""
    window = 1 + (model.language_model().config.frames - 1) * model.video_tokenizer.config.time_stride
    frames = min(model.defaults.num_frames, window)
    plain: dict[str, Any] = {"temperature": 1.0, "min_p": 0.0, "cfg_min_p": 0.0, "cfg_scale": 1.0}
    try:
        clips = [model.generate(seed=seed, num_frames=frames, **plain) for seed in range(_CLIPS)]
    except RequestError as error:
        raise RequestError(
            f"{where} can draw no clip on this machine ({error}); --no-check-draws exports it as it is"
        ) from error
    return -np.mean([model.score(clip) for clip in clips], axis=(0, 2, 3))
