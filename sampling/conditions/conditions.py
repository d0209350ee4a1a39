"""What a clip must show besides its words, as codes and where they stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reelm.lm.layout import audio_frames
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.specials import Given
from reelm.media.pixels import Frames


@dataclass(frozen=True, eq=False)
class Conditions:
    """Codes that are known of a clip, and pixels that stay. The same for every prompt and seed of a call.

    Attributes:
        num_frames: of the clip; None for an endless one.
        known: int32 `[m, h, w]`, the clip's first latent frames.
        pictures: frame number -> int32 `[h, w]`, a picture tokenized alone.
        masked: int32 `[t, h, w]`, codes of a clip of which a part stays; None for no such clip.
        unknown: bool `[t, h, w]`, where `masked` is to be filled in.
        fill: bool `[T, H, W]`, the pixels to be filled in; all others are those of `pixels`.
        pixels: uint8 `[T, H, W, 3]`.
        sound: int32 `[F, L]`, the clip's first audio frames; None for none.
        heard: whether they are given before the pictures, which are to go with them.
    """

    num_frames: int | None
    known: np.ndarray
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    masked: np.ndarray | None = None
    unknown: np.ndarray | None = None
    fill: np.ndarray | None = None
    pixels: Frames | None = None
    sound: np.ndarray | None = None
    heard: bool = False

    def draws_pictures(self, latent_frames: int | None) -> bool:
        """Whether a clip of that many has some that are not given."""
        return latent_frames is None or len(self.known) < latent_frames

    def tells_pictures(self, latent_frames: int | None) -> bool:
        """Whether some of the clip's latent frames are given and others to be drawn, of which the given ones tell."""
        given = len(self.known) or self.pictures or self.masked is not None
        return self.draws_pictures(latent_frames) and bool(given)

    def picture(self, latent_frame: int) -> np.ndarray | None:
        """Codes int32 `[h, w]` of a latent frame's picture, where they are known."""
        return self.known[latent_frame] if latent_frame < len(self.known) else None

    def sound_beside(self, latent_frame: int, lm: LMConfig) -> np.ndarray | None:
        """Codes int32 `[s, L]` of all the sound beside a latent frame, where they are known."""
        begin, end = (audio_frames(lm.sound_frames, n) for n in (latent_frame, latent_frame + 1))
        return None if self.sound is None or len(self.sound) < end else self.sound[begin:end]

    def paste(self, video: Frames, first: int) -> Frames:
        """Frames uint8 `[B, n, H, W, 3]` of the clip from frame `first` on, with what stays put back."""
        if self.fill is None or self.pixels is None:
            return video
        span = slice(first, first + video.shape[1])
        fill, pixels = self.fill[span], self.pixels[span]
        stays = video.copy()
        stays[:, : len(fill)] = np.where(fill[..., None], video[:, : len(fill)], pixels)
        return stays

    def prefix(
        self, words: Prefix, lm: LMConfig, *, start: int, frames: int, stride: int, anchor: np.ndarray | None
    ) -> Prefix:
        """The prefix of a window of `frames` latent frames from latent frame `start` on, for R rows of words alone.

        anchor: int32 `[R or 1, h, w]`, the stream's first latent frame, when the window continues it.
        """
        rows, (h, w) = len(words.words), self.known.shape[1:]
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
        # Each number of pictures compiles a program of its own, so they are filled up to powers of two.
        while len(codes) & (len(codes) - 1):
            add(np.zeros((1, h, w), np.int32), Given.NOTHING, 0.0)
        prefix = words
        if codes:
            prefix = prefix.replace(
                codes=np.stack(codes, axis=1).astype(np.int32),
                kinds=np.stack(kinds, axis=1),
                times=np.broadcast_to(np.asarray(times, np.float32), (rows, len(times))),
            )
        return prefix.replace(sound=self._heard(lm, start, frames, rows)) if self.heard else prefix

    def _heard(self, lm: LMConfig, start: int, frames: int, rows: int) -> np.ndarray:
        """int32 `[rows, S, L]`, the sound beside a window, -1 beyond its end."""
        assert self.sound is not None
        begin, end = (audio_frames(lm.sound_frames, n) for n in (start, start + frames))
        sound = self.sound[begin:end]
        sound = np.pad(sound, ((0, end - begin - len(sound)), (0, 0)), constant_values=-1)
        return np.broadcast_to(sound, (rows, *sound.shape))
