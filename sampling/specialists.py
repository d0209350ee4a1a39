"""Which language model of a model draws a request: the first that was trained for all that the request gives.

In: a model, and what is asked, read. Out: the model with that language model alone, or a RequestError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reelm.errors import RequestError
from reelm.lm.control.sources import Source
from reelm.lm.language_model import LanguageModel
from reelm.lm.tasks import TASKS, Task
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.folder import shipped

from .options import Options
from .parts import ModelParts
from .request import Script

# What a user calls a source of control.
_CALLED: Mapping[Source, str] = {"structure": "control clips"}


def able(
    model: ModelParts, scripts: Sequence[Script], conditions: Conditions, sources: Sources, options: Options
) -> ModelParts:
    """Return the model with the language model that draws a request, and without the others.

    Raises:
        RequestError: none was trained for all that is asked; the message says what can be, and which shipped models
            can.
    """
    tasks, controls = _tasks(model, scripts, conditions, sources), _controls(sources, options)
    for lm in model.language_models:
        if not (_unknown_tasks(lm, tasks) or _unknown_controls(lm, controls)):
            return model if lm is model.lm else replace(model, lm=lm, specialists=())
    lms = model.language_models
    for task in tasks:
        if all(_unknown_tasks(lm, [task]) for lm in lms):
            refusal = TASKS[task].refusal.format(longest=model.longest)
            others = [name for name in shipped.names() if task in shipped.tasks(name)]
            who = f"; {', '.join(others)} can" if others and task in ("retakes", "shows", "cuts") else ""
            raise RequestError(f"{model.name!r} was not trained {refusal}{who}")
    for source in controls:
        if all(_unknown_controls(lm, [source]) for lm in lms):
            others = [name for name in shipped.names() if source in shipped.sources(name)]
            who = f"{', '.join(others)} can" if others else "no model that ships can"
            raise RequestError(f"{model.name!r} was not trained with {_CALLED.get(source, source)}; {who}")
    asked = [TASKS[task].starts_from for task in tasks] + [_CALLED.get(source, source) for source in controls]
    raise RequestError(f"{model.name!r} was trained for each of these, but not together: {'; '.join(asked)}")


def _tasks(model: ModelParts, scripts: Sequence[Script], conditions: Conditions, sources: Sources) -> list[Task]:
    """Return the tasks that a request takes, beside beginning a clip."""
    takes: dict[Task, bool] = {
        "retakes": conditions.drawn is not None,
        "shows": bool(sources.references) or any(shot.references for shot in sources.shots),
        "cuts": any(stretch.cut for script in scripts for stretch in script),
        "continues": slides(model, scripts, conditions) and "plays" not in model.language_model().tasks,
        "frames": bool(conditions.pictures),
        "hears": conditions.sound_in_prefix and conditions.drawn is None,
        "fills": conditions.masked is not None,
    }
    return [task for task, taken in takes.items() if taken]


def _controls(sources: Sources, options: Options) -> list[Source]:
    """Return the sources of control that speak, but for keys."""
    asked: dict[Source, bool] = {
        "tracks": sources.tracks is not None or any(shot.tracks for shot in sources.shots),
        "structure": sources.control is not None,
        "camera": sources.camera is not None or any(shot.camera for shot in sources.shots),
        "motion": options.motion is not None,
    }
    return [source for source, speaks in asked.items() if speaks]


def _unknown_tasks(lm: LanguageModel, tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that a language model was not trained for."""
    return [task for task in tasks if task not in lm.tasks or (task == "shows" and not lm.config.references)]


def _unknown_controls(lm: LanguageModel, controls: Sequence[Source]) -> list[Source]:
    """Return the sources of control that a language model does not know."""
    return [source for source in controls if source not in lm.config.channels]


def slides(model: ModelParts, scripts: Sequence[Script], conditions: Conditions) -> bool:
    """Return whether a clip takes more than one context window."""
    length = conditions.num_frames
    return length is None or length > model.longest or any(len(script) > 1 for script in scripts)
