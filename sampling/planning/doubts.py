"""Warnings about given pictures that a model does not know, and about words that do not do what they say.

In: a model and what is given. Out: sentences. Those about a training are left out where it was not recorded.
"""

import re
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from reelm.media.pixels import Frames
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.read import info_of
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Prompt
from reelm.tokenizer.codes import to_device
from reelm.tokenizer.text.words import words_of
from reelm.tokenizer.video.tokenizer import VideoTokenizer

# dB of a given picture as its codes show it. Pictures as in the training of `demo` and `emoji` have 23 and more,
# photographs 21 and less.
_LEAST_PSNR = 22.0

# Marks by which other programs weigh words, load adapters, or choose among words: (words:1.3), <lora:name:1>, {a|b}.
_MARKS = re.compile(r"\([^()]+:\s*\d*\.?\d+\s*\)|<lora:[^<>]*>|\{[^{}|]*\|[^{}]*\}")


def unread_marks(prompts: Sequence[Prompt]) -> list[str]:
    """Return a sentence for each mark of a prompt that other programs obey and no model here does."""
    found = (mark for prompt in prompts for text in _texts(prompt) for mark in _MARKS.findall(text))
    return [
        f"{mark!r} weighs or chooses nothing: all that stands in it counts as words" for mark in dict.fromkeys(found)
    ]


def unknown_pictures(model: ModelParts, conditions: Conditions) -> list[str]:
    """Return a sentence for each given picture that its codes do not show: only what the model knows can be drawn."""
    if not model.language_model().training_domain.has_words:
        return []
    name = model.name
    return [
        f"{name} redraws {called} with what it knows: it has no codes for such a picture"
        for called, picture in conditions.shown.items()
        if _psnr(model.video_tokenizer, picture) < _LEAST_PSNR
    ]


def unheard_words(model: ModelParts, sources: Sources, options: Options, prompts: Sequence[Prompt]) -> list[str]:
    """Return a sentence about a part that is made anew by words that its training had no example of.

    A clip of training is one shot, and has the same words in the part as around it.
    """
    if options.retake is None or not model.language_model().training_domain.has_words:
        return []
    if len(sources.shots) > 1:
        return [f"{model.name} never saw cuts around a part that is made anew: the shots beside it may leak into it"]
    before = _words(info_of(sources.video).get("prompt"))
    if before and any(after and after != before for after in map(_words, prompts)):
        return [f"{model.name} makes a part anew by what is around it: words other than the clip's may change nothing"]
    return []


def _psnr(tokenizer: VideoTokenizer, picture: Frames) -> float:
    """Return the PSNR in dB of a picture that was tokenized and decoded again."""
    height, width = picture.shape[:2]
    codes = jnp.asarray(to_device(tokenizer.encode(picture[None])[:, 0], tokenizer.config.bits))
    # By the program that decodes the first frame of a clip, so nothing more is compiled.
    rebuilt, _ = tokenizer.decode_ahead(codes, tokenizer.init_decode_state(height=height, width=width))
    error = np.square(np.float64(picture) - np.asarray(rebuilt)[0, 0]).mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))


def _words(prompt: object) -> list[str]:
    return [word for text in _texts(prompt) for word in words_of(text)]


def _texts(prompt: object) -> list[str]:
    """Return the texts of a prompt, those of one that changes in order; none for anything else."""
    if isinstance(prompt, str):
        return [prompt]
    return [each[1] for each in prompt] if isinstance(prompt, list | tuple) else []
