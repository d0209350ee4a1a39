"""Choose the best of several clips that were drawn for one request.

In: clips, and their request. Out: one clip of each group. The describer scores how well pictures and sound fit the
words. Given pictures are compared as pixels. The language model scores the codes that follow a retake, and a given
sound that the pictures were made for. No score uses the likelihood of the drawn codes themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.outlines import is_blank
from reelm.sampling.conditions.conditions import Conditions

from . import given
from .finishing import Enlarge, finish, steps
from .parts import ModelParts
from .request import Request, Script, words_at

_STEP = 2654435769  # 2^32 over the golden ratio: these seeds are far from each other, and from seed + 1, seed + 2, ...


def seeds_of(seed: int, best_of: int) -> list[int]:
    """Return the seeds of the clips that the clip of `seed` is chosen from; the first is `seed` itself."""
    return [(seed + number * _STEP) % 2**32 for number in range(best_of)]


def check(model: ModelParts, captions: Sequence[str], conditions: Conditions) -> None:
    """Check that there is something to choose a clip by: words and a describer, or a given picture, sound or retake.

    Raises:
        RequestError: there is nothing.
    """
    if conditions.pictures or conditions.sound_in_prefix or conditions.drawn is not None:
        return
    if model.describer is None:
        raise RequestError(f"{model.name!r} has no describer to choose the best clip by; leave best_of out")
    if not all(caption.strip() for caption in captions):
        raise RequestError("best_of chooses by the prompt, pictures at given frames, a sound or a retake; give one")


def fit(model: ModelParts, script: Script, conditions: Conditions, clips: Sequence[Clip]) -> np.ndarray:
    """Return float `[n]`, how well each clip fits; more is better.

    The score is the log-likelihood in nats that the describer gives the words: given the pictures, the mean over a long
    clip, plus given the first sound. For each given picture, the squared error of the clip's frame is subtracted, in
    units of the smallest error among the clips. A blank clip fits worst: the describer hardly penalizes empty pictures.
    """
    fits = np.zeros(len(clips))
    if model.describer is not None and script[0].words.strip():
        for i, clip in enumerate(clips):
            assert clip.tokens is not None
            nats = [model.describer.log_likelihood(words, seen, None) for words, seen in _parts(model, script, clip)]
            fits[i] = np.mean(nats)
            sound = clip.tokens["audio"]
            if sound is not None and model.describer.config.sound_levels:
                fits[i] += model.describer.log_likelihood(script[0].words, None, sound)
    for frame, codes in conditions.pictures.items():
        if frame >= len(clips[0].video):
            continue  # a callback ended the clips before this frame
        wanted = model.video_tokenizer.decode(codes[None, None])[0, 0].astype(np.float32)
        off = np.array([np.mean(np.square(clip.video[frame] - wanted)) for clip in clips])
        fits -= off / max(off.min(), 1e-6)
    return np.where([is_blank(clip.video) for clip in clips], -np.inf, fits)


def _parts(model: ModelParts, script: Script, clip: Clip) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the words and the codes int32 `[t, h, w]` of each part of a clip that the describer reads at once."""
    assert model.describer is not None and clip.tokens is not None and clip.tokens["video"] is not None
    codes, length = clip.tokens["video"], model.describer.config.frames
    stride = model.video_tokenizer.config.time_stride
    yield words_at(script, 0), codes[:length]
    for first in range(length, len(codes) - length + 1, length):
        # In training every clip begins with a single frame, so each part is given one.
        begins = model.video_tokenizer.encode(clip.video[stride * first : stride * first + 1])[0]
        yield words_at(script, first), np.concatenate([begins, codes[first + 1 : first + length]])


def fittest(request: Request, clips: Sequence[Clip]) -> list[Clip]:
    """Return the best clip of each group of `best_of` clips.

    Its `Clip.info` has the seed of the request; "drawn_seed" is the seed that draws the same clip without `best_of`.
    """
    settings, chosen, conditions = request.choice.settings, [], request.inputs.conditions
    size = settings.best_of
    scripts = [script for script in request.inputs.scripts for _ in request.choice.seeds[::size]]
    nats = given.log_likelihoods(request, clips)
    for i, script in enumerate(scripts):
        part = slice(i * size, (i + 1) * size)
        group = clips[part]
        best = group[int((fit(request.model, script, conditions, group) + nats[part]).argmax())]
        if (scale := settings.upscale) is not None:  # only the chosen clip is enlarged
            larger = steps(enlarge=Enlarge(request.model.enlarger(), scale))
            best = replace(best, video=finish(larger, best.video[None])[0])
        info = {"seed": group[0].info["seed"], "best_of": size, "drawn_seed": best.info["seed"]}
        chosen.append(replace(best, info=best.info | info))
    return chosen
