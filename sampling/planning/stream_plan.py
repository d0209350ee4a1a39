"""From the scripts of a request to what its context windows are opened with: words are read here, once.

In: a model, scripts, seeds, settings, what is given. Out: a `StreamPlan`, all that decoding knows of a request.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.language_model import LanguageModel, check_cache
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.conditions.casting import Casting
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
    reader: LanguageModel | None = None,
) -> StreamPlan:
    """Return the plan of a clip of each script with each seed; RequestError when their KV cache does not fit.

    All words, `negative` among them, are as the language model reads them. A storyboard is one script, and `of_shots`
    are the conditions of its shots. `opened_by` is the model with the language model that draws the first latent frame,
    where that is another one. `reader` knows words best, and says whom they call by a name.
    """
    lm, fps = model.language_model(), settings.fps
    stretches = {stretch.begins: stretch for script in scripts for stretch in script}
    length = None if settings.num_frames is None else model.latent_frames(settings.num_frames)
    frames, usual = lm.config.frames, model.latent_frames(model.defaults.num_frames)
    if conditions.sound_in_prefix and length and length <= usual:
        # Given sound fills a whole window, and training never gave more of it than a usual clip has.
        frames = min(frames, usual)
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
        controls=_controls(settings, lm.config.frames, len(seeds) * len(scripts), blank=not conditions.shows),
        frames=frames,
        overlap=settings.latent_overlap,
        lookahead=lookahead_for(settings.decoding, model.defaults.lookahead),
        length=length,
        dtype=model.dtype,
        anchored="continues" in lm.tasks or "plays" not in lm.tasks,
    )
    if lm.config.control:
        plan = replace(plan, control=partial(_control, plan, Views(model.video_tokenizer, lm.config)))
    if lm.config.drafts:
        plan = replace(plan, cast=partial(_cast, plan, Casting(model.video_tokenizer, lm.config, reader or lm)))
    if opened_by is not None:
        first = stream_plan(opened_by, scripts, negative, seeds, settings, conditions, of_shots, reader=reader)
        plan = replace(plan, opening=Opening(opened_by.language_model(), first))
    check_cache(lm.config, lm.mesh_sizes, len(plan.seeds), plan.cache_rows, plan.slots, jnp.dtype(model.dtype).itemsize)
    return plan


def _control(plan: StreamPlan, views: Views, now: int, first: jax.Array | None) -> np.ndarray:
    """Return the control field of a latent frame; see `StreamPlan.control`."""
    conditions = plan.shot_at(now).conditions
    return conditions.control(now, plan.config, views.of(conditions, now, first))


def _cast(plan: StreamPlan, casting: Casting, now: int, draft: jax.Array) -> np.ndarray:
    """Return the codes of a latent frame that was drafted; see `StreamPlan.cast`."""
    shot = plan.shot_at(now)
    return casting.of(shot.conditions, shot.words, draft, begins=now == shot.begins)


def shot_plan(
    model: ModelParts, words: Sequence[str], begins: int, fps: float, conditions: Conditions, *, cut: bool = False
) -> WindowPlan:
    """Return the plan of a shot from latent frame `begins` on; `words` of each prompt are as the model reads them."""
    return WindowPlan(begins=begins, words=_prefix(model, words, fps, conditions), conditions=conditions, cut=cut)


def _prefix(model: ModelParts, words: Sequence[str], fps: float, conditions: Conditions) -> Prefix:
    """Return the prefixes of words alone, for latent frames as large as those of the conditions."""
    lm, (rows, columns) = model.language_model(), conditions.known.shape[1:]
    return prompt_prefix(lm.config, lm.text, words, rows=rows, columns=columns, fps=fps)


def _controls(settings: Settings, frames: int, clips: int, *, blank: bool) -> Controls:
    """Return the traced values of each clip's draws, with the guidance scale of each of `frames` latent frames."""
    scales = (*settings.cfg_scale, *settings.cfg_scale[-1:] * frames)[:frames]
    names = ("temperature", "top_k", "top_p", "min_p", "cfg_min_p")
    return Controls.of(clips, cfg_scale=scales, blank=blank, **{name: getattr(settings, name) for name in names})
