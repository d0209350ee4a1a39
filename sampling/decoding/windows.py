"""Latent frames without end, in context windows of the length of training, each of which continues the one before.

A window holds its words, the first picture of the whole stream as an anchor, and the last `overlap` latent frames as
the codes they already are. Prefix and overlap are read into a new cache, with positions counted from the window's
start. So memory and time of a latent frame are constant, however long the stream is.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.layout import Layout
from reelm.lm.prefix import Prefix
from reelm.lm.specials import Group
from reelm.sampling.memory import check_cache
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request
from reelm.storage.programs import program

from .choose import keys_of
from .prefill import Prefill, window_prefix
from .program import FrameProgram, span_for, windows_for
from .state import DecodeState


class LatentFrame(NamedTuple):
    """One latent frame of B clips, on the device and not waited for.

    Attributes:
        video: int32 `[B, h, w]`.
        sound: int32 `[B, s, L]`, the audio frames beside it; None from silent models.
        forwards: forward passes that its picture and its sound took.
    """

    video: jax.Array
    sound: jax.Array | None
    forwards: tuple[jax.Array | int, jax.Array | int]


def latent_frames(model: ModelParts, request: Request) -> Iterator[LatentFrame]:
    """Yield the latent frames of a request, one after another without end; clips are ordered prompt by prompt."""
    window = SlidingWindow(model, request)
    for now in itertools.count():
        frame = window.known(now)
        if frame is None:
            if window.ends_before(now):
                window.open(now)
            frame = window.draw(now)
        window.take(frame)
        yield frame


class SlidingWindow:
    """The context window of a batch of clips, and the latent frames that the next window will continue from.

    A frame is known from `request.given`, or drawn. After either, `take` keeps it.
    """

    def __init__(self, model: ModelParts, request: Request):
        lm, settings, given = model.language_model(), request.settings, request.given
        self._model, self._lm, self._request = model, lm, request
        self._clips = len(request.scripts) * len(request.seeds)
        self._keys = keys_of(list(request.seeds) * len(request.scripts))
        self._controls = settings.controls(lm.config.frames)
        self._length = lm.config.frames
        usual = model.latent_frames(model.defaults.num_frames)
        if given.sound_in_prefix and settings.num_frames and model.latent_frames(settings.num_frames) <= usual:
            # Given sound fills a whole window, and training never gave more of it than a usual clip has.
            self._length = min(self._length, usual)
        self._rows, self._columns = given.known.shape[1:]
        self._widths = windows_for(settings.decoding, model.defaults.window)
        # Every window has at least the slots of a later one, which has an anchor, so that the same programs serve all.
        self._later = self._layout(given_pictures=1, first=1)
        cache_rows = self._clips * (2 if settings.guided else 1)
        slots = self._later.slots + max(self._widths.values()) - 1
        check_cache(lm.config, lm.mesh_sizes, self._clips, cache_rows, slots, jnp.dtype(model.dtype).itemsize)
        # Latent frames that open a new window: each shot of a script does, for its words are read with the prefix.
        self._cuts = {shot.begins for script in request.scripts for shot in script}
        self._first = 0  # latent frame of the stream that the window begins with
        self._anchor: jax.Array | None = None
        self._recent: deque[LatentFrame] = deque(maxlen=self._length)
        self._opened: tuple[Layout, DecodeState] | None = None

    def known(self, now: int) -> LatentFrame | None:
        """Return latent frame `now` where picture and sound are given; None where something is to be drawn."""
        picture, sound = self._given(now)
        if picture is None or (sound is None and self._lm.config.sound_levels):
            return None
        return LatentFrame(picture, sound, (0, 0))

    def ends_before(self, now: int) -> bool:
        """Return whether a new window must be opened for latent frame `now`."""
        return self._opened is None or now - self._first == self._length or now in self._cuts

    def open(self, now: int) -> None:
        """Open a window for latent frame `now`: read the prefix and the frames that it continues from."""
        # A given clip is continued as if its end had been decoded here.
        fits = self._opened is None and now < self._length
        self._first = 0 if fits else max(0, now - self._request.settings.latent_overlap)
        prefix = window_prefix(self._model, self._request, self._first, now, self._length, self._anchor)
        layout = self._layout(given_pictures=prefix.kinds.shape[1], first=self._first)
        widest = max(layout, self._later, key=lambda each: each.slots)
        prefill = Prefill(
            self._lm.config,
            layout,
            widest.slots,
            max(self._widths.values()),
            self._request.settings.guided,
            self._model.dtype,
        )
        past = list(self._recent)[len(self._recent) - (now - self._first) :]
        with self._lm.on_mesh():
            origin = layout.stream_position(self._first)
            if self._opened is None and self._lm.mesh is None:
                self._prepare(prefill, prefix, widest, now)
            state = prefill.start(self._lm.decoding_params, prefix, origin, self._keys)
            for frame in past:
                state = self._program(widest, self._length, "video").read(self._lm.decoding_params, state, frame.video)
                if frame.sound is not None:
                    sound = self._program(widest, self._length, "sound")
                    state = sound.read(self._lm.decoding_params, state, frame.sound)
        self._opened = widest, state

    def _prepare(self, prefill: Prefill, prefix: Prefix, layout: Layout, now: int) -> None:
        """Begin to compile what draws latent frame `now`: side by side, while the device reads the prefix."""
        params, config = self._lm.decoding_params, self._lm.config
        state = prefill.start.prepare(params, prefix, 0, self._keys)
        span = span_for(now - self._first, self._length)
        video, sound = self._given(now)
        if video is None:
            self._program(layout, span, "video").prepare(params, state, layout.per_picture, self._controls)
        if sound is None and config.sound_levels:
            size = config.sound_frames[now > 0]
            self._program(layout, span, "sound").prepare(params, state, size, self._controls)

    def draw(self, now: int) -> LatentFrame:
        """Draw what is not given of latent frame `now`, and read the rest."""
        assert self._opened is not None, "open a window first"
        (layout, state), params, config = self._opened, self._lm.decoding_params, self._lm.config
        span = span_for(now - self._first, self._length)
        forwards: list[jax.Array | int] = [0, 0]
        with self._lm.on_mesh():
            video, sound = self._given(now)
            pictures = self._program(layout, span, "video")
            if video is None:
                video, forwards[0], state = pictures.draw(params, state, layout.per_picture, self._controls)
            else:
                state = pictures.read(params, state, video)
            track = self._program(layout, span, "sound")
            if sound is not None:
                state = track.read(params, state, sound)
            elif config.sound_levels:
                size = config.sound_frames[now > 0]
                sound, forwards[1], state = track.draw(params, state, size, self._controls)
                sound = _first(sound, size)
        self._opened = layout, state
        return LatentFrame(video, sound, (forwards[0], forwards[1]))

    def take(self, frame: LatentFrame) -> None:
        """Keep the next latent frame of the stream for the windows to come."""
        self._anchor = frame.video if self._anchor is None else self._anchor
        self._recent.append(frame)

    def _given(self, now: int) -> tuple[jax.Array | None, jax.Array | None]:
        """Return picture `[B, h, w]` and sound `[B, s, L]` of latent frame `now`, each None where it is not given."""

        def of_all(codes: np.ndarray | None) -> jax.Array | None:
            return None if codes is None else jnp.broadcast_to(jnp.asarray(codes), (self._clips, *codes.shape))

        given = self._request.given
        return of_all(given.picture(now)), of_all(given.sound_beside(now, self._lm.config))

    def _layout(self, *, given_pictures: int, first: int) -> Layout:
        return self._lm.config.layout(
            self._length,
            self._rows,
            self._columns,
            given_pictures=given_pictures,
            at_start=first == 0,
            sound_in_prefix=self._request.given.sound_in_prefix,
        )

    def _program(self, layout: Layout, span: int, group: Group) -> FrameProgram:
        return FrameProgram(self._lm.config, layout, span, group, self._widths[group])


@program(static=("count",))
def _first(sound: jax.Array, count: int) -> jax.Array:
    return sound[:, :count]
