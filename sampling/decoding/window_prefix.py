"""What a context window reads before its codes: the words of its time, given pictures and sound, and the anchor."""

from collections.abc import Sequence

import jax
import numpy as np

from reelm.lm.prefix import Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request, words_at


def window_prefix(
    model: ModelParts, request: Request, first: int, now: int, frames: int, anchor: jax.Array | None
) -> Prefix:
    """Return the prefix of a window of `frames` latent frames that begins with latent frame `first` of the stream.

    Args:
        now: latent frame that is drawn next; its words are read.
        anchor: int32 `[B, h, w]`, the first latent frame of each clip, for a window that continues a stream.

    Returns:
        One row for each prompt, or for each clip when each has an anchor of its own. With guidance as many rows of the
        negative prompt follow.
    """
    lm, settings, given = model.language_model(), request.settings, request.given
    rows, columns = given.known.shape[1:]
    copies = 1 if first == 0 else len(request.seeds)
    past = None if first == 0 else np.asarray(anchor)
    stride = model.video_tokenizer.config.time_stride

    def of(texts: Sequence[str]) -> Prefix:
        words = prompt_prefix(
            lm.config, lm.text, texts, rows=rows, columns=columns, fps=settings.fps, continues=first > 0
        )
        words = jax.tree.map(lambda leaf: np.repeat(leaf, copies, axis=0), words)
        return given.prefix(words, lm.config, start=first, frames=frames, stride=stride, anchor=past)

    conditional = of([words_at(script, now) for script in request.scripts])
    if not settings.guided:
        return conditional
    negative = of([model.read_as(settings.negative_prompt or "")] * len(request.scripts))
    return Prefix.concatenate([conditional, negative.unconditional()])
