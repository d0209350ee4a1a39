"""Decode and tokenize the inputs of a request: the first value of a plan.

In: a model, a prompt, sources, options. Out: `Inputs`, or a RequestError. The language model is chosen later, by these
inputs.
"""

from collections.abc import Sequence
from dataclasses import replace

from reelm.errors import RequestError
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.read import read_conditions
from reelm.sampling.conditions.references import encode_references
from reelm.sampling.conditions.shots import conditions_of_shots
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.conditions.steering import read_steering
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Inputs, Prompt, Script, Stretch, has_words

from .describe import describe
from .doubts import unheard_words, unknown_pictures, unread_marks
from .scripts import listed_prompts, read_script, storyboard_prompt, times_of_shots
from .settings import check_clips


def read_inputs(
    model: ModelParts,
    prompt: Prompt | list[str] | None,
    sources: Sources,
    options: Options,
    *,
    endless: bool,
) -> Inputs:
    """Return the inputs of a request; see `plan`."""
    model.language_model()
    if endless and options.best_of > 1:
        raise RequestError("best_of chooses among whole clips, and a stream gives pieces of one: use generate")
    size = {name: getattr(options, name) or getattr(model.defaults, name) for name in ("height", "width", "fps")}
    options, shots, fps = replace(options, **size), sources.shots, size["fps"]
    listed, prompts = listed_prompts(prompt)
    if shots:
        prompts, options = storyboard_prompt(prompts, shots, options, fps)
    scripts = [read_script(model, each, fps, shots) for each in prompts]
    negative = model.read_as(options.negative_prompt or "")  # refused before work begins if it is too long
    check_clips(model, options, len(prompts), endless=endless)
    if options.retake is not None and shots:
        options = replace(options, retake=times_of_shots(model, scripts[0], shots, options.retake, fps))
    conditions = _conditions(model, sources, options, endless)
    steering, notes = read_steering(model, sources, options, conditions, fps)
    conditions = replace(conditions, steering=steering)
    notes += unknown_pictures(model, conditions)
    notes += unread_marks(prompts)
    notes += unheard_words(model, sources, options, prompts)
    begins = [stretch.begins for stretch in scripts[0]]
    of_shots = conditions_of_shots(model, shots, begins, conditions, fps) if shots else []
    described = _description(model, scripts, conditions, fps)
    return Inputs(
        many=listed or options.num_samples > 1,
        prompts=prompts,
        scripts=[
            script if described is None or shots or has_words(script) else [Stretch(0, described)] for script in scripts
        ],
        described=described,
        has_words=any(map(has_words, scripts)),
        negative=negative,
        options=options,
        conditions=conditions,
        shots=of_shots,
        notes=notes,
        summary=sources.summary(),
    )


def _conditions(model: ModelParts, sources: Sources, options: Options, endless: bool) -> Conditions:
    """Return the sources as codes, with the length of the clip."""
    assert options.height is not None and options.width is not None and options.fps is not None
    if model.soundtrack is not None:
        model.soundtrack.check_fps(options.fps)
    default = None if endless else min(model.defaults.num_frames, model.longest)
    num_frames, seconds = options.num_frames, options.retake
    if sources.keys is not None and sources.video is None and num_frames is None and not endless:
        num_frames = model.video_tokenizer.config.frames_of(1 + len(sources.keys))
    conditions = read_conditions(
        model.video_tokenizer,
        model.soundtrack,
        sources,
        height=options.height,
        width=options.width,
        fps=options.fps,
        num_frames=num_frames,
        default=default,
        retake=None if seconds is None else list(zip(seconds[::2], seconds[1::2], strict=True)),
    )
    if sources.references:
        codes = encode_references(model.video_tokenizer, sources.references, options.height, options.width)
        conditions = replace(conditions, references=codes)
    return conditions


def _description(model: ModelParts, scripts: Sequence[Script], conditions: Conditions, fps: float) -> str | None:
    """Return words for prompts without any, found by the describer in a given clip or sound.

    None if a prompt has words, or if there is nothing to describe. A thing that the words name stays the same for
    longer.
    """
    readable = conditions.sound_in_prefix or len(conditions.known) > 0
    if model.describer is None or not readable or all(map(has_words, scripts)):
        return None
    return describe(model, conditions.known, conditions.sound, fps=fps)
