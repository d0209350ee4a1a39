"""From what a user asks to a request that can be decoded.

In: a model, a prompt, sources, options. Out: a `Request` with the model's defaults filled in, or a RequestError.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

from reelm.errors import RequestError
from reelm.lm.control.sources import Source
from reelm.lm.language_model import LanguageModel
from reelm.lm.scope import outside
from reelm.lm.tasks import Task
from reelm.sampling import best_of
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.read import read_conditions
from reelm.sampling.conditions.references import check_names, encode_references
from reelm.sampling.conditions.shots import of_shots
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.conditions.steering import steering
from reelm.sampling.conditions.storyboard import Shot
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Prompt, Request, Script, Stretch

from .describe import describe
from .scripts import listed_prompts, script_of, storyboard_prompt, times_of_shots
from .settings import check_clips, seeds_of, settle, size_of, size_shown
from .specialists import Asked, able
from .stream_plan import stream_plan

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
    listed, prompts = listed_prompts(prompt)
    if sources.shots:
        prompts, options = storyboard_prompt(prompts, sources.shots, options, fps)
    asked = [_script(model, each, fps, sources.shots) for each in prompts]
    # One that does not fit is refused before work begins.
    negative = model.read_as(options.negative_prompt or "", written=False)
    size, clips = size_of(model, options), len(prompts) * options.num_samples * options.best_of
    frames = options.num_frames or model.defaults.num_frames
    check_clips(clips, None if endless else frames, *size_shown(model, options))
    if options.retake is not None and sources.shots:
        options = replace(options, retake=times_of_shots(model, asked[0], sources.shots, options.retake, fps))
    conditions = _conditions(model, sources, options, endless)
    takes = _asked(model, asked, conditions, sources, options)
    model, opened_by = _drawn_by(model, takes, conditions)
    _check_names(model, prompts, sources)
    steered = steering(model, sources, options, conditions, size["fps"])
    conditions = replace(conditions, steering=steered.parts, camera=steered.camera)
    told = of_shots(model, sources.shots, [at.begins for at in asked[0]], conditions, **size) if sources.shots else ()
    latent_overlap = _latent_overlap(model, asked, conditions, options, fps)
    amiss = [[*_amiss(model, each, size), *steered.warnings] for each in prompts]
    if options.strict and any(amiss):
        raise RequestError("; ".join(dict.fromkeys(sentence for each in amiss for sentence in each)))
    described = _description(model, asked, conditions, fps)
    words = [described is None or bool(told) or _has_words(script) for script in asked]
    scripts = [script if said else [Stretch(0, described or "")] for script, said in zip(asked, words, strict=True)]
    if options.best_of > 1 and described is None:
        best_of.check(model, [script[0].words for script in scripts], conditions)
    settings = settle(model, options, conditions, has_words=any(map(_has_words, asked)), latent_overlap=latent_overlap)
    seeds = seeds_of(options)
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


def _script(model: ModelParts, prompt: Prompt, fps: float, shots: Sequence[Shot]) -> Script:
    """Return the stretches of a prompt in the words that the language model reads; RequestError for too many."""
    stretches = script_of(model.video_tokenizer.config, prompt, fps, shots)
    return [replace(stretch, words=model.read_as(stretch.words)) for stretch in stretches]


def _amiss(model: ModelParts, prompt: Prompt, size: dict[str, Any]) -> list[str]:
    """Return what of a prompt, a size and a frame rate the training of the model never saw."""
    texts = [prompt] if isinstance(prompt, str) else [words for _, words in prompt]
    lm = model.language_model()
    said = {text: lm.text.words(text) for text in texts}
    return outside(model.name, lm.scope, said, **size, likeness=model.likeness)


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


def _conditions(model: ModelParts, sources: Sources, options: Options, endless: bool) -> Conditions:
    """Return the sources as codes, and with them the length of the clip."""
    size = size_of(model, options)
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
        "hears": conditions.follows_sound,
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
    model: ModelParts, scripts: Sequence[Script], conditions: Conditions, options: Options, fps: float
) -> int:
    """Return the overlap of windows in latent frames; RequestError when windows slide and it is none that they can."""
    stride, frames = model.video_tokenizer.config.time_stride, model.language_model().config.frames
    overlap = model.defaults.overlap if options.overlap is None else options.overlap
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


def _latent_frames(model: ModelParts, conditions: Conditions) -> int | None:
    return None if conditions.num_frames is None else model.latent_frames(conditions.num_frames)


def _only_sound_is_drawn(model: ModelParts, conditions: Conditions) -> bool:
    """Whether all pictures are given, and sound is made for them."""
    return model.soundtrack is not None and not conditions.draws_pictures(_latent_frames(model, conditions))


def _has_words(script: Script) -> bool:
    return any(stretch.words.strip() for stretch in script)
