"""Describe a clip or a sound: find a prompt for it.

In: codes of pictures, of sound, or both. Out: words. The describer says which words are likely. The language model puts
them in the order in which it finds the pictures most likely.
"""

from collections.abc import Sequence

import numpy as np

from reelm.errors import RequestError
from reelm.lm.language_model import LanguageModel
from reelm.lm.likelihood import nats_of
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.parts import ModelParts

_ROWS = 16  # prompts compared in one forward pass; always as many, so that one program is compiled


def describe(model: ModelParts, video: np.ndarray, sound: np.ndarray | None, *, fps: float) -> str:
    """Return the words that fit what is seen and heard; "" where none is likely.

    Args:
        model: with a describer.
        video: int32 `[t, h, w]`, codes of a clip's first latent frames; t is 0 if there is only sound.
        sound: int32 `[S, L]`, codes of the sound from its beginning; None without sound.
        fps: frames a second of the clip.

    Raises:
        RequestError: a model without a describer.
    """
    if model.describer is None:
        raise RequestError(f"{model.name!r} has no describer, so it cannot describe a clip")
    seen = video[: model.describer.config.frames]
    words = model.describer.likely(seen if len(seen) else None, sound)
    return " ".join(_ordered(model.language_model(), seen, words, fps) if len(seen) else words)


def _ordered(lm: LanguageModel, seen: np.ndarray, words: Sequence[str], fps: float) -> list[str]:
    """Return the words in a likely order for pictures `[t, h, w]`: each in turn is inserted at its best place."""
    frames, rows, columns = seen.shape
    video, sound = (np.broadcast_to(part, (_ROWS, *part.shape)) for part in (seen, lm.config.no_track(frames)))
    clips = ClipCodes(video=video, sound=sound)
    ordered: list[str] = []
    for word in words:
        tried = [[*ordered[:place], word, *ordered[place:]] for place in range(len(ordered) + 1)][:_ROWS]
        if lm.text.count(" ".join(tried[0])) > lm.config.text_slots:
            break
        prompts = [" ".join(each) for each in tried] + [""] * (_ROWS - len(tried))
        prefix = prompt_prefix(lm.config, lm.text, prompts, rows=rows, columns=columns, fps=fps)
        nats = np.sum(nats_of(lm.config, lm.params, prefix, clips).video, axis=(1, 2, 3))
        ordered = tried[int(nats[: len(tried)].argmin())]
    return ordered
