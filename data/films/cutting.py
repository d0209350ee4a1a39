"""Cut one file of a folder into the clips of a data set.

In: a video, an animation or a picture, and the settings of the set. Out: its clips: cut where the camera changes, at an
even frame rate, scaled and cropped into buckets, with their sound. A file is streamed: only one clip and the sound are
in memory. Knows nothing of other files, processes and TFDS.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from reelm.data.stored_clip import StoredClip, encode
from reelm.errors import RequestError
from reelm.media.limits import MAX_FPS, MIN_FPS, Timeline
from reelm.media.pixels import Fit
from reelm.media.read import stream_sound, stream_video
from reelm.media.sound import samples_for
from reelm.media.timing import TimedFrame, on_clock
from reelm.value_checks import within

from .buckets import Buckets, Size, centre, covering
from .manifest import Source
from .shots import DEFAULT_THRESHOLD, shots

_MAX_SOUND = 6 * 3600  # seconds of a file's sound that are held


@dataclass(frozen=True, kw_only=True)
class CuttingConfig:
    """Settings for cutting files into clips; `reelm data build` has an option for each.

    Attributes:
        buckets: sizes and lengths of clips.
        fps: frames a second of every clip; frame j shows what is seen at j / fps.
        sample_rate: of the sound in Hz, one channel.
        shot_threshold: difference of two frames between which a shot ends, in percent; see `shots.py`.
        test_share: share of the files, chosen by their names, whose clips go to the split "test".
    """

    buckets: Buckets = field(default_factory=Buckets)
    fps: float = 8.0
    sample_rate: int = 16_000
    shot_threshold: float = DEFAULT_THRESHOLD
    test_share: float = 0.05

    def __post_init__(self) -> None:
        within("fps", self.fps, MIN_FPS, MAX_FPS)
        within("sample_rate", self.sample_rate, 1_000, 192_000)
        if not 0 < self.shot_threshold <= 100:
            raise ValueError(f"shot_threshold is {self.shot_threshold}; it must be a percentage above 0, up to 100")
        if not 0 <= self.test_share < 1:
            raise ValueError(f"test_share is {self.test_share}; it must be at least 0 and below 1")


def clips_of(path: Path, source: Source, config: CuttingConfig, beat: Callable[[], None]) -> Iterator[StoredClip]:
    """Yield the clips of one file, in order; none if no shot is long enough.

    `beat` is called whenever a frame or a piece of sound has been read. Raises RequestError when the file cannot be
    read to its end: nothing of a damaged file is used.
    """
    scale = _Scale(config.buckets, repr(source.name))
    frames = _watched(repr(source.name), stream_video(path, fit=scale.fit, name=source.name), beat)
    first, second = next(frames, None), next(frames, None)
    if first is None:
        raise RequestError(f"{source.name!r} holds no frames")
    size, still = scale.size, second is None
    sound = _sound(path, source, first.start, config.sample_rate, beat)
    begun = [first] if second is None else [first, second]
    for number, shot in enumerate(shots(chain(begun, frames), config.shot_threshold)):
        for clip in config.buckets.cut(shot if still else on_clock(shot, config.fps), still=still):
            start = clip[0].start - first.start
            audio = _part(sound, start, len(clip), config)
            yield StoredClip(
                video=encode(np.stack([centre(frame.pixels, size) for frame in clip]), config.fps),
                audio=audio.tobytes(),
                sample_rate=config.sample_rate if len(audio) else 0,
                captions=source.captions,
                fps=config.fps,
                frames=len(clip),
                height=size.height,
                width=size.width,
                source=source.name,
                start=round(start, 6),
                shot=number,
            )


class _Scale:
    """Chooses the bucket of a file by its first frame and scales all frames to it."""

    def __init__(self, buckets: Buckets, name: str) -> None:
        self._buckets, self._name = buckets, name
        self._seen: tuple[int, int] | None = None
        self.size: Size = buckets.sizes[0]

    @property
    def fit(self) -> Fit:
        def fit(height: int, width: int) -> tuple[int, int]:
            if self._seen is None:
                self._seen, self.size = (height, width), self._buckets.nearest(height, width)
            elif self._seen != (height, width):
                before = f"{self._seen[1]}x{self._seen[0]}"
                raise RequestError(f"{self._name} changes its size from {before} to {width}x{height}")
            return covering(height, width, self.size)

        return fit


def _watched(name: str, frames: Iterator[TimedFrame], beat: Callable[[], None]) -> Iterator[TimedFrame]:
    timeline = Timeline(name)
    for frame in frames:
        beat()
        timeline.check(frame.start)
        yield frame


def _sound(path: Path, source: Source, start: float, sample_rate: int, beat: Callable[[], None]) -> np.ndarray:
    """Return the sound from the first frame on, int16 [S]; empty for digital silence or a file without sound."""
    kept, left = [], _MAX_SOUND * sample_rate
    for piece in stream_sound(path, start=start, sample_rate=sample_rate, name=source.name):
        kept.append(np.round(np.clip(piece[:left, 0], -1, 1) * 32767).astype("<i2"))
        left -= len(kept[-1])
        beat()
        if not left:
            break
    sound = np.concatenate(kept) if kept else np.zeros(0, "<i2")
    return sound if sound.any() else sound[:0]


def _part(sound: np.ndarray, start: float, frames: int, config: CuttingConfig) -> np.ndarray:
    """Return the sound of a clip, padded with silence if it ends before the pictures."""
    if not len(sound):
        return sound
    samples = samples_for(frames, config.fps, config.sample_rate)
    begin = round(start * config.sample_rate)
    part = sound[begin : begin + samples]
    return np.concatenate([part, np.zeros(samples - len(part), sound.dtype)])
