"""From what a user asks to a request that can be decoded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.read import conditions, summary

from . import best_of as best
from .describe import describe
from .parts import ModelParts
from .request import Prompt, Request, Script
from .settings import Settings

_CONDITIONS = ("image", "last_image", "keyframes", "video", "mask", "audio")
_DIALS = ("temperature", "top_k", "top_p", "negative_prompt", "decoding")


def request(
    model: ModelParts,
    prompt: Prompt | list[str] | None,
    num_frames: int | None,
    options: Mapping[str, Any],
    *,
    endless: bool = False,
) -> Request:
    """`options` holds the other arguments of `Model.generate`, all of them; `endless` is what `num_frames` None means.

    Raises:
        RequestError: something that cannot be met; the message says what would be.
    """
    defaults, tokenizer, lm = model.defaults, model.video_tokenizer, model.language_model()
    frames = lm.config.frames
    batch = isinstance(prompt, list) and _is_batch(prompt)
    prompts: list[Prompt] = prompt if batch else [prompt or ""]  # type: ignore[assignment, list-item]
    seed, samples, stride = options["seed"], options["num_samples"], tokenizer.config.time_stride
    if num_frames is not None and num_frames < 1:
        raise RequestError(f"num_frames is {num_frames}; a clip has 1 frame or more")
    if samples < 1:
        raise RequestError(f"num_samples is {samples}; it must be at least 1")
    if not 0 <= seed <= 2**32 - samples:
        raise RequestError(f"a seed lies in 0 ... 2^32 - 1; these run from {seed} to {seed + samples - 1}")
    best_of = options["best_of"]
    if best_of < 1:
        raise RequestError(f"best_of is {best_of}; it must be at least 1")
    if best_of > 1 and endless:
        raise RequestError("best_of chooses among whole clips, and a stream gives pieces of one: use generate")
    fps = options["fps"] or defaults.fps
    scripts = [[(at, model.read_as(words)) for at, words in _script(each, fps, stride)] for each in prompts]
    size = {"height": options["height"] or defaults.height, "width": options["width"] or defaults.width, "fps": fps}
    asked = {name: options[name] for name in _CONDITIONS}
    if model.soundtrack is not None:
        model.soundtrack.check_fps(fps)
    default = None if endless else min(defaults.num_frames, model.longest)
    given = conditions(tokenizer, model.soundtrack, **size, num_frames=num_frames, default=default, **asked)
    length = given.num_frames
    overlap = round(options["overlap"] * fps / stride)
    slides = length is None or length > model.longest or any(len(script) > 1 for script in scripts)
    if slides and not 1 <= overlap < frames:
        least, most = stride / fps, (frames - 1) * stride / fps
        raise RequestError(f"overlap is {options['overlap']} seconds; windows overlap by {least:g} to {most:g}")
    scale = defaults.cfg_scale if options["cfg_scale"] is None else options["cfg_scale"]
    latent_frames = None if length is None else model.latent_frames(length)
    about = summary(asked) | {"overlap": options["overlap"]}  # at the edge an overlap is in seconds, as it was asked
    _check_tasks(model, length, scripts, given)
    dubs = model.soundtrack is not None and not given.draws_pictures(latent_frames)
    told = any(map(_says, scripts)) or given.tells_pictures(latent_frames)
    describable = model.describer is not None and (dubs or given.heard or len(given.known) > 0)
    if describable and not all(map(_says, scripts)):
        # What a thing is called is learned from words, not seen in its picture or heard in its sound; and what goes on
        # stays the same thing for longer when it is called by its name.
        about["described"] = describe(model, given.known, given.sound, fps=fps)
        scripts = [script if _says(script) else [(0, about["described"])] for script in scripts]
        told |= dubs  # what is heard alone leaves open how it looks
    settings = Settings(
        num_frames=length,
        cfg_scale=tuple(scale) if isinstance(scale, Sequence) else (scale,),
        min_p=(defaults.min_p if told else 0.0) if options["min_p"] is None else options["min_p"],
        overlap=overlap,
        **size,
        **{name: options[name] for name in _DIALS},
    )
    if best_of > 1 and "described" not in about:
        best.check(model, [script[0][1] for script in scripts], given)
    seeds = [each for asked_seed in range(seed, seed + samples) for each in best.seeds_of(asked_seed, best_of)]
    return Request(batch or samples > 1, prompts, scripts, seeds, best_of, settings, given, about)


def _check_tasks(model: ModelParts, num_frames: int | None, scripts: Sequence[Script], given: Conditions) -> None:
    """RequestError when the model was not trained for what is asked."""
    trained = model.language_model().tasks
    if "continues" not in trained:
        if num_frames is None or num_frames > model.longest:
            raise RequestError(
                f"{model.name!r} was not trained to go on for ever; ask for 1 to {model.longest} num_frames, "
                f"not {num_frames or 'an endless clip'}"
            )
        if any(len(script) > 1 for script in scripts):
            raise RequestError(f"{model.name!r} was not trained to go on with other words; give one prompt")
    if "frames" not in trained and given.pictures:
        raise RequestError(f"{model.name!r} was not trained to show given frames after the first; give an image alone")
    if "hears" not in trained and given.heard:
        raise RequestError(f"{model.name!r} was not trained to make pictures for a sound; leave audio out")
    if "fills" not in trained and given.masked is not None:
        raise RequestError(f"{model.name!r} was not trained to fill in parts of a clip; leave the mask out")


def _is_batch(prompt: list) -> bool:
    if not prompt:
        raise RequestError("the list of prompts is empty; give at least one")
    kinds = {isinstance(each, str) for each in prompt}
    if len(kinds) > 1 or not (True in kinds or all(isinstance(each, tuple) and len(each) == 2 for each in prompt)):
        raise RequestError("a list of prompts holds strings, or (seconds, words) pairs of one prompt that changes")
    return True in kinds


def _says(script: Script) -> bool:
    """Whether there are words in it."""
    return any(words.strip() for _, words in script)


def _script(prompt: Prompt, fps: float, stride: int) -> Script:
    """Words by the latent frame that they begin with."""
    if isinstance(prompt, str):
        return [(0, prompt)]
    times = [seconds for seconds, _ in prompt]
    if times[0] != 0 or times != sorted(set(times)):
        raise RequestError(f"a prompt that changes starts at 0 seconds and goes on in order, not at {times}")
    # Latent frame i > 0 begins with frame 1 + stride * (i - 1).
    return [(int(np.ceil((seconds * fps - 1) / stride)) + 1 if seconds else 0, words) for seconds, words in prompt]
