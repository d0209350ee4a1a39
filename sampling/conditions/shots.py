"""Conditions of each shot of a storyboard: those of the clip, with the shot's own references, tracks and camera.

In: shots, and the latent frames that they begin with. Out: `Conditions`, with times counted from the clip's start.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reelm.lm.layout import audio_frames
from reelm.sampling.parts import ModelParts

from .conditions import Conditions
from .references import encode_references
from .steering import read_path, read_points
from .storyboard import Shot


def conditions_of_shots(
    model: ModelParts, shots: Sequence[Shot], begins: Sequence[int], conditions: Conditions, fps: float
) -> list[Conditions]:
    """Return the conditions of each shot.

    Args:
        model: the model.
        shots: of the storyboard.
        begins: latent frame that each begins with.
        conditions: of the whole clip.
        fps: frames a second.

    Raises:
        RequestError: a picture that cannot be read.
    """
    made, config = [], model.video_tokenizer.config
    height, width = (count * config.space_stride for count in conditions.known.shape[1:])
    for number, (shot, begin) in enumerate(zip(shots, begins, strict=True)):
        own = conditions
        first = max(n for n in range(number + 1) if n == 0 or shots[n].cut)
        after = min((begins[n] for n in range(number + 1, len(shots)) if shots[n].cut), default=None)
        if conditions.drawn is not None and conditions.drawn[begins[first] : after].all():
            own = _without_later(model, conditions, begins[first])
        if shot.references:
            codes = encode_references(model.video_tokenizer, shot.references, height, width)
            own = replace(own, references=codes)
        # In training, one frame comes before a cut, so the latent frame after the cut is the second of its clip.
        ahead, moves = max(0, begin - 1) * conditions.time_stride, own.steering
        if (points := read_points(shot.tracks, config, None, fps)) is not None:
            moves = replace(moves, tracks=_later(points, ahead, axis=1))
        if (path := read_path(shot.camera, config, None, fps)) is not None:
            moves = replace(moves, camera=_later(path, ahead, axis=0))
        made.append(replace(own, steering=moves))
    return made


def _without_later(model: ModelParts, conditions: Conditions, begin: int) -> Conditions:
    """Return the conditions of a shot that a retake makes anew as a whole, from latent frame `begin` on.

    The next shot says nothing about this one. So this one is made as if nothing from `begin` on were given.
    """
    sound = conditions.sound
    if sound is not None:
        sound = sound[: audio_frames(model.language_model().config.sound_frames, begin)]
    return replace(conditions, known=conditions.known[:begin], drawn=None, sound=sound, sound_in_prefix=False)


def _later(places: np.ndarray, frames: int, axis: int) -> np.ndarray:
    """Return places along an axis of frames, delayed by `frames`; the first place repeats."""
    first = np.take(places, [0], axis=axis)
    return np.concatenate([np.repeat(first, frames, axis=axis), places], axis=axis)
