"""Score drawn codes by the likelihood of the given codes that follow.

In: a request for a retake, or for pictures to a given sound, and its clips. Out: nats. The language model reads the
given codes as if it were to draw them. They are likelier where the drawn codes lead to them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.layout import audio_frames
from reelm.lm.likelihood import Nats, nats_of
from reelm.lm.prefix import ClipCodes
from reelm.media.clip import Clip
from reelm.sampling.decoding.window_plan import StreamPlan
from reelm.sampling.decoding.windows import field_at
from reelm.tokenizer.codes import to_device

from .request import Request


class Part(NamedTuple):
    """Latent frames `first` to `end`, which one context window reads. Only those from `begins` on are scored."""

    first: int
    begins: int
    end: int


def log_likelihoods(request: Request, clips: Sequence[Clip]) -> np.ndarray:
    """Return float `[B]`, the log-likelihood in nats of the codes that were given to each clip; 0 if none were.

    For a retake these are the pictures after each gap, as many as fit one context window with the end of the gap. For
    pictures to a given sound it is the first level of that sound. Later levels hold the voice rather than the ticks.
    """
    plan, conditions, found = request.stream, request.inputs.conditions, np.zeros(len(clips))
    codes = _codes(request, clips)
    if conditions.drawn is not None:
        for part in _after_gaps(plan, conditions.drawn[: codes.video.shape[1]]):
            nats = _read(request, codes, part).video[:, part.begins - part.first :]
            found -= np.asarray(nats).sum(axis=(1, 2, 3), dtype=float)
    elif conditions.follows_sound:
        for part in windows(plan.frames, plan.overlap, codes.video.shape[1]):
            first, begins = (audio_frames(plan.config.sound_frames, n) for n in (part.first, part.begins))
            nats = _read(request, codes, part).sound[:, begins - first :, 0]
            found -= np.asarray(nats).sum(axis=1, dtype=float)
    return found


def _after_gaps(plan: StreamPlan, drawn: np.ndarray) -> Iterator[Part]:
    """Yield the latent frames after each gap, a run of True in `drawn`, bool `[t]`."""
    for after in (1 + np.flatnonzero(drawn[:-1] & ~drawn[1:])).tolist():
        first = max(0, min(after - plan.overlap, len(drawn) - plan.frames))
        yield Part(first, after, min(first + plan.frames, len(drawn)))


def windows(frames: int, overlap: int, length: int) -> Iterator[Part]:
    """Yield all latent frames, window by window."""
    begins = 0
    while begins < length:
        first = max(0, begins - overlap)
        yield Part(first, begins, end := min(first + frames, length))
        begins = end


def _codes(request: Request, clips: Sequence[Clip]) -> ClipCodes:
    """Return the codes of clips, as the language model reads them."""
    lm, tokens = request.lm, [clip.tokens for clip in clips if clip.tokens is not None]
    video = np.stack([each["video"] for each in tokens])
    silent = lm.config.no_track(video.shape[1])
    sound = np.stack([silent if each["audio"] is None else each["audio"] for each in tokens])
    return ClipCodes(video=jnp.asarray(to_device(video, lm.config.bits)), sound=sound)


def _read(request: Request, codes: ClipCodes, part: Part) -> Nats:
    """Return the nats of one part of the clips, whose only condition is its words."""
    lm, plan, (first, _, end) = request.lm, request.stream, part
    heard = slice(*(audio_frames(lm.config.sound_frames, n) for n in (first, end)))
    anchor = jnp.asarray(codes.video[:, 0])
    window = replace(
        codes,
        video=codes.video[:, first:end],
        sound=codes.sound[:, heard],
        control=_control(request, anchor, first, end),
        at_start=first == 0,
    )
    shot = plan.shot_at(first)
    hidden = {"sound_in_prefix": False} if shot.conditions.drawn is None else {"drawn": None}
    unknown = replace(shot, conditions=replace(shot.conditions, **hidden))
    prefix = plan.prefix(unknown, first, anchor, each=True)
    prefix = jax.tree.map(lambda leaf: leaf[: len(anchor)], prefix)  # without the rows of the negative prompt
    return nats_of(lm.config, lm.params, prefix, window)


def _control(request: Request, anchor: jax.Array, first: int, end: int) -> np.ndarray | None:
    """Return the control field float32 `[B, t, h or 1, w or 1, C]`; None from models without control."""
    shot_at = request.stream.shot_at
    found = [field for now in range(first, end) if (field := field_at(shot_at(now), now)) is not None]
    return np.broadcast_to(field := np.stack(found, axis=1), (len(anchor), *field.shape[1:])) if found else None
