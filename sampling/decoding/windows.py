"""Latent frames without end: windows of the length that the model was trained on, each going on from the one before.

A window holds its words, the first picture of the whole stream as an anchor, and the last `overlap` latent frames as
the codes they already are. It is opened afresh: prefix and overlap are read into a new cache with positions counted
from the window's start. Memory and time of a frame are constant, however long the stream.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.layout import Layout
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import words_of
from reelm.sampling.memory import check_cache
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request, words_at

from .program import decode, read
from .state import DecodeState, start
from .widths import span_for, windows_for


class LatentFrame(NamedTuple):
    """One latent frame of B clips, on the device and not waited for.

    Attributes:
        video: int32 `[B, h, w]`.
        sound: int32 `[B, s, L]`, the audio frames beside it; None from silent models.
        forwards: of the net, that its picture and its sound took.
    """

    video: jax.Array
    sound: jax.Array | None
    forwards: tuple[jax.Array | int, jax.Array | int]


def latent_frames(model: ModelParts, request: Request) -> Iterator[LatentFrame]:
    """Latent frames one after another for ever; clips are ordered prompt by prompt.

    What is known of a latent frame, its picture or its sound or both, is as `request.given` says.
    """
    scripts, seeds, settings, given = request.scripts, request.seeds, request.settings, request.given
    away_from = model.read_as(settings.negative_prompt or "")
    lm, stride = model.language_model(), model.video_tokenizer.config.time_stride
    controls = settings.controls(lm.config.frames)
    clips = len(scripts) * len(seeds)
    length, overlap = lm.config.frames, settings.latent_overlap
    usual = model.latent_frames(model.defaults.num_frames)
    if given.heard and settings.num_frames and model.latent_frames(settings.num_frames) <= usual:
        # Sound stands beside all latent frames of a window: training never gave it to more than a usual clip has.
        length = min(length, usual)
    keys = jax.vmap(jax.random.key)(jnp.asarray(list(seeds) * len(scripts), jnp.uint32))
    rows, columns = given.known.shape[1:]
    widths = windows_for(settings.decoding, model.defaults.window)
    widest_read = max(widths.values())
    # Every window takes the room of a later one, which has an anchor, so that the same programs serve them all.
    later = lm.config.layout(length, rows, columns, given=1, begins=False, heard=given.heard)
    itemsize = jnp.dtype(model.dtype).itemsize
    cache_rows = clips * (2 if settings.guided else 1)
    check_cache(lm.config, lm.mesh_sizes, clips, cache_rows, later.slots + widest_read - 1, itemsize)
    recent: deque[LatentFrame] = deque(maxlen=length)
    anchor: jax.Array | None = None

    def of_all(codes: np.ndarray) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(codes), (clips, *codes.shape))

    def open_window(first: int, now: int) -> tuple[Layout, DecodeState]:
        """A window from latent frame `first` on, in which the frames before `now` are read, and the layout to go on."""
        prefix = prefix_of(first, now)
        given_pictures, heard = prefix.kinds.shape[1], prefix.sound.shape[1] > 0
        layout = lm.config.layout(length, rows, columns, given=given_pictures, begins=first == 0, heard=heard)
        widest = max(layout, later, key=lambda each: each.slots)
        place, params = layout.place(first), lm.decoding_params
        how = (widest.slots, widest_read, settings.guided, model.dtype)
        with lm.on_mesh():
            state = start(lm.config, layout, *how, params, prefix, place, keys)
            for frame in list(recent)[len(recent) - (now - first) :]:
                state = read(lm.config, widest, length, "video", params, state, frame.video)
                if frame.sound is not None:
                    state = read(lm.config, widest, length, "sound", params, state, frame.sound)
        return widest, state

    def prefix_of(first: int, now: int) -> Prefix:
        """One row a prompt, or a clip when each has an anchor of its own; guidance adds as many of nothing asked."""
        copies = 1 if first == 0 else len(seeds)
        past = None if first == 0 else np.asarray(anchor)

        def of(texts: Sequence[str]) -> Prefix:
            size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": settings.fps}
            words = words_of(lm.config, lm.text, texts, **size, continues=first > 0)
            words = jax.tree.map(lambda leaf: np.repeat(leaf, copies, axis=0), words)
            return given.prefix(words, lm.config, start=first, frames=length, stride=stride, anchor=past)

        conditional = of([words_at(script, now) for script in scripts])
        if not settings.guided:
            return conditional
        negative = of([away_from] * len(scripts))
        return Prefix.concatenate([conditional, negative.unconditional()])

    changes = {shot.begins for script in scripts for shot in script}
    layout, state, first, now = None, None, 0, 0
    while True:
        picture, sound = given.picture(now), given.sound_beside(now, lm.config)
        if picture is not None and (sound is not None or not lm.config.sound_levels):
            frame = LatentFrame(of_all(picture), None if sound is None else of_all(sound), (0, 0))
        else:
            # Also a clip that was given whole is gone on with as if its end had been decoded here.
            if state is None or now - first == length or now in changes:
                first = 0 if state is None and now < length else max(0, now - overlap)
                layout, state = open_window(first, now)
            assert layout is not None
            span = span_for(now - first, length)
            how, params, track, of_picture, of_sound = (lm.config, layout, span), lm.decoding_params, None, 0, 0
            with lm.on_mesh():
                if picture is None:
                    size = layout.per_picture
                    video, of_picture, state = decode(*how, widths["video"], "video", params, state, size, controls)
                else:
                    video = of_all(picture)
                    state = read(*how, "video", params, state, video)
                if sound is not None:
                    track = of_all(sound)
                    state = read(*how, "sound", params, state, track)
                elif lm.config.sound_levels:
                    size = lm.config.sound_frames[now > 0]
                    track, of_sound, state = decode(*how, widths["sound"], "sound", params, state, size, controls)
                    track = track[:, :size]
            frame = LatentFrame(video, track, (of_picture, of_sound))
        anchor = frame.video if anchor is None else anchor
        recent.append(frame)
        yield frame
        now += 1
