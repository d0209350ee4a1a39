"""Choose the first language model trained for every input of a request, and the settings: the second value of a plan.

In: a model and `Inputs`. Out: a `Choice`, or a RequestError that says what can be made.
"""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from reelm.errors import RequestError
from reelm.lm.control.sources import Source
from reelm.lm.control.speed import beyond
from reelm.lm.language_model import LanguageModel
from reelm.lm.tasks import TASKS, Task
from reelm.lm.training_domain import outside
from reelm.sampling import best_of
from reelm.sampling.conditions.references import check_names
from reelm.sampling.folder import shipped
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Choice, Inputs, Prompt, Script

from .settings import seeds_of, settle

_LATER: Set[Source] = frozenset(("camera", "motion"))  # do not change the first picture
# Sources of control that users know by another name.
_USER_NAMES: Mapping[Source, str] = {"structure": "control clips"}


def choose(model: ModelParts, inputs: Inputs) -> Choice:
    """Return how a request is drawn.

    A camera and a motion score do not change the first picture: every camera begins with the whole view. So the first
    picture may be drawn by the language model for the other inputs, which knows more words.
    """
    asked = _asked(model, inputs)
    draws = able(model, asked)
    opens = able(model, asked._replace(controls=[each for each in asked.controls if each not in _LATER]))
    lm = model.language_models[draws]
    _check(model.name, lm, inputs)
    overlap = _latent_overlap(model, inputs)
    moves = _moves(model, lm, inputs)
    warnings = [
        [*_outside(model, lm, prompt, inputs), *_changes(model.name, lm, script), *moves, *inputs.notes]
        for prompt, script in zip(inputs.prompts, inputs.scripts, strict=True)
    ]
    if inputs.options.strict and any(warnings):
        raise RequestError("; ".join(dict.fromkeys(sentence for each in warnings for sentence in each)))
    if inputs.options.best_of > 1 and inputs.described is None:
        best_of.check(model, [script[0].words for script in inputs.scripts], inputs.conditions)
    return Choice(
        lm=draws,
        opened_by=None if opens == draws or len(inputs.conditions.known) else opens,
        seeds=seeds_of(inputs.options),
        settings=settle(model.defaults, inputs, latent_overlap=overlap),
        warnings=warnings,
    )


class Asked(NamedTuple):
    """The training that a request needs: tasks other than "t2v", and sources of control other than keys."""

    tasks: Sequence[Task]
    controls: Sequence[Source]


def _asked(model: ModelParts, inputs: Inputs) -> Asked:
    conditions, shots = inputs.conditions, [inputs.conditions, *inputs.shots]
    takes: dict[Task, bool] = {
        "retake": conditions.drawn is not None,
        "reference": any(each.references for each in shots),
        "shots": any(stretch.cut for script in inputs.scripts for stretch in script),
        "continuation": _slides(model, inputs) and "world" not in model.language_model().tasks,
        "keyframes": bool(conditions.pictures),
        "a2v": conditions.follows_sound,
        "inpainting": conditions.masked is not None,
    }
    steers: dict[Source, bool] = {
        "tracks": any(each.steering.tracks is not None for each in shots),
        "structure": conditions.steering.structure is not None,
        "camera": any(each.steering.camera is not None for each in shots),
        "motion": conditions.steering.motion is not None,
    }
    return Asked([task for task, taken in takes.items() if taken], [each for each, does in steers.items() if does])


def able(model: ModelParts, asked: Asked) -> int:
    """Return the index of the first language model that was trained for everything that is asked.

    RequestError if none was; the message says what can be asked, and which shipped models can.
    """
    for index, lm in enumerate(model.language_models):
        if all(_takes(lm, task) for task in asked.tasks) and all(_knows(lm, source) for source in asked.controls):
            return index
    raise RequestError(f"{model.name!r} was {_refusal(model, asked)}")


def _takes(lm: LanguageModel, task: Task) -> bool:
    return task in lm.tasks and (task != "reference" or lm.config.references)


def _knows(lm: LanguageModel, source: Source) -> bool:
    return source in lm.config.channels


def _refusal(model: ModelParts, asked: Asked) -> str:
    """Return what none of the language models was trained for: a task, a source of control, or all of them together."""
    for task in asked.tasks:
        if not any(_takes(lm, task) for lm in model.language_models):
            others = [other for other in shipped.names() if task in shipped.tasks(other)]
            can = f"; {', '.join(others)} can" if others and task in ("retake", "reference", "shots") else ""
            return f"not trained {TASKS[task].refusal.format(longest=model.longest)}{can}"
    for source in asked.controls:
        if not any(_knows(lm, source) for lm in model.language_models):
            others = [other for other in shipped.names() if source in shipped.sources(other)]
            can = f"{', '.join(others)} can" if others else "no model that ships can"
            return f"not trained with {_USER_NAMES.get(source, source)}; {can}"
    each = [TASKS[task].starts_from for task in asked.tasks] + [_USER_NAMES.get(one, one) for one in asked.controls]
    return f"trained for each of these, but not together: {'; '.join(each)}"


def _check(name: str, lm: LanguageModel, inputs: Inputs) -> None:
    """Check the kind of a control clip, the number of tracks and the names of references; RequestError if one fails."""
    config, steering, kind = lm.config, inputs.conditions.steering, inputs.options.control_kind
    if kind is not None and kind not in config.structures:
        raise RequestError(f"{name!r} follows {', '.join(config.structures)}, not {kind}")
    for each in (steering, *(shot.steering for shot in inputs.shots)):
        if each.tracks is not None and len(each.tracks) > config.tracks:
            raise RequestError(f"there are {len(each.tracks)} tracks; {name!r} follows {config.tracks}")
    if not config.references:
        return  # the model does not read names
    whole, shared = inputs.conditions.references, list[str]()
    for prompt in inputs.prompts:
        texts = _texts(prompt)
        own = [each.references is not whole for each in inputs.shots] or [False] * len(texts)
        for shot, (text, has_own) in enumerate(zip(texts, own, strict=True)):
            if has_own:
                check_names([text], len(inputs.shots[shot].references))
            else:
                shared.append(text)
    check_names(shared, len(whole))


def _texts(prompt: Prompt) -> list[str]:
    return [prompt] if isinstance(prompt, str) else [words for _, words in prompt]


def _outside(model: ModelParts, lm: LanguageModel, prompt: Prompt, inputs: Inputs) -> list[str]:
    """Return a sentence for each part of a prompt, a size and a frame rate that the training never saw."""
    words = {text: lm.text.words(text) for text in _texts(prompt)}
    size = {name: getattr(inputs.options, name) for name in ("height", "width", "fps")}
    return outside(model.name, lm.training_domain, words, **size, similarity=model.similarity)


def _moves(model: ModelParts, lm: LanguageModel, inputs: Inputs) -> list[str]:
    """Return a sentence for each track and camera that moves as none in training did."""
    height, width, stride = inputs.options.height, inputs.options.width, model.video_tokenizer.config.time_stride
    assert height is not None and width is not None
    steered = [each.steering for each in [inputs.conditions, *inputs.shots]]
    found = [
        beyond(lm.training_domain, each.tracks, each.camera, stride=stride, height=height, width=width)
        for each in steered
    ]
    return list(dict.fromkeys(sentence for each in found for sentence in each))


def _changes(name: str, lm: LanguageModel, script: Script) -> list[str]:
    """Return a sentence about words that change where no cut is, if it is known what the training saw.

    A clip of training has the same words from its beginning to its end.
    """
    pairs = zip(script, script[1:], strict=False)
    if lm.training_domain.has_words and any(new.words != old.words and not new.cut for old, new in pairs):
        return [f"{name} never saw words change without a cut: the first ones may stay"]
    return []


def _slides(model: ModelParts, inputs: Inputs) -> bool:
    """Return whether a clip needs more than one context window."""
    length = inputs.conditions.num_frames
    return length is None or length > model.longest or any(len(script) > 1 for script in inputs.scripts)


def _latent_overlap(model: ModelParts, inputs: Inputs) -> int:
    """Return the overlap of windows in latent frames; RequestError if windows slide and cannot overlap by that."""
    stride, frames = model.video_tokenizer.config.time_stride, model.language_model().config.frames
    overlap, fps = inputs.options.overlap, inputs.options.fps
    overlap = model.defaults.overlap if overlap is None else overlap
    assert fps is not None
    latent_overlap = round(overlap * fps / stride)
    if _slides(model, inputs) and not 1 <= latent_overlap < frames:
        least, most = stride / fps, (frames - 1) * stride / fps
        raise RequestError(f"overlap is {overlap} seconds; windows overlap by {least:g} to {most:g}")
    return latent_overlap
