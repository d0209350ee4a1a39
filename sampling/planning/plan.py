"""Plan a request: read the inputs, choose a language model and settings, plan the context windows.

In: a model, a prompt, sources, options. Out: a `Request` with the model's defaults filled in, or a RequestError.
"""

from reelm.sampling.conditions.sources import Sources
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Prompt, Request

from .choice import choose
from .inputs import read_inputs
from .stream_plan import plan_stream


def plan(
    model: ModelParts,
    prompt: Prompt | list[str] | None,
    sources: Sources,
    options: Options,
    *,
    endless: bool = False,
) -> Request:
    """Return the planned request for a prompt. With `endless`, `num_frames` None means an endless clip.

    Raises:
        RequestError: something that cannot be made; the message says what can. With `strict` also what the training
            of the model never saw.
    """
    inputs = read_inputs(model, prompt, sources, options, endless=endless)
    choice = choose(model, inputs)
    return Request(model, inputs, choice, plan_stream(model, inputs, choice))
