"""Score a clip under a prompt: the log-likelihood of each code of its pictures."""

import numpy as np

from reelm.errors import RequestError
from reelm.lm.likelihood import nats_of
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix
from reelm.media.clip import Clip
from reelm.tokenizer.codes import check_ids, to_device

from .parts import ModelParts


def score(model: ModelParts, clip: Clip, prompt: str | None) -> np.ndarray:
    """Return the score of `Model.score`. The codes are `clip.tokens`, or else made from frames and sound."""
    if not isinstance(clip, Clip):
        raise RequestError(f"a {type(clip).__name__} cannot be scored; give a Clip, as Clip.open reads one")
    lm, tokens, made_by = model.language_model(), clip.tokens or {}, clip.info.get("tokenizer")
    ids = tokens.get("video")
    if ids is not None and made_by not in (None, model.video_tokenizer.hash):
        raise RequestError(
            f"the codes of the clip come from the tokenizer {made_by}, this model's is {model.video_tokenizer.hash}; "
            "remove its tokens, and they are made from its frames"
        )
    ids = model.video_tokenizer.encode(clip.video)[0] if ids is None else ids
    check_ids(ids, lm.config.code)
    frames, rows, columns = ids.shape
    if frames > lm.config.frames:
        raise RequestError(f"{frames} latent frames are too many; this model reads up to {lm.config.frames}")
    sound = None if model.soundtrack is None else model.soundtrack.of_clip(clip, frames)
    codes = ClipCodes(
        video=to_device(ids[None], lm.config.bits),
        sound=(lm.config.no_track(frames) if sound is None else sound)[None],
        control=np.zeros((1, frames, 1, 1, lm.config.control), np.float32) if lm.config.control else None,
    )
    words = prompt_prefix(lm.config, lm.text, [prompt or ""], rows=rows, columns=columns, fps=clip.fps)
    nats = nats_of(lm.config, lm.params, words, codes)
    return -np.asarray(nats.video[0])
