"""Turn prompts and storyboards into scripts: which words apply from which latent frame on.

In: what a user wrote, with times in seconds. Out: the stretches of each clip, in the words that the model reads.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.sampling.conditions.storyboard import Shot
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Prompt, Script, Stretch
from reelm.tokenizer.families import VideoConfig

_NEVER = 1 << 52  # a frame that no clip reaches


def listed_prompts(prompt: Prompt | list[str] | None) -> tuple[bool, list[Any]]:
    """Return whether prompts came as a list, and the prompts."""
    if prompt is None or isinstance(prompt, str):
        return False, [prompt or ""]
    if not isinstance(prompt, list | tuple):
        raise RequestError(
            f"a prompt is a {type(prompt).__name__}; give text, a list of texts, or (seconds, words) pairs"
        )
    if not prompt:
        raise RequestError("the list of prompts is empty; give at least one")
    if isinstance(prompt, list) and all(isinstance(each, str) for each in prompt):
        return True, prompt
    for each in prompt:
        if not isinstance(each, tuple) or len(each) != 2 or not _is_time(each[0]) or not isinstance(each[1], str):
            raise RequestError("a list of prompts holds strings, or (seconds, words) pairs of one prompt that changes")
    return False, [prompt]


def storyboard_prompt(
    prompts: Sequence[Prompt], shots: Sequence[Shot], options: Options, fps: float
) -> tuple[list[Prompt], Options]:
    """Return a storyboard as a prompt that changes, and the options with the length of its clip."""
    if prompts != [""]:
        raise RequestError("the shots of a storyboard have prompts of their own; leave the prompt out")
    if options.num_frames is not None:
        raise RequestError("the shots of a storyboard say how long the clip is; leave num_frames out")
    ends = np.round(np.cumsum([shot.seconds for shot in shots]), 9).tolist()
    prompt = tuple((begin, shot.prompt) for begin, shot in zip([0.0, *ends], shots, strict=False))
    return [prompt], replace(options, num_frames=1 + round(ends[-1] * fps))


def read_script(model: ModelParts, prompt: Prompt, fps: float, shots: Sequence[Shot] = ()) -> Script:
    """Return the stretches of a prompt in the words that the language model reads; RequestError for too many words.

    shots: of the storyboard that the prompt was made from.
    """
    stretches = _stretches(model.video_tokenizer.config, prompt, fps, shots)
    return [replace(stretch, words=model.read_as(stretch.words)) for stretch in stretches]


def _stretches(config: VideoConfig, prompt: Prompt, fps: float, shots: Sequence[Shot]) -> Script:
    if isinstance(prompt, str):
        return [Stretch(0, prompt)]
    times = [seconds for seconds, _ in prompt]
    if times[0] != 0 or times != sorted(set(times)):
        raise RequestError(f"a prompt that changes starts at 0 seconds and goes on in order, not at {times}")
    stride = config.time_stride
    # Latent frame i > 0 begins with frame 1 + stride * (i - 1).
    begins = [int(np.ceil((min(seconds * fps, _NEVER) - 1) / stride)) + 1 if seconds else 0 for seconds in times]
    if not shots:
        return [Stretch(at, words) for at, (_, words) in zip(begins, prompt, strict=True)]
    ends = [*begins[1:], config.latent_frames(1 + round(sum(shot.seconds for shot in shots) * fps))]
    if short := [number for number, span in enumerate(zip(begins, ends, strict=True)) if span[0] >= span[1]]:
        seconds, least = shots[short[0]].seconds, stride / fps
        raise RequestError(f"shot {short[0] + 1} takes {seconds:g} seconds; a shot takes {least:g} or more")
    return [
        Stretch(at, words, cut=shot.cut and number > 0, shot=number)
        for number, (at, (_, words), shot) in enumerate(zip(begins, prompt, shots, strict=True))
    ]


def times_of_shots(
    model: ModelParts, script: Script, shots: Sequence[Shot], times: Sequence[float], fps: float
) -> Sequence[float]:
    """Return the seconds of a retake. A time at which a shot begins becomes the time of that shot's first frame."""
    stated = np.cumsum([0.0, *(shot.seconds for shot in shots)])
    frames = [model.video_tokenizer.config.frames_of(stretch.begins) if stretch.begins else 0 for stretch in script]
    real = [*(frame / fps for frame in frames), stated[-1] + 1 / fps]
    moved = {round(float(time), 6): begin for time, begin in zip(stated, real, strict=True)}
    return tuple(moved.get(round(each, 6), each) for each in times)


def _is_time(seconds: Any) -> bool:
    return isinstance(seconds, int | float | np.number) and bool(0 <= seconds < np.inf)
