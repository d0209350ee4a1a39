"""From the scripts of a request to what its context windows are opened with: words are read here, once.

In: a model, scripts, seeds, settings, what is given. Out: a `StreamPlan`, all that decoding knows of a request.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.language_model import check_cache
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.conditions.views import Views
from reelm.sampling.decoding.choose import Controls
from reelm.sampling.decoding.program import lookahead_for
from reelm.sampling.decoding.window_plan import Opening, StreamPlan, WindowPlan
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Script, Settings, words_at


def stream_plan(
    model: ModelParts,
    scripts: Sequence[Script],
    negative: str,
    seeds: Sequence[int],
    settings: Settings,
    conditions: Conditions,
    of_shots: Sequence[Conditions] = (),
    opened_by: ModelParts | None = None,
) -> StreamPlan:
    """Return the plan of a clip of each script with each seed; RequestError when their KV cache does not fit.

    All words, `negative` among them, are as the language model reads them. A storyboard is one script, and `of_shots`
    are the conditions of its shots. `opened_by` is the model with the language model that draws the first latent frame,
    where that is another one.
    """
    lm, fps = model.language_model(), settings.fps
    stretches = {stretch.begins: stretch for script in scripts for stretch in script}
    length = None if settings.num_frames is None else model.latent_frames(settings.num_frames)
    # Sound in a prefix is as long as the window, and in training as long as the clip.
    frames = min(lm.config.frames, length) if conditions.sound_in_prefix and length else lm.config.frames
    plan = StreamPlan(
        config=lm.config,
        shots=[
            shot_plan(
                model,
                [words_at(script, at) for script in scripts],
                at,
                fps,
                conditions if stretch.shot is None else of_shots[stretch.shot],
                cut=stretch.cut,
            )
            for at, stretch in sorted(stretches.items())
        ],
        negative=_prefix(model, [negative] * len(scripts), fps, conditions) if settings.guided else None,
        seeds=list(seeds) * len(scripts),
        controls=_controls(settings, lm.config.frames, len(seeds) * len(scripts)),
        frames=frames,
        overlap=settings.latent_overlap,
        lookahead=lookahead_for(settings.decoding, model.defaults.lookahead),
        length=length,
        dtype=model.dtype,
        anchored="continues" in lm.tasks or "plays" not in lm.tasks,
    )
    if lm.config.control:
        plan = replace(plan, control=partial(_control, plan, Views(model.video_tokenizer, lm.config)))
    if opened_by is not None:
        first = stream_plan(opened_by, scripts, negative, seeds, settings, conditions, of_shots)
        plan = replace(plan, opening=Opening(opened_by.language_model(), first))
    check_cache(lm.config, lm.mesh_sizes, len(plan.seeds), plan.cache_rows, plan.slots, jnp.dtype(model.dtype).itemsize)
    return plan


def _control(plan: StreamPlan, views: Views, now: int, first: jax.Array | None) -> np.ndarray:
    """Return the control field of a latent frame; see `StreamPlan.control`."""
    conditions = plan.shot_at(now).conditions
    return conditions.control(now, plan.config, views.of(conditions, now, first))


def shot_plan(
    model: ModelParts, words: Sequence[str], begins: int, fps: float, conditions: Conditions, *, cut: bool = False
) -> WindowPlan:
    """Return the plan of a shot from latent frame `begins` on; `words` of each prompt are as the model reads them."""
    return WindowPlan(begins=begins, words=_prefix(model, words, fps, conditions), conditions=conditions, cut=cut)


def _prefix(model: ModelParts, words: Sequence[str], fps: float, conditions: Conditions) -> Prefix:
    """Return the prefixes of words alone, for latent frames as large as those of the conditions."""
    lm, (rows, columns) = model.language_model(), conditions.known.shape[1:]
    return prompt_prefix(lm.config, lm.text, words, rows=rows, columns=columns, fps=fps)


def _controls(settings: Settings, frames: int, clips: int) -> Controls:
    """Return the traced values of each clip's draws; schedules have a number for each of `frames` latent frames."""
    numbers = {name: getattr(settings, name) for name in ("temperature", "top_k", "top_p", "cfg_min_p")}
    for name in ("cfg_scale", "min_p"):
        schedule: tuple[float, ...] = getattr(settings, name)
        numbers[name] = (*schedule, *schedule[-1:] * frames)[:frames]
    return Controls.of(clips, **numbers)
