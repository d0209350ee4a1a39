"""Clips in memory, as a source like those of data sets.

In: arrays of pixels and sound, captions. Out: a `ClipSource` that a hash of its content identifies.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reelm.errors import RequestError

from .clips import CaptionedClip, ShapeRun


@dataclass(frozen=True, eq=False)
class ArrayClips:
    """Clips of one shape.

    Attributes:
        video: uint8 [N, T, H, W, 3].
        captions: one for each clip, or several phrasings of it; None for clips without words.
        fps: frames a second.
        audio: float32 [N, S, C] or [N, S] in [-1, 1], S samples for the T frames; None for silent clips.
        sample_rate: of the sound, in Hz.

    Raises:
        RequestError: arrays of other kinds or lengths.
    """

    video: np.ndarray
    captions: Sequence[str | Sequence[str]] | None = None
    fps: float = 8.0
    audio: np.ndarray | None = None
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        video = np.asarray(self.video)
        if video.dtype != np.uint8 or video.ndim != 5 or video.shape[-1] != 3 or not video.size:
            raise RequestError(f"clips are uint8 [N, T, H, W, 3], not {video.dtype} {list(video.shape)}")
        for name, each in (("captions", self.captions), ("audio", self.audio)):
            if each is not None and len(each) != len(video):
                raise RequestError(f"{name} has {len(each)} entries for {len(video)} clips; it takes one for each")
        if not 0 < self.fps < float("inf") or self.sample_rate < 1:
            raise RequestError(f"fps and sample_rate lie above 0, not {self.fps} and {self.sample_rate}")
        object.__setattr__(self, "video", video)

    @property
    def description(self) -> dict[str, Any]:
        """The frame rate, and a hash of the content of all clips."""
        return {"dataset": "arrays", "fps": self.fps, "sha256": self._sha256}

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for array in (self.video, self.audio):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape}".encode())
                for clip in array:
                    digest.update(np.ascontiguousarray(clip).data)
        digest.update(repr([self._words(index) for index in range(len(self))]).encode())
        return digest.hexdigest()

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        """One run: all clips have one shape."""
        return (ShapeRun(*self.video.shape[:4]),)

    def __len__(self) -> int:
        return len(self.video)

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        clip = CaptionedClip(video=self.video[index], captions=self._words(index), fps=self.fps)
        if self.audio is not None:
            sound = np.asarray(self.audio[index], np.float32)
            clip["audio"], clip["sample_rate"] = sound.reshape(len(sound), -1), self.sample_rate
        return clip

    def _words(self, index: int) -> tuple[str, ...]:
        words = "" if self.captions is None else self.captions[index]
        return (words,) if isinstance(words, str) else tuple(words)
