"""The conditions of a clip besides its prompt, as codes with their times."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reelm.lm.layout import audio_frames, reference_grid
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.specials import FILLER, HEAD, NAMES, PictureKind
from reelm.media.pixels import Frames
from reelm.sampling.options import ControlKind
from reelm.tokenizer.codes import to_device

from .given_sound import GivenSound


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """What steers the pictures besides words. None means not steered.

    Attributes:
        keys: float32 `[t, 1, 1, 1 + K]` from `keys_field`, for the clip's first latent frames; later keys are unknown.
        tracks: float `[n, T, 2]`, (x, y) of each subject in the clip's first frames; the last place repeats.
        structure: codes int32 `[t, h, w]` of the control clip; the last latent frame repeats.
        kind: of the control clip; None without one.
        camera: float `[T, 3]` from `camera_path`; the last place repeats.
        motion: share of the training clips that move less.
    """

    keys: np.ndarray | None = None
    tracks: np.ndarray | None = None
    structure: np.ndarray | None = None
    kind: ControlKind | None = None
    camera: np.ndarray | None = None
    motion: float | None = None


@dataclass(frozen=True, eq=False)
class Conditions:
    """Given codes of a clip, and pixels to keep: the same for every prompt and seed of a call.

    Attributes:
        num_frames: frames of the clip; None for an endless one.
        time_stride: frames of each latent frame after the first.
        known: int32 `[m, h, w]`, the clip's first latent frames.
        drawn: bool `[m]`, which of these a retake draws anew; None without a retake.
        references: number from 1 on, as in <1> -> codes int32 of a portrait, of the size of `reference_grid`.
        pictures: frame number -> int32 `[h, w]`, a picture tokenized as a single frame.
        masked: int32 `[t, h, w]`, codes of the clip with a mask; None without one.
        unknown: bool `[t, h, w]`, True where `masked` is filled in.
        fill: bool `[T, H, W]`, True at pixels that are filled in.
        pixels: uint8 `[T, H, W, 3]`, the frames to keep where `fill` is False.
        shown: given pictures uint8 `[H, W, 3]` as they were tokenized, by what users call them; of a given video its
            last frame.
        sound: int32 `[F, L]`, codes of the clip's first audio frames; None without sound.
        given_sound: samples that come back as they are; None where all sound is drawn.
        steering: what steers the pictures.
        sound_in_prefix: whether the pictures are made for the sound, which is then read before them.
    """

    num_frames: int | None
    time_stride: int
    known: np.ndarray
    drawn: np.ndarray | None = None
    references: Mapping[int, np.ndarray] = field(default_factory=dict)
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    masked: np.ndarray | None = None
    unknown: np.ndarray | None = None
    fill: np.ndarray | None = None
    pixels: Frames | None = None
    shown: Mapping[str, Frames] = field(default_factory=dict)
    sound: np.ndarray | None = None
    given_sound: GivenSound | None = None
    steering: Steering = Steering()
    sound_in_prefix: bool = False

    def draws_pictures(self, latent_frames: int | None) -> bool:
        """Return whether some pictures of `latent_frames` latent frames are not given; None is an endless clip."""
        return latent_frames is None or len(self.known) < latent_frames or self.drawn is not None

    @property
    def shows(self) -> bool:
        """Whether any picture of the clip is given."""
        return bool(len(self.known) or self.pictures or self.masked is not None)

    @property
    def follows_sound(self) -> bool:
        """Whether the pictures are made for a given sound. A retake has its own task, whose prefix holds the sound."""
        return self.sound_in_prefix and self.drawn is None

    def picture(self, latent_frame: int) -> np.ndarray | None:
        """Return the codes int32 `[h, w]` of a latent frame's picture; None where they are drawn."""
        there = latent_frame < len(self.known) and not self._anew(latent_frame)
        return self.known[latent_frame] if there else None

    def gap_ends(self, latent_frame: int) -> int:
        """Return the first given latent frame after the gap that `latent_frame` is in; 0 if none follows."""
        after = [] if self.drawn is None else np.flatnonzero(~self.drawn[latent_frame:]).tolist()
        return latent_frame + after[0] if after else 0

    def sound_of(self, latent_frame: int, lm: LMConfig) -> np.ndarray | None:
        """Return the codes int32 `[s, L]` of the sound of a latent frame; None where they are drawn."""
        begin, end = (audio_frames(lm.sound_frames, n) for n in (latent_frame, latent_frame + 1))
        there = self.sound is not None and len(self.sound) >= end and not self._anew(latent_frame)
        return self.sound[begin:end] if self.sound is not None and there else None

    def _anew(self, latent_frame: int) -> bool:
        """Return whether a retake draws a given latent frame anew."""
        return self.drawn is not None and latent_frame < len(self.drawn) and bool(self.drawn[latent_frame])

    def paste(self, video: Frames, first: int) -> Frames:
        """Return frames uint8 `[B, n, H, W, 3]`, from frame `first` on, with the pixels to keep put back."""
        if self.fill is None or self.pixels is None:
            return video
        span = slice(first, first + video.shape[1])
        fill, pixels = self.fill[span], self.pixels[span]
        stays = video.copy()
        stays[:, : len(fill)] = np.where(fill[..., None], video[:, : len(fill)], pixels)
        return stays

    def named_in(self, words: Prefix, lm: LMConfig) -> "Conditions":
        """Return the conditions without the references that no row of words names."""
        named = {number: each for number, each in self.references.items() if names(words, number, lm).any()}
        return replace(self, references=named)

    def prefix(
        self,
        words: Prefix,
        lm: LMConfig,
        *,
        start: int,
        frames: int,
        anchor: np.ndarray | None,
        anchor_time: float = -1.0,
    ) -> Prefix:
        """Return the prefix of a window: its words and all conditions.

        Args:
            words: the prefix with only the words, R rows.
            lm: sizes of the language model.
            start: latent frame that the window begins with.
            frames: latent frames of the window.
            anchor: int32 `[R or 1, h, w]`, the first latent frame of the clip; None for the first window.
            anchor_time: of the anchor, in latent frames from the window's start.
        """
        rows, (h, w), stride = len(words.words), self.known.shape[1:], self.time_stride
        codes, kinds, times = [], [], []

        def add(picture: np.ndarray, kind: np.ndarray | PictureKind, time: float) -> None:
            codes.append(np.broadcast_to(picture, (rows, h, w)))
            kinds.append(np.broadcast_to(np.asarray(kind, np.int32), (rows, h, w)))
            times.append(time)

        if anchor is not None:
            add(anchor, PictureKind.ANCHOR, anchor_time)
        for frame, picture in sorted(self.pictures.items()):
            if start - 1 < frame / stride < start + frames:
                add(picture, PictureKind.FRAME, frame / stride - start)
        whole, unknown = self.masked, self.unknown
        if self.drawn is not None:
            whole, unknown = self.known, self.drawn[:, None, None]
        if whole is not None and unknown is not None:
            for i in range(start, min(start + frames, len(whole))):
                kind = np.where(unknown[i], PictureKind.UNKNOWN, PictureKind.KNOWN)
                add(whole[i], kind, float(i - start))
        # Each number of pictures compiles another program, so the number is padded to a power of two.
        while len(codes) & (len(codes) - 1):
            add(np.zeros((1, h, w), np.int32), PictureKind.NOTHING, 0.0)
        prefix = self._with_references(words, lm)
        if codes:
            prefix = replace(
                prefix,
                codes=to_device(np.stack(codes, axis=1), lm.bits),
                kinds=np.stack(kinds, axis=1),
                times=np.broadcast_to(np.asarray(times, np.float32), (rows, len(times))),
            )
        return replace(prefix, sound=self._prefix_sound(lm, start, frames, rows)) if self.sound_in_prefix else prefix

    def _with_references(self, words: Prefix, lm: LMConfig) -> Prefix:
        """Return words with the references that they name. Their number is padded to a power of two."""
        if not self.references:
            return words
        count = 1 << (len(self.references) - 1).bit_length()
        shape = (len(words.words), count, *reference_grid(*self.known.shape[1:]))
        codes, numbers = np.zeros(shape, self.known.dtype), np.zeros(shape[:2], np.int32)
        for slot, (number, reference) in enumerate(sorted(self.references.items())):
            codes[:, slot] = reference
            numbers[:, slot] = np.where(names(words, number, lm), number, 0)
        return replace(words, references=to_device(codes, lm.bits), numbers=numbers)

    def _prefix_sound(self, lm: LMConfig, start: int, frames: int, rows: int) -> np.ndarray:
        """Return the sound int32 `[rows, S, L]` of a window, -1 after its end and where it is drawn anew."""
        assert self.sound is not None
        begin, end = (audio_frames(lm.sound_frames, n) for n in (start, start + frames))
        sound = np.array(self.sound[begin:end])
        for i in filter(self._anew, range(start, start + frames)):
            gap = [audio_frames(lm.sound_frames, n) - begin for n in (i, i + 1)]
            sound[slice(*gap)] = -1
        sound = np.pad(sound, ((0, end - begin - len(sound)), (0, 0)), constant_values=-1)
        return np.broadcast_to(sound, (rows, *sound.shape))


def names(words: Prefix, number: int, lm: LMConfig) -> np.ndarray:
    """Return bool `[R]`: whether each row of words names the reference with a number. A row without words names all."""
    ids = np.asarray(words.words)[:, HEAD:]
    if lm.text_width:  # a text encoder reads names like all other words
        return np.ones(len(ids), bool)
    return (ids == NAMES + number).any(axis=1) | (ids == FILLER).all(axis=1)
