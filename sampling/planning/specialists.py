"""Which language model of a model draws a request: the first that was trained for all that the request gives.

In: language models, and what is asked. Out: one of them, or a RequestError.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reelm.errors import RequestError
from reelm.lm.control.sources import Source
from reelm.lm.language_model import LanguageModel
from reelm.lm.tasks import TASKS, Task
from reelm.sampling.folder import shipped

# What a user calls a source of control.
_CALLED: Mapping[Source, str] = {"structure": "control clips"}


class Asked(NamedTuple):
    """What a request takes beside beginning a clip: tasks, and sources of control but for keys."""

    tasks: Sequence[Task]
    controls: Sequence[Source]


def able(name: str, lms: Sequence[LanguageModel], asked: Asked, *, longest: int) -> LanguageModel:
    """Return the language model that draws a request.

    Args:
        name: of the model.
        lms: its language models.
        asked: what the request takes.
        longest: frames of the longest clip that fits a context window.

    Raises:
        RequestError: none was trained for all that is asked; the message says what can be, and which shipped models
            can.
    """
    for lm in lms:
        if all(_takes(lm, task) for task in asked.tasks) and all(_hears(lm, source) for source in asked.controls):
            return lm
    raise RequestError(f"{name!r} was {_refusal(lms, asked, longest)}")


def _takes(lm: LanguageModel, task: Task) -> bool:
    return task in lm.tasks and (task != "shows" or lm.config.references)


def _hears(lm: LanguageModel, source: Source) -> bool:
    # A view is structure, too, but none that a user gives.
    return source in lm.config.channels and (source != "structure" or bool(lm.config.control_kinds))


def _refusal(lms: Sequence[LanguageModel], asked: Asked, longest: int) -> str:
    """Return what none of the language models was trained for: a task, a source of control, or all of them together."""
    for task in asked.tasks:
        if not any(_takes(lm, task) for lm in lms):
            others = [other for other in shipped.names() if task in shipped.tasks(other)]
            who = f"; {', '.join(others)} can" if others and task in ("retakes", "shows", "cuts") else ""
            return f"not trained {TASKS[task].refusal.format(longest=longest)}{who}"
    for source in asked.controls:
        if not any(_hears(lm, source) for lm in lms):
            others = [other for other in shipped.names() if source in shipped.sources(other)]
            who = f"{', '.join(others)} can" if others else "no model that ships can"
            return f"not trained with {_CALLED.get(source, source)}; {who}"
    each = [TASKS[task].starts_from for task in asked.tasks] + [_CALLED.get(one, one) for one in asked.controls]
    return f"trained for each of these, but not together: {'; '.join(each)}"
