"""Generation: prompts and settings in, clips out. The one place where words, codes and pixels meet.

prompts -> prefixes -> start -> decode_frame, once a latent frame -> ids -> video tokenizer -> Clips
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm import transformer
from reelm.lm.stream import Layout, prefix_ids
from reelm.tokenizer.codes import check_ids, ids_to_sub_tokens
from reelm.tokenizer.request import RequestError

from .choose import Controls
from .clip import Clip
from .decode import decode_frame, start, window_for
from .settings import Callback, Settings

if TYPE_CHECKING:
    from .model import Model


def generate(
    model: "Model", prompts: Sequence[str], seeds: Sequence[int], settings: Settings, callback: Callback | None = None
) -> list[Clip]:
    """Clips of every prompt with every seed, prompt by prompt.

    Args:
        model: with a language model.
        prompts: one or more; "" for none.
        seeds: one or more from 0; the clip of a seed does not depend on the others.
        settings: checked here.
        callback: called with (latent frames done, in all); returning False ends the clips there.

    Raises:
        RequestError: no language model, or a setting, size or length that cannot be had.
    """
    lm = model.language_model()
    if not 1 <= settings.num_frames <= model.longest:
        raise RequestError(
            f"num_frames is {settings.num_frames}; this model makes clips of 1 to {model.longest} frames"
        )
    if any(not 0 <= seed < 2**32 for seed in seeds):
        raise RequestError(f"a seed lies in 0 ... 2^32 - 1; these run from {min(seeds)} to {max(seeds)}")
    controls = Controls.checked(settings.temperature, settings.top_k, settings.top_p, settings.cfg_scale)
    wanted = model.layout(settings.num_frames, settings.height, settings.width)
    prefix = np.repeat(prefixes(model, prompts, wanted, settings.fps), len(seeds), axis=0)
    if settings.cfg_scale != 1:
        unconditional = prefixes(model, [settings.negative_prompt or ""], wanted, settings.fps)
        prefix = np.concatenate([prefix, np.broadcast_to(unconditional, prefix.shape)])
    keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds) * len(prompts), jnp.uint32))

    # Two compiled lengths serve every clip: the default one, and the longest.
    short = model.layout(min(model.defaults.num_frames, model.longest), settings.height, settings.width)
    full = Layout(wanted.prefix, lm.config.frames, wanted.rows, wanted.columns)
    layout = short if wanted.frames <= short.frames else full
    params = lm.decoding_params
    window = window_for(settings.decoding, model.defaults.window)
    state = start(lm.config, layout, window, model.dtype, params, jnp.asarray(prefix), keys, controls)
    frames: list[jax.Array] = []
    for done in range(wanted.frames):
        ids, state = decode_frame(lm.config, layout, window, params, state, controls)
        frames.append(ids)
        if callback is not None:
            # The frame just dispatched runs while the host waits for the one before it.
            jax.block_until_ready(frames[max(0, done - 1)])
            if callback(done + 1, wanted.frames) is False:
                break
    ids, forwards = np.stack(jax.device_get(frames), axis=1), int(state.forwards)
    videos = model.video_tokenizer.decode(ids)[:, : settings.num_frames]
    return [
        Clip(
            video=video,
            fps=settings.fps,
            tokens={"video": codes, "audio": None},
            info={
                "prompt": prompts[i // len(seeds)],
                "seed": seeds[i % len(seeds)],
                "model": model.name,
                "tokenizer": model.video_tokenizer.hash,
                "dtype": str(model.dtype),
                "forwards": forwards,
                **{name: value for name, value in vars(settings).items() if value is not None},
            },
        )
        for i, (video, codes) in enumerate(zip(videos, ids, strict=True))
    ]


def prefixes(model: "Model", prompts: Sequence[str], layout: Layout, fps: float) -> np.ndarray:
    """int32 `[prompts, P]`: what stands in front of the codes."""
    text = model.language_model().text
    make = partial(prefix_ids, rows=layout.rows, columns=layout.columns, fps=fps, length=layout.prefix)
    return np.stack([make("text_to_video", text=text.encode(prompt)) for prompt in prompts])


def score(model: "Model", clip: Clip, prompt: str | None) -> np.ndarray:
    """See `Model.score`. Codes are those of `clip.tokens`, else made from its frames."""
    lm = model.language_model()
    ids = clip.tokens["video"] if clip.tokens is not None else None
    ids = model.video_tokenizer.encode(clip.video)[0] if ids is None else ids
    check_ids(ids, lm.config.code)
    if ids.shape[0] > lm.config.frames:
        raise RequestError(f"{ids.shape[0]} latent frames are too many; this model reads up to {lm.config.frames}")
    layout = Layout(lm.config.prefix, *ids.shape)
    prefix = jnp.asarray(prefixes(model, [prompt or ""], layout, clip.fps))
    return np.asarray(_log_likelihood(lm.config, layout, lm.params, prefix, jnp.asarray(ids)))


@partial(jax.jit, static_argnums=(0, 1))
def _log_likelihood(config: transformer.LMConfig, layout: Layout, params: dict, prefix: jax.Array, ids: jax.Array):
    sub_tokens = ids_to_sub_tokens(ids.reshape(1, -1), config.code)
    hidden = transformer.score(config, params, layout, prefix, sub_tokens)
    total = jnp.zeros(sub_tokens.shape[:2])
    for k in range(sub_tokens.shape[-1]):
        logits = jax.nn.log_softmax(transformer.logits(config, params, hidden, sub_tokens, k))
        total += jnp.take_along_axis(logits, sub_tokens[..., k, None], axis=-1)[..., 0]
    return total.reshape(ids.shape)
