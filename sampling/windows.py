"""Latent frames without end: windows of the length that the model was trained on, each going on from the one before.

A window holds its words, the first latent frame of the whole stream as an anchor, and the last `overlap` latent frames
as the codes they already are. It is opened afresh: prefix and overlap are read into a new cache with positions counted
from the window's start. Memory and time of a frame are constant, however long the stream.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.prefix import Prefix
from reelm.lm.stream import Layout, prefix_ids

from .decode import DecodeState, decode_frame, read_frame, start, window_for
from .room import check_cache

if TYPE_CHECKING:
    from .model import Model
    from .request import Request

Script = Sequence[tuple[int, str]]  # (latent frame from which on, words), in order, the first from 0


def latent_frames(model: "Model", request: "Request") -> Iterator[tuple[jax.Array, jax.Array | int]]:
    """Latent frames int32 `[B, h, w]` one after another for ever, each with the forwards of the net that it took.

    Both are on the device and not waited for. Clips are ordered prompt by prompt. The frames of `given.known` come
    first, as they are.
    """
    scripts, seeds, settings, given = request.scripts, request.seeds, request.settings, request.given
    lm, stride = model.language_model(), model.video_tokenizer.config.time_stride
    controls = settings.controls(lm.config.frames)
    clips = len(scripts) * len(seeds)
    length, overlap = lm.config.frames, settings.overlap
    short = min(length, model.latent_frames(model.defaults.num_frames))
    # A clip known to be short gets a cache as short; what is attended to, and so every code, is the same.
    total = settings.num_frames and model.latent_frames(settings.num_frames)
    room = short if total and total <= short else length
    keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds) * len(scripts), jnp.uint32))
    rows, columns = given.known.shape[1:]
    width = window_for(settings.decoding, model.defaults.window)
    check_cache(
        lm,
        clips,
        clips * (2 if settings.guided else 1),
        lm.config.prefix + room * rows * columns + width - 1,
        jnp.dtype(model.dtype).itemsize,
    )
    recent: deque[jax.Array] = deque(maxlen=length)
    anchor: jax.Array | None = None

    def open_window(first: int, now: int) -> tuple[Layout, DecodeState]:
        """A window from latent frame `first` on, in which the frames before `now` are read."""
        prefix = prefix_of(first, now)
        layout = Layout(lm.config.prefix, room, rows, columns, given=prefix.kinds.shape[1])
        place = first * layout.per_frame
        with lm.on_mesh():
            state = start(
                *(lm.config, layout, width, settings.guided, model.dtype),
                *(lm.decoding_params, prefix, place, keys, controls),
            )
            for frame in list(recent)[len(recent) - (now - first) :]:
                state = read_frame(lm.config, layout, room, lm.decoding_params, state, frame, controls)
        return layout, state

    def prefix_of(first: int, now: int) -> Prefix:
        """One row a prompt, or a clip when each has an anchor of its own; with guidance as many again without words."""
        copies = 1 if first == 0 else len(seeds)
        past = None if first == 0 else np.asarray(anchor)

        def of(texts: Sequence[str]) -> Prefix:
            ids = [
                prefix_ids(
                    rows=rows,
                    columns=columns,
                    fps=settings.fps,
                    text=lm.text.encode(text),
                    length=lm.config.prefix,
                    continues=first > 0,
                )
                for text in texts
            ]
            words = np.repeat(np.stack(ids), copies, axis=0)
            return given.prefix(words, start=first, frames=length, stride=stride, anchor=past)

        conditional = of([_words(script, now) for script in scripts])
        if not settings.guided:
            return conditional
        return Prefix.concatenate([conditional, of([settings.negative_prompt or ""] * len(scripts))])

    changes = {begins for script in scripts for begins, _ in script}
    layout, state, first, now = None, None, 0, 0
    while True:
        if now < len(given.known):
            frame, forwards = jnp.broadcast_to(jnp.asarray(given.known[now]), (clips, rows, columns)), 0
        else:
            # Also a clip that was given whole is gone on with as if its end had been decoded here.
            if state is None or now - first == length or now in changes:
                first = 0 if state is None and now < length else max(0, now - overlap)
                layout, state = open_window(first, now)
            assert layout is not None
            # Two spans serve every clip: that of a default one, and all of the window.
            span = short if now - first < short else length
            with lm.on_mesh():
                frame, forwards, state = decode_frame(
                    lm.config, layout, width, span, lm.decoding_params, state, controls
                )
        anchor = frame if anchor is None else anchor
        recent.append(frame)
        yield frame, forwards
        now += 1


def _words(script: Script, now: int) -> str:
    return [words for begins, words in script if begins <= now][-1]
