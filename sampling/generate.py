"""Generation: a request in, clips out. The one place where codes become pixels.

request -> latent_frames, one at a time -> video tokenizer, one latent frame at a time -> pieces of Clips -> Clips
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.likelihood import cross_entropy
from reelm.lm.prefix import Prefix
from reelm.lm.stream import prefix_ids
from reelm.tokenizer.codes import check_ids
from reelm.tokenizer.request import RequestError

from .clip import Clip
from .request import Request
from .settings import Callback
from .windows import latent_frames

if TYPE_CHECKING:
    from .model import Model


def stream(model: "Model", request: Request) -> Iterator[list[Clip]]:
    """The frames of one latent frame after another, as a clip for each prompt and seed."""
    tokenizer, settings, given = model.video_tokenizer, request.settings, request.given
    length = settings.num_frames
    rows = [(prompt, seed) for prompt in request.prompts for seed in request.seeds]
    about = {name: value for name, value in vars(settings).items() if value is not None}
    about["cfg_scale"] = settings.cfg_scale[0] if len(settings.cfg_scale) == 1 else list(settings.cfg_scale)
    about |= {"model": model.name, "tokenizer": tokenizer.hash, "dtype": str(model.dtype), **request.about}
    chunks = tokenizer.init_decode_state(batch=len(rows), height=settings.height, width=settings.width)

    done, forwards = 0, 0
    source = latent_frames(model, request)
    ahead = next(source)
    while length is None or done < length:
        codes, cost = ahead
        video, chunks = tokenizer.decode_ahead(codes[:, None], chunks)
        if length is None or done + video.shape[1] < length:
            # The next latent frame is under way on the device while the host waits for this one.
            ahead = next(source)
        forwards += int(cost)
        frames = given.paste(np.asarray(video), done)
        frames = frames if length is None else frames[:, : length - done]
        done += frames.shape[1]
        ids = np.asarray(codes)
        yield [
            Clip(
                video=frames[i],
                fps=settings.fps,
                tokens={"video": ids[i : i + 1], "audio": None},
                info={"prompt": prompt, "seed": seed, "forwards": forwards, **about},
            )
            for i, (prompt, seed) in enumerate(rows)
        ]


def joined(pieces: Iterator[list[Clip]], frames: int, callback: Callback | None = None) -> list[Clip]:
    """The clips whose pieces `stream` gives, `frames` of them; of fewer when the callback returns False.

    callback: called with (latent frames done, in all).
    """
    parts = []
    for piece in pieces:
        parts.append(piece)
        if callback is not None and callback(len(parts), frames) is False:
            break
    return [_join(clips) for clips in zip(*parts, strict=True)]


def _join(clips: Sequence[Clip]) -> Clip:
    """One clip of successive ones."""
    codes = [clip.tokens["video"] for clip in clips if clip.tokens is not None]
    return replace(
        clips[-1],
        video=np.concatenate([clip.video for clip in clips]),
        tokens={"video": np.concatenate([ids for ids in codes if ids is not None]), "audio": None},
    )


def score(model: "Model", clip: Clip, prompt: str | None) -> np.ndarray:
    """See `Model.score`. Codes are those of `clip.tokens`, else made from its frames."""
    lm = model.language_model()
    ids, made_by = clip.tokens["video"] if clip.tokens is not None else None, clip.info.get("tokenizer")
    if ids is not None and made_by not in (None, model.video_tokenizer.hash):
        raise RequestError(
            f"the codes of the clip are of the tokenizer {made_by}, this model's is {model.video_tokenizer.hash}; "
            "leave its tokens out and they are made from its frames"
        )
    ids = model.video_tokenizer.encode(clip.video)[0] if ids is None else ids
    check_ids(ids, lm.config.code)
    frames, rows, columns = ids.shape
    if frames > lm.config.frames:
        raise RequestError(f"{frames} latent frames are too many; this model reads up to {lm.config.frames}")
    text = lm.text.encode(prompt or "")
    words = prefix_ids(rows=rows, columns=columns, fps=clip.fps, text=text, length=lm.config.prefix)
    nats, _ = _cross_entropy(lm.config, lm.params, Prefix.of_words(words[None], rows, columns), jnp.asarray(ids)[None])
    return -np.asarray(nats[0])


_cross_entropy = jax.jit(cross_entropy, static_argnums=0)
