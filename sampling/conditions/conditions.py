"""What a clip must show besides its prompt, as codes with their times."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reelm.lm.control.field import Source, control_field
from reelm.lm.layout import audio_frames
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.specials import Given
from reelm.media.pixels import Frames


@dataclass(frozen=True, eq=False)
class Conditions:
    """Known codes of a clip, and pixels that stay: the same for every prompt and seed of a call.

    Attributes:
        num_frames: frames of the clip; None for an endless one.
        time_stride: frames of each latent frame after the first.
        known: int32 `[m, h, w]`, the clip's first latent frames.
        pictures: frame number -> int32 `[h, w]`, a picture tokenized alone.
        masked: int32 `[t, h, w]`, codes of a clip of which a part stays; None without a mask.
        unknown: bool `[t, h, w]`, True where `masked` is filled in.
        fill: bool `[T, H, W]`, True at pixels that are filled in; all others are those of `pixels`.
        pixels: uint8 `[T, H, W, 3]`, the frames that stay where `fill` is False.
        sound: int32 `[F, L]`, codes of the clip's first audio frames; None without sound.
        steering: for each source of control that speaks, its part float32 `[t, h or 1, w or 1, c]` in the control field
            of the clip's first latent frames. After them keys are silent, and all others stay what they are last.
        sound_in_prefix: whether the pictures are made for the sound, which is then read before them.
    """

    num_frames: int | None
    time_stride: int
    known: np.ndarray
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    masked: np.ndarray | None = None
    unknown: np.ndarray | None = None
    fill: np.ndarray | None = None
    pixels: Frames | None = None
    sound: np.ndarray | None = None
    steering: Mapping[Source, np.ndarray] = field(default_factory=dict)
    sound_in_prefix: bool = False

    def draws_pictures(self, latent_frames: int | None) -> bool:
        """Whether some of `latent_frames` are not given; None is an endless clip."""
        return latent_frames is None or len(self.known) < latent_frames

    def tells_pictures(self, latent_frames: int | None) -> bool:
        """Whether some latent frames are drawn and given pictures say how they look."""
        told = len(self.known) or self.pictures or self.masked is not None
        return self.draws_pictures(latent_frames) and bool(told)

    def picture(self, latent_frame: int) -> np.ndarray | None:
        """Return the codes int32 `[h, w]` of a latent frame's picture; None where they are drawn."""
        return self.known[latent_frame] if latent_frame < len(self.known) else None

    def sound_beside(self, latent_frame: int, lm: LMConfig) -> np.ndarray | None:
        """Return the codes int32 `[s, L]` of the sound beside a latent frame; None where they are drawn."""
        begin, end = (audio_frames(lm.sound_frames, n) for n in (latent_frame, latent_frame + 1))
        return None if self.sound is None or len(self.sound) < end else self.sound[begin:end]

    def control(self, latent_frame: int, lm: LMConfig) -> np.ndarray:
        """Return the control field float32 `[1, h or 1, w or 1, C]` of a latent frame; zeros where nothing is asked."""
        parts: dict[Source, np.ndarray] = {}
        for source, part in self.steering.items():
            at = latent_frame if source == "keys" else min(latent_frame, len(part) - 1)
            parts |= {source: part[at : at + 1]} if at < len(part) else {}
        return control_field(lm.channels, parts, 1, self.known.shape[1:])

    def paste(self, video: Frames, first: int) -> Frames:
        """Return frames uint8 `[B, n, H, W, 3]`, which begin with frame `first`, with the pixels that stay put back."""
        if self.fill is None or self.pixels is None:
            return video
        span = slice(first, first + video.shape[1])
        fill, pixels = self.fill[span], self.pixels[span]
        stays = video.copy()
        stays[:, : len(fill)] = np.where(fill[..., None], video[:, : len(fill)], pixels)
        return stays

    def prefix(self, words: Prefix, lm: LMConfig, *, start: int, frames: int, anchor: np.ndarray | None) -> Prefix:
        """Return the prefix of a window: its words and everything given.

        Args:
            words: the prefix of the words alone, R rows.
            lm: sizes of the language model.
            start: latent frame that the window begins with.
            frames: latent frames of the window.
            anchor: int32 `[R or 1, h, w]`, the first latent frame of the clip; None for the first window.
        """
        rows, (h, w), stride = len(words.words), self.known.shape[1:], self.time_stride
        codes, kinds, times = [], [], []

        def add(picture: np.ndarray, kind: np.ndarray | Given, time: float) -> None:
            codes.append(np.broadcast_to(picture, (rows, h, w)))
            kinds.append(np.broadcast_to(np.asarray(kind, np.int32), (rows, h, w)))
            times.append(time)

        if anchor is not None:
            add(anchor, Given.ANCHOR, -1.0)
        for frame, picture in sorted(self.pictures.items()):
            if start - 1 < frame / stride < start + frames:
                add(picture, Given.FRAME, frame / stride - start)
        if self.masked is not None and self.unknown is not None:
            for i in range(start, min(start + frames, len(self.masked))):
                kind = np.where(self.unknown[i], Given.UNKNOWN, Given.KNOWN)
                add(self.masked[i], kind, float(i - start))
        # Each number of pictures compiles a program of its own, so the number is filled up to a power of two.
        while len(codes) & (len(codes) - 1):
            add(np.zeros((1, h, w), np.int32), Given.NOTHING, 0.0)
        prefix = words
        if codes:
            prefix = prefix.replace(
                codes=np.stack(codes, axis=1).astype(np.int32),
                kinds=np.stack(kinds, axis=1),
                times=np.broadcast_to(np.asarray(times, np.float32), (rows, len(times))),
            )
        return prefix.replace(sound=self._prefix_sound(lm, start, frames, rows)) if self.sound_in_prefix else prefix

    def _prefix_sound(self, lm: LMConfig, start: int, frames: int, rows: int) -> np.ndarray:
        """Return int32 `[rows, S, L]`, the sound beside a window, -1 beyond its end."""
        assert self.sound is not None
        begin, end = (audio_frames(lm.sound_frames, n) for n in (start, start + frames))
        sound = self.sound[begin:end]
        sound = np.pad(sound, ((0, end - begin - len(sound)), (0, 0)), constant_values=-1)
        return np.broadcast_to(sound, (rows, *sound.shape))
