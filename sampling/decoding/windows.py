"""Decode an endless stream of latent frames, in context windows of the training length that continue each other.

A window holds its words, the first picture of the whole stream as an anchor, and the codes of the last `overlap` latent
frames. Prefix and overlap are read into a new cache, with positions counted from the window's start. So memory and time
of a latent frame are constant, however long the stream is.
"""

import itertools
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.language_model import LanguageModel
from reelm.lm.layout import Layout
from reelm.lm.specials import Group
from reelm.programs.program import program
from reelm.programs.settings import usual_settings
from reelm.tokenizer.codes import to_device

from .choose import SamplingParams, keys_of
from .prefill import Prefill
from .program import FrameProgram, span_for
from .state import DecodeState
from .window_plan import ShotPlan, StreamPlan


class LatentFrame(NamedTuple):
    """One latent frame of B clips, on the device, where it may still be under way.

    Attributes:
        video: int32 `[B, h, w]`, as a device holds ids (`tokenizer/codes.py`).
        sound: int32 `[B, s, L]`, its audio frames; None from silent models.
        forwards: int32 `[B]` each, forward passes that its picture and its sound took.
    """

    video: jax.Array
    sound: jax.Array | None
    forwards: tuple[jax.Array | np.ndarray, jax.Array | np.ndarray]


@dataclass(frozen=True, eq=False)
class NextFrame:
    """What the next latent frame of B clips is drawn from.

    Attributes:
        programs: of its picture and, from models with sound, of its sound.
        sizes: int32 `[B]` each, number of codes of each program for each clip.
        known: given codes of each program, as `FrameProgram.read` takes them; None where they are drawn.
        state: before it; donated by `draw`.
        sampling: parameters of each clip.
    """

    programs: tuple[FrameProgram, ...]
    sizes: tuple[np.ndarray, ...]
    known: tuple[jax.Array | None, ...]
    state: DecodeState
    sampling: SamplingParams

    @property
    def kind(self) -> Hashable:
        """What latent frames must have in common to be drawn together; None if this one cannot join others."""
        if any(each is not None for each in self.known):
            return None
        programs = tuple(replace(each, span=0) for each in self.programs)  # the longest span serves all
        leaves, tree = jax.tree.flatten((self.state, self.sampling))
        return programs, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)

    def draw(self, params: dict) -> tuple[LatentFrame, DecodeState]:
        """Return the latent frame, in which sound is as long as the longest size, and the state after it."""
        state, codes, forwards = self.state, list[jax.Array](), list[jax.Array | np.ndarray]()
        for one, sizes, known in zip(self.programs, self.sizes, self.known, strict=True):
            if known is None:
                drawn, count, state = one.draw(params, state, sizes, self.sampling)
                codes.append(drawn)
                forwards.append(count)
            else:
                state = one.read(params, state, known)
                codes.append(known)
                forwards.append(np.zeros_like(sizes))
        if len(codes) == 1:
            return LatentFrame(codes[0], None, (forwards[0], np.zeros_like(self.sizes[0]))), state
        sound = first_frames(codes[1], int(self.sizes[1].max()))
        return LatentFrame(codes[0], sound, (forwards[0], forwards[1])), state

    def prepare(self, params: dict) -> None:
        """Begin to compile `draw`; the arrays may be shapes."""
        for one, sizes, known in zip(self.programs, self.sizes, self.known, strict=True):
            if known is None:
                one.prepare(params, self.state, sizes, self.sampling)


def first_frames(sound: jax.Array, count: int) -> jax.Array:
    """Return the first `count` audio frames of sound `[B, N, L]`."""
    return sound if sound.shape[1] == count else _cut(sound, count)


@program(static=("count",))
def _cut(sound: jax.Array, count: int) -> jax.Array:
    return sound[:, :count]


@dataclass(frozen=True, eq=False)
class Drawer:
    """The language models that draw a stream.

    Attributes:
        lm: draws the latent frames.
        opened_by: draws the first latent frame if the plan has an opening.
    """

    lm: LanguageModel
    opened_by: LanguageModel | None = None


def field_at(shot: ShotPlan, now: int) -> np.ndarray | None:
    """Return the control field float32 `[1, h or 1, w or 1, C]` of latent frame `now`; None from models without one."""
    return None if shot.field is None else shot.field[min(now, len(shot.field) - 1)][None]


class Stream(Iterator[LatentFrame]):
    """The latent frames of a stream, one after another without end; clips are ordered prompt by prompt.

    Attributes:
        window: takes shots and keys that are added while the stream is drawn.
    """

    def __init__(self, drawer: Drawer, plan: StreamPlan):
        self.window, self._lm, self._numbers = SlidingWindow(drawer, plan), drawer.lm, itertools.count()

    def __next__(self) -> LatentFrame:
        now = next(self._numbers)
        with usual_settings():
            frame = self.window.known(now)
            if frame is None:
                with self._lm.on_mesh():
                    frame, state = self.window.next_frame(now).draw(self._lm.decoding_params)
                self.window.keep(state)
            self.window.take(frame)
        return frame


class SlidingWindow:
    """The context window of a batch of clips, and the latent frames that the next window will continue from.

    Each latent frame is either given or drawn. In both cases `take` must be called with it.
    """

    def __init__(self, drawer: Drawer, plan: StreamPlan):
        self._drawer, self._lm, self._plan, self._clips = drawer, drawer.lm, plan, len(plan.seeds)
        self._held: np.ndarray | None = None  # the control field from the next latent frame on, in place of the plan's
        self._sampling = jax.device_put(plan.sampling)
        self._keys = keys_of(plan.seeds)
        self._first = 0  # latent frame of the stream that the window begins with
        self._shot: ShotPlan | None = None  # for which the window was opened
        self._taken = 0  # number of latent frames taken
        self._read = 0  # number of latent frames of the stream up to the last one that the window has read
        self._anchor: jax.Array | None = None
        self._recent: deque[LatentFrame] = deque(maxlen=plan.frames)
        self._asked: deque[np.ndarray | None] = deque(maxlen=plan.frames)  # control of these
        self._opened: tuple[Layout, DecodeState] | None = None

    def known(self, now: int) -> LatentFrame | None:
        """Return latent frame `now` if its picture and its sound are given; None if one must be drawn.

        The opening of the plan, which another language model draws, counts as given.
        """
        if now == 0 and self._plan.opening is not None:
            assert self._drawer.opened_by is not None
            return next(Stream(replace(self._drawer, lm=self._drawer.opened_by), self._plan.opening))
        picture, sound = self._known_codes(now)
        if picture is None or (sound is None and self._lm.config.sound_levels):
            return None
        none = np.zeros(self._clips, np.int32)
        return LatentFrame(picture, sound, (none, none))

    def next_frame(self, now: int) -> NextFrame:
        """Return what latent frame `now` is drawn from; a new window is opened if one is due."""
        self.open_for(now)
        assert self._opened is not None
        return self._next_frame(now, *self._opened)

    def open_for(self, now: int) -> None:
        """Open a new window if latent frame `now`, the next one, needs one. Its keys need not be known yet."""
        if self.known(now) is not None:
            return
        # Each shot opens a window, because its words are read with the prefix. Given latent frames open none.
        full = now - self._first == self._plan.frames
        if self._opened is None or full or self._read != now or self._plan.shot_at(now) is not self._shot:
            self._open(now)

    def _open(self, now: int) -> None:
        """Open a window for latent frame `now`: read the prefix and the frames that it continues from."""
        plan, shot, config = self._plan, self._plan.shot_at(now), self._lm.config
        # A given clip is continued as if its end had been decoded here.
        fits = self._opened is None and max(now, shot.conditions.gap_ends(now)) < plan.frames
        self._shot, self._read = shot, now
        self._first = max(plan.cut_before(now), 0 if fits else now - plan.overlap)
        past = list(zip(self._recent, self._asked, strict=True))[len(self._recent) - (now - self._first) :]
        control = past[0][1] if past else self._asked_for(now)
        prefix = plan.prefix(shot, self._first, self._anchor, each=control is not None and len(control) > 1)
        given = {"pictures": prefix.kinds.shape[1], "references": prefix.numbers.shape[1]}
        layout = plan.layout(shot.conditions, **given, first=self._first)
        widest = max(layout, plan.later, key=lambda each: each.slots)
        prefill = Prefill(config, layout, widest.slots, max(plan.lookahead.values()), plan.guided, plan.dtype)
        with self._lm.on_mesh():
            origin = layout.stream_position(self._first)
            if self._opened is None and self._lm.mesh is None:
                # The programs that draw are compiled in parallel, while the device reads the prefix.
                shapes = prefill.start.prepare(self._lm.decoding_params, prefix, 0, self._keys, control)
                self._next_frame(now, widest, shapes).prepare(self._lm.decoding_params)
            state = prefill.start(self._lm.decoding_params, prefix, origin, self._keys, control)
            whole = span_for(plan.frames - 1, plan.frames)
            for frame, asked in past:
                state = replace(state, control=self._of_clips(asked))
                state = self._program(widest, whole, "video").read(self._lm.decoding_params, state, frame.video)
                if frame.sound is not None:
                    sound = self._program(widest, whole, "sound")
                    state = sound.read(self._lm.decoding_params, state, frame.sound)
        self._opened = widest, state

    def _next_frame(self, now: int, layout: Layout, state: DecodeState) -> NextFrame:
        span, config = span_for(now - self._first, self._plan.frames), self._lm.config
        groups: dict[Group, int] = {"video": layout.per_picture}
        if config.sound_levels:
            groups["sound"] = config.sound_frames[now > 0]
        return NextFrame(
            programs=tuple(self._program(layout, span, group) for group in groups),
            sizes=tuple(np.full(self._clips, size, np.int32) for size in groups.values()),
            known=self._known_codes(now)[: len(groups)],
            state=replace(state, control=self._of_clips(self._asked_for(now))),
            sampling=self._sampling,
        )

    def add(self, shot: ShotPlan) -> None:
        """Add a shot to the plan. It must begin with a latent frame that is not drawn yet."""
        self._plan = replace(self._plan, shots=[*self._plan.shots, shot])

    def hold(self, field: np.ndarray) -> None:
        """Use a control field float32 `[1, 1, 1, C]` from the next latent frame on, in place of the plan's."""
        self._held = field

    def keep(self, state: DecodeState) -> None:
        """Keep the state after the latent frame that was drawn."""
        assert self._opened is not None
        self._opened = self._opened[0], state
        self._read += 1

    def take(self, frame: LatentFrame) -> None:
        """Keep the next latent frame of the stream for the windows to come."""
        self._anchor = frame.video if self._anchor is None else self._anchor
        self._asked.append(self._asked_for(self._taken))
        self._recent.append(frame)
        self._taken += 1

    def _asked_for(self, now: int) -> np.ndarray | None:
        """Return the control field `[B or 1, ...]` of latent frame `now`; None from models without control."""
        if self._held is not None and now == self._taken:
            return self._held
        return field_at(self._plan.shot_at(now), now)

    def _of_clips(self, field: np.ndarray | None) -> np.ndarray | None:
        """Return a control field `[B or 1, ...]` with a row for each clip, `[B, ...]`."""
        return None if field is None else np.broadcast_to(field, (self._clips, *field.shape[1:]))

    def _known_codes(self, now: int) -> tuple[jax.Array | None, jax.Array | None]:
        """Return picture `[B, h, w]` and sound `[B, s, L]` of latent frame `now`, each None where it is not given."""

        def of_all(codes: np.ndarray | None) -> jax.Array | None:
            return None if codes is None else jnp.broadcast_to(jnp.asarray(codes), (self._clips, *codes.shape[1:]))

        conditions, config = self._plan.shot_at(now).conditions, self._lm.config
        picture, sound = conditions.picture(now), conditions.sound_of(now, config)
        picture = None if picture is None else to_device(picture[None], config.bits)
        return of_all(picture), of_all(None if sound is None else sound[None])

    def _program(self, layout: Layout, span: int | None, group: Group) -> FrameProgram:
        return FrameProgram(self._lm.config, layout, span, group, self._plan.lookahead[group])
