"""Conditions of each shot of a storyboard: those of the whole clip, with what is the shot's own.

In: shots, and the latent frames that they begin with. Out: `Conditions` in the time of the clip.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reelm.lm.layout import audio_frames
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts

from .conditions import Conditions
from .references import encode_references
from .sources import Sources
from .steering import steering
from .storyboard import Shot


def of_shots(
    model: ModelParts,
    shots: Sequence[Shot],
    begins: Sequence[int],
    conditions: Conditions,
    *,
    height: int,
    width: int,
    fps: float,
) -> Sequence[Conditions]:
    """Return the conditions of each shot.

    Args:
        model: what is asked.
        shots: of the storyboard.
        begins: latent frame that each begins with.
        conditions: of the whole clip.
        height, width: of the frames, in pixels.
        fps: frames a second.

    Raises:
        RequestError: something that the model does not know, or a picture that cannot be read.
    """
    made = []
    for number, (shot, begin) in enumerate(zip(shots, begins, strict=True)):
        own = conditions
        first = max(n for n in range(number + 1) if n == 0 or shots[n].cut)
        after = min((begins[n] for n in range(number + 1, len(shots)) if shots[n].cut), default=None)
        if conditions.drawn is not None and conditions.drawn[begins[first] : after].all():
            own = _as_in_the_first_place(model, conditions, begins[first])
        if shot.references:
            codes = encode_references(model.video_tokenizer, shot.references, height, width)
            own = replace(own, references=codes)
        if shot.tracks or shot.camera:
            asked = Sources(tracks=shot.tracks, camera=shot.camera)
            steered = steering(model, asked, Options(), replace(conditions, num_frames=None), fps)
            # In training, a frame stands in front of a cut: the latent frame behind it is the second of its clip.
            ahead = max(0, begin - 1)
            parts = {name: _behind(part, ahead) for name, part in steered.parts.items()}
            own = replace(own, steering={**own.steering, **parts})
            if steered.camera is not None:
                own = replace(own, camera=_behind(steered.camera, ahead * conditions.time_stride))
        made.append(own)
    return made


def _as_in_the_first_place(model: ModelParts, conditions: Conditions, begin: int) -> Conditions:
    """Return the conditions of a shot, from latent frame `begin` on, that is made anew as a whole.

    What comes after its end is another shot, and tells nothing of it: so it is made as if nothing were known yet.
    """
    sound = conditions.sound
    if sound is not None:
        sound = sound[: audio_frames(model.language_model().config.sound_frames, begin)]
    return replace(conditions, known=conditions.known[:begin], drawn=None, sound=sound, sound_in_prefix=False)


def _behind(part: np.ndarray, count: int) -> np.ndarray:
    """Return what is asked of latent frames, or frames, `[t, ...]`, that begins so many of them later."""
    return np.concatenate([np.repeat(part[:1], count, axis=0), part])
