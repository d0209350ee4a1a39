"""Check that a language model generates codes as likely as those of its training, and not noise.

In: a model, and the nats of a code in its training. Out: nothing, or an error. A net can train for days and then make
noise, if decoding differs from training, or if the averaged runs do not continue one another. Its own codes then are
far less likely under the model than those of its training.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.sampling.model import Model

_CLIPS = 4
# Without a caption a clip is less likely than with it, and clips differ. Noise is tens of times less likely.
_MOST, _MARGIN = 2.0, 1.0  # factor of the nats of training, and nats added to that


def check_draws(model: Model, trained: Mapping[str, Any], where: object) -> None:
    """Generate clips without words, and check that their codes are about as likely as those of the training.

    Args:
        model: with a language model.
        trained: metrics of its training: `nats_first` and `nats_later`, for a code of a clip's first latent frame and
            of later ones. Without them nothing is checked.
        where: the training, for messages.

    Raises:
        RequestError: the codes are far less likely, or this machine cannot generate a clip.
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
            "The averaged runs may not continue one another, or weights are damaged; --no-check-draws skips this check"
        )


def nats_of_draws(model: Model, where: object = "the model") -> np.ndarray:
    """Generate clips, and return the mean nats of a code of each latent frame, `[t]`; see `check_draws`."""
    window = 1 + (model.language_model().config.frames - 1) * model.video_tokenizer.config.time_stride
    frames = min(model.defaults.num_frames, window)
    plain: dict[str, Any] = {"temperature": 1.0, "min_p": 0.0, "cfg_min_p": 0.0, "cfg_scale": 1.0}
    try:
        clips = [model.generate(seed=seed, num_frames=frames, **plain) for seed in range(_CLIPS)]
    except RequestError as error:
        raise RequestError(
            f"{where} cannot generate a clip on this machine ({error}); --no-check-draws skips this check"
        ) from error
    return -np.mean([model.score(clip) for clip in clips], axis=(0, 2, 3))
