"""Plan the context windows of a request: the third value of a plan. Prompts are tokenized here, once.

In: a model, `Inputs`, a `Choice`. Out: a `StreamPlan`, all that decoding knows of a request.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from reelm.lm.language_model import LanguageModel, check_cache
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.steering import field_of
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.program import lookahead_for
from reelm.sampling.decoding.window_plan import ShotPlan, StreamPlan
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Choice, Inputs, Request, Settings, words_at


def plan_stream(model: ModelParts, inputs: Inputs, choice: Choice) -> StreamPlan:
    """Return the plan of a clip of each script with each seed; RequestError when their KV cache does not fit."""
    lm, settings, conditions = model.language_models[choice.lm], choice.settings, inputs.conditions
    stretches = {stretch.begins: stretch for script in inputs.scripts for stretch in script}
    length = None if settings.num_frames is None else model.latent_frames(settings.num_frames)
    # In training, the sound in a prefix is as long as the clip. So a short clip gets a short window.
    frames = min(lm.config.frames, length) if conditions.sound_in_prefix and length else lm.config.frames
    seeds = list(choice.seeds) * len(inputs.scripts)
    negative = [inputs.negative] * len(inputs.scripts)
    opening = None
    if choice.opened_by is not None:
        opening = plan_stream(model, inputs, replace(choice, lm=choice.opened_by, opened_by=None))
    plan = StreamPlan(
        config=lm.config,
        shots=[
            _shot(
                lm,
                [words_at(script, at) for script in inputs.scripts],
                at,
                settings.fps,
                conditions if stretch.shot is None else inputs.shots[stretch.shot],
                cut=stretch.cut,
            )
            for at, stretch in sorted(stretches.items())
        ],
        negative=_prefix(lm, negative, settings.fps, conditions) if settings.guided else None,
        seeds=seeds,
        sampling=_sampling_params(settings, lm.config.frames, len(seeds)),
        frames=frames,
        overlap=settings.latent_overlap,
        lookahead=lookahead_for(settings.decoding, model.defaults.lookahead),
        length=length,
        dtype=model.dtype,
        anchored="continuation" in lm.tasks or "world" not in lm.tasks,
        opening=opening,
    )
    check_cache(lm.config, lm.mesh_sizes, len(plan.seeds), plan.cache_rows, plan.slots, jnp.dtype(model.dtype).itemsize)
    return plan


def later_shot(request: Request, words: str, begins: int) -> ShotPlan:
    """Return a shot with new words, as the language model reads them, that begins with latent frame `begins`."""
    return _shot(request.lm, [words], begins, request.choice.settings.fps, request.inputs.conditions)


def _shot(
    lm: LanguageModel, words: Sequence[str], begins: int, fps: float, conditions: Conditions, *, cut: bool = False
) -> ShotPlan:
    """Return the plan of a shot from latent frame `begins` on, with the words of each prompt."""
    steering, grid = conditions.steering, (int(conditions.known.shape[1]), int(conditions.known.shape[2]))
    return ShotPlan(
        begins=begins,
        words=_prefix(lm, words, fps, conditions),
        conditions=conditions,
        cut=cut,
        field=field_of(steering, lm.config, conditions.time_stride, grid),
    )


def _prefix(lm: LanguageModel, words: Sequence[str], fps: float, conditions: Conditions) -> Prefix:
    """Return prefixes with only words, for latent frames of the size of the conditions."""
    rows, columns = conditions.known.shape[1:]
    return prompt_prefix(lm.config, lm.text, words, rows=rows, columns=columns, fps=fps)


def _sampling_params(settings: Settings, frames: int, clips: int) -> SamplingParams:
    """Return the traced values of each clip's draws; schedules have a number for each of `frames` latent frames."""
    numbers: dict[str, Any] = {name: getattr(settings, name) for name in ("temperature", "top_k", "top_p", "cfg_min_p")}
    for name in ("cfg_scale", "min_p"):
        schedule: tuple[float, ...] = getattr(settings, name)
        numbers[name] = (*schedule, *schedule[-1:] * frames)[:frames]
    return SamplingParams.of(clips, **numbers)
