"""From what a user asks to a request that can be decoded.

In: a model, a prompt, sources, options. Out: a `Request` with the model's defaults filled in, or a RequestError.
"""

import os
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.lm.control.sources import Source
from reelm.lm.language_model import LanguageModel
from reelm.lm.scope import outside
from reelm.lm.tasks import Task
from reelm.media.limits import check_size
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.read import read_conditions
from reelm.sampling.conditions.references import check_names, encode_references
from reelm.sampling.conditions.shots import of_shots
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.conditions.steering import steering
from reelm.sampling.conditions.storyboard import Shot
from reelm.tokenizer.device_memory import gibibytes

from . import best_of
from .describe import describe
from .options import Options
from .parts import ModelParts
from .request import Prompt, Request, Script, Settings, Stretch
from .specialists import Asked, able
from .stream_plan import stream_plan

_STIRRED = (3.0, 0.25)  # times the guidance beyond 1 and min_p, where a motion score speaks
_NEVER = 1 << 52  # a frame that no clip comes to
_LATER: Set[Source] = frozenset(("camera", "motion"))  # say nothing of the first picture


def plan(
    model: ModelParts,
    prompt: Prompt | list[str] | None,
    sources: Sources,
    options: Options,
    *,
    endless: bool = False,
) -> Request:
    """Return the request for a prompt; `endless` says that `num_frames` None asks for a clip without end.

    Raises:
        RequestError: something that cannot be made; the message says what can. With `strict` also what the training
            of the model never saw.
    """
    if endless and options.best_of > 1:
        raise RequestError("best_of chooses among whole clips, and a stream gives pieces of one: use generate")
    fps = options.fps or model.defaults.fps
    listed, prompts = _prompts(prompt)
    if sources.shots:
        prompts, options = _told(prompts, sources.shots, options, fps)
    asked = [_script(model, each, fps, sources.shots) for each in prompts]
    # One that does not fit is refused before work begins.
    negative = model.read_as(options.negative_prompt or "", written=False)
    size, clips = _size(model, options), len(prompts) * options.num_samples * options.best_of
    frames = options.num_frames or model.defaults.num_frames
    _check_clips(clips, None if endless else frames, *_shown(model, options))
    if options.retake is not None and sources.shots:
        options = replace(options, retake=_of_shots(model, asked[0], sources.shots, options.retake, fps))
    conditions = _conditions(model, sources, options, endless)
    model, opened_by = _drawn_by(model, _asked(model, asked, conditions, sources, options), conditions)
    _check_names(model, prompts, sources)
    steered = steering(model, sources, options, conditions, size["fps"])
    conditions = replace(conditions, steering=steered.parts, camera=steered.camera)
    begins = [stretch.begins for stretch in asked[0]] if sources.shots else []
    told = of_shots(model, sources.shots, begins, conditions, **size)
    overlap = model.defaults.overlap if options.overlap is None else options.overlap
    latent_overlap = _latent_overlap(model, asked, conditions, overlap, fps)
    amiss = [[*_amiss(model, each, size), *steered.warnings] for each in prompts]
    if options.strict and any(amiss):
        raise RequestError("; ".join(dict.fromkeys(sentence for each in amiss for sentence in each)))
    described = _description(model, asked, conditions, fps)
    words = [described is None or bool(told) or _has_words(script) for script in asked]
    scripts = [script if said else [Stretch(0, described or "")] for script, said in zip(asked, words, strict=True)]
    if options.best_of > 1 and described is None:
        best_of.check(model, [script[0].words for script in scripts], conditions)
    settings, seeds = _settle(model, options, asked, conditions, described is not None, latent_overlap), _seeds(options)
    return Request(
        model=model,
        many=listed or options.num_samples > 1,
        prompts=prompts,
        scripts=scripts,
        seeds=seeds,
        settings=settings,
        conditions=conditions,
        stream=stream_plan(model, scripts, negative, seeds, settings, conditions, told, opened_by),
        sources=sources.summary(),
        described=described,
        warnings=amiss,
    )


def _prompts(prompt: Prompt | list[str] | None) -> tuple[bool, list[Any]]:
    """Return whether they came as a list, and the prompts."""
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


def _amiss(model: ModelParts, prompt: Prompt, size: dict[str, Any]) -> list[str]:
    """Return what of a prompt, a size and a frame rate the training of the model never saw."""
    texts = [prompt] if isinstance(prompt, str) else [words for _, words in prompt]
    lm = model.language_model()
    said = {text: lm.text.words(text) for text in texts}
    return outside(model.name, lm.scope, said, **size, likeness=model.likeness)


def _is_time(seconds: Any) -> bool:
    return isinstance(seconds, int | float | np.number) and bool(0 <= seconds < np.inf)


def _told(
    prompts: Sequence[Prompt], shots: Sequence[Shot], options: Options, fps: float
) -> tuple[list[Prompt], Options]:
    """Return the prompt that a storyboard is, and the options with the length of its clip."""
    if prompts != [""]:
        raise RequestError("a storyboard says what is to be seen; leave the prompt out")
    if options.num_frames is not None:
        raise RequestError("the shots of a storyboard say how long the clip is; leave num_frames out")
    ends = np.round(np.cumsum([shot.seconds for shot in shots]), 9).tolist()
    told = tuple((begin, shot.prompt) for begin, shot in zip([0.0, *ends], shots, strict=False))
    return [told], replace(options, num_frames=1 + round(ends[-1] * fps))


def _script(model: ModelParts, prompt: Prompt, fps: float, shots: Sequence[Shot] = ()) -> Script:
    """Return the stretches of a prompt, in the words that the language model reads; `shots` are those it tells of."""
    if isinstance(prompt, str):
        return [Stretch(0, model.read_as(prompt))]
    times = [seconds for seconds, _ in prompt]
    if times[0] != 0 or times != sorted(set(times)):
        raise RequestError(f"a prompt that changes starts at 0 seconds and goes on in order, not at {times}")
    stride = model.video_tokenizer.config.time_stride
    # Latent frame i > 0 begins with frame 1 + stride * (i - 1).
    begins = [int(np.ceil((min(seconds * fps, _NEVER) - 1) / stride)) + 1 if seconds else 0 for seconds in times]
    if not shots:
        return [Stretch(at, model.read_as(words)) for at, (_, words) in zip(begins, prompt, strict=True)]
    ends = [*begins[1:], model.latent_frames(1 + round(sum(shot.seconds for shot in shots) * fps))]
    if short := [number for number, span in enumerate(zip(begins, ends, strict=True)) if span[0] >= span[1]]:
        seconds, least = shots[short[0]].seconds, stride / fps
        raise RequestError(f"shot {short[0] + 1} takes {seconds:g} seconds; a shot takes {least:g} or more")
    return [
        Stretch(at, model.read_as(words), cut=shot.cut and number > 0, shot=number)
        for number, (at, (_, words), shot) in enumerate(zip(begins, prompt, shots, strict=True))
    ]


def _of_shots(
    model: ModelParts, script: Script, shots: Sequence[Shot], times: Sequence[float], fps: float
) -> Sequence[float]:
    """Return the seconds of a retake. An end that a shot has, too, is where that shot really begins or ends."""
    said = np.cumsum([0.0, *(shot.seconds for shot in shots)])
    frames = [model.video_tokenizer.config.frames_of(stretch.begins) if stretch.begins else 0 for stretch in script]
    real = [*(frame / fps for frame in frames), said[-1] + 1 / fps]
    near = {round(float(end), 6): begin for end, begin in zip(said, real, strict=True)}
    return tuple(near.get(round(each, 6), each) for each in times)


def _check_names(model: ModelParts, prompts: Sequence[Prompt], sources: Sources) -> None:
    """RequestError unless the words name the references that are given. A model without references reads no names."""
    if not model.language_model().config.references:
        return
    own = [shot for shot in sources.shots if shot.references]
    for shot in own:
        check_names([shot.prompt], len(shot.references or ()))
    told = [shot.prompt for shot in sources.shots if not shot.references]
    for prompt in () if sources.shots else prompts:
        told += [prompt] if isinstance(prompt, str) else [words for _, words in prompt]
    check_names(told, len(sources.references or ()))


def _size(model: ModelParts, options: Options) -> dict[str, Any]:
    """Return height, width and frame rate."""
    return {name: getattr(options, name) or getattr(model.defaults, name) for name in ("height", "width", "fps")}


def _shown(model: ModelParts, options: Options) -> tuple[int, int]:
    """Return height and width of the frames that come back; RequestError where the model cannot enlarge them."""
    size = _size(model, options)
    check_size("a clip", size["height"], size["width"])
    if options.upscale is None:
        return size["height"], size["width"]
    model.enlarger()
    return size["height"] * options.upscale, size["width"] * options.upscale


def _conditions(model: ModelParts, sources: Sources, options: Options, endless: bool) -> Conditions:
    """Return the sources as codes, and with them the length of the clip."""
    size = _size(model, options)
    if model.soundtrack is not None:
        model.soundtrack.check_fps(size["fps"])
    default = None if endless else min(model.defaults.num_frames, model.longest)
    num_frames = options.num_frames
    if sources.keys is not None and sources.video is None and num_frames is None and not endless:
        num_frames = model.video_tokenizer.config.frames_of(1 + len(sources.keys))
    seconds = options.retake
    times = None if seconds is None else list(zip(seconds[::2], seconds[1::2], strict=True))
    conditions = read_conditions(
        model.video_tokenizer, model.soundtrack, sources, **size, num_frames=num_frames, default=default, retake=times
    )
    if sources.references:
        codes = encode_references(model.video_tokenizer, sources.references, size["height"], size["width"])
        conditions = replace(conditions, references=codes)
    return conditions


def _asked(
    model: ModelParts, scripts: Sequence[Script], conditions: Conditions, sources: Sources, options: Options
) -> Asked:
    """Return what a request takes of its language model."""
    takes: dict[Task, bool] = {
        "retakes": conditions.drawn is not None,
        "shows": bool(sources.references) or any(shot.references for shot in sources.shots),
        "cuts": any(stretch.cut for script in scripts for stretch in script),
        "continues": _slides(model, scripts, conditions) and "plays" not in model.language_model().tasks,
        "frames": bool(conditions.pictures),
        "hears": conditions.sound_in_prefix and conditions.drawn is None,
        "fills": conditions.masked is not None,
    }
    speaks: dict[Source, bool] = {
        "tracks": sources.tracks is not None or any(shot.tracks for shot in sources.shots),
        "structure": sources.control is not None,
        "camera": sources.camera is not None or any(shot.camera for shot in sources.shots),
        "motion": options.motion is not None,
    }
    return Asked([task for task, taken in takes.items() if taken], [each for each, does in speaks.items() if does])


def _drawn_by(model: ModelParts, asked: Asked, conditions: Conditions) -> tuple[ModelParts, ModelParts | None]:
    """Return the model with the language model that draws a request alone; the model itself where that is its first.

    And that with the one that draws the first picture, where this is another: whatever a camera does, its first view is
    the whole picture, and motion comes after it. So where these alone steer, the first picture is that of the words,
    drawn by the language model that knows most of them.
    """
    draws, opens = (
        able(model.name, model.language_models, each, longest=model.longest)
        for each in (asked, asked._replace(controls=[each for each in asked.controls if each not in _LATER]))
    )

    def of(lm: LanguageModel) -> ModelParts:
        return model if lm is model.lm else replace(model, lm=lm, specialists=())

    return of(draws), None if opens is draws or len(conditions.known) else of(opens)


def _slides(model: ModelParts, scripts: Sequence[Script], conditions: Conditions) -> bool:
    """Return whether a clip takes more than one context window."""
    length = conditions.num_frames
    return length is None or length > model.longest or any(len(script) > 1 for script in scripts)


def _latent_overlap(
    model: ModelParts, scripts: Sequence[Script], conditions: Conditions, overlap: float, fps: float
) -> int:
    """Return the overlap of windows in latent frames; RequestError when windows slide and it is none that they can."""
    stride, frames = model.video_tokenizer.config.time_stride, model.language_model().config.frames
    latent_overlap = round(overlap * fps / stride)
    if _slides(model, scripts, conditions) and not 1 <= latent_overlap < frames:
        least, most = stride / fps, (frames - 1) * stride / fps
        raise RequestError(f"overlap is {overlap} seconds; windows overlap by {least:g} to {most:g}")
    return latent_overlap


def _description(model: ModelParts, scripts: Sequence[Script], conditions: Conditions, fps: float) -> str | None:
    """Return the words for prompts without any, found in what is given; None when there is nothing to do or to read.

    What a thing is called is learned from words, not seen in its picture or heard in its sound. And a thing that is
    called by its name stays the same for longer.
    """
    readable = _only_sound_is_drawn(model, conditions) or conditions.sound_in_prefix or len(conditions.known) > 0
    if model.describer is None or not readable or all(map(_has_words, scripts)):
        return None
    return describe(model, conditions.known, conditions.sound, fps=fps)


def _settle(
    model: ModelParts,
    options: Options,
    scripts: Sequence[Script],
    conditions: Conditions,
    described: bool,
    latent_overlap: int,
) -> Settings:
    """Return the options with the model's defaults filled in; `scripts` are those that were asked for."""
    defaults = model.defaults
    # Sound alone leaves open how its pictures look, described or not.
    known = any(map(_has_words, scripts)) or conditions.tells_pictures(_latent_frames(model, conditions))
    known = known or (described and _only_sound_is_drawn(model, conditions)) or bool(model.language_model().config.keys)
    scale = options.cfg_scale
    if scale is None and conditions.sound_in_prefix and not known:
        scale = defaults.sound_cfg_scale
    # The likeliest codes stand still, whatever motion is asked for.
    guided, kept = (1.0, 1.0) if options.motion is None else _STIRRED
    scale = (1 + guided * (np.array(defaults.cfg_scale) - 1)).tolist() if scale is None else scale
    truncation = {name: getattr(defaults, name) if known else 0.0 for name in ("min_p", "cfg_min_p")}
    truncation["min_p"] *= kept
    truncation |= {name: asked for name in truncation if (asked := getattr(options, name)) is not None}
    settled: dict[str, Any] = truncation | {
        "num_frames": conditions.num_frames,
        "cfg_scale": tuple(scale) if isinstance(scale, Sequence) else (scale,),
        "overlap": model.defaults.overlap if options.overlap is None else options.overlap,
        "latent_overlap": latent_overlap,
    }
    return Settings(**vars(options) | _size(model, options) | settled)


def _seeds(options: Options) -> list[int]:
    asked = range(options.seed, options.seed + options.num_samples)
    return [seed for each in asked for seed in best_of.seeds_of(each, options.best_of)]


def _latent_frames(model: ModelParts, conditions: Conditions) -> int | None:
    return None if conditions.num_frames is None else model.latent_frames(conditions.num_frames)


def _only_sound_is_drawn(model: ModelParts, conditions: Conditions) -> bool:
    """Whether all pictures are given, and sound is made for them."""
    return model.soundtrack is not None and not conditions.draws_pictures(_latent_frames(model, conditions))


def _has_words(script: Script) -> bool:
    return any(stretch.words.strip() for stretch in script)


def _check_clips(clips: int, frames: int | None, height: int, width: int) -> None:
    """Check that the pictures of clips that are made together, and come back whole, fit into this machine's memory.

    Args:
        clips: made together.
        frames: of each; None for clips that come in pieces.
        height, width: of the frames, in pixels.

    Raises:
        RequestError: they do not fit.
    """
    needed, there = 2 * 3 * clips * (frames or 1) * height * width, _memory()  # pieces, and all of them joined
    if there is not None and needed > there:
        raise RequestError(
            f"{clips} clips of {frames} frames of {width}x{height} take {gibibytes(needed)}, this machine has "
            f"{gibibytes(there)} of memory; make fewer or shorter clips, or take them piece by piece (stream)"
        )


def _memory() -> int | None:
    """Return the bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
