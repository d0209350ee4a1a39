"""Finishing of decoded sound: bring it to the rate and the channels of the given sound, then put given samples back.

In: sound float32 `[B, S, C]` of the audio tokenizer, chunk by chunk, in order, or none from a silent model. Out: the
sound of the clips, as long as their frames.
"""

from typing import NamedTuple

import numpy as np

from reelm.media.sound import StreamResampler, samples_for, with_channels

from .conditions.given_sound import GivenSound
from .conditions.soundtrack import Soundtrack


class SoundFormat(NamedTuple):
    """The sample rate in Hz, None for silent clips, and the channels, 1 or 2, of the sound of a clip."""

    sample_rate: int | None = None
    channels: int = 1


def sound_format(track: Soundtrack | None, given: GivenSound | None) -> SoundFormat:
    """Return the format of the given sound, or else of the tokenizer."""
    if given is not None:
        return SoundFormat(given.recording.sample_rate, given.recording.samples.shape[1])
    return SoundFormat() if track is None else SoundFormat(track.sample_rate, track.tokenizer.config.channels)


class SoundFinisher:
    """Finishes the sound of B clips.

    Args:
        track: what decoded it; None for a silent model.
        given: the sound that was given; None without one.
        clips: B.
        fps: frames a second.
    """

    def __init__(self, track: Soundtrack | None, given: GivenSound | None, *, clips: int, fps: float):
        self._format, self._given, self._clips, self._fps = sound_format(track, given), given, clips, fps
        if track is not None and self._format.sample_rate is not None:
            self._resampler = StreamResampler(track.sample_rate, self._format.sample_rate)

    def __call__(self, decoded: np.ndarray | None, first: int, end: int) -> np.ndarray | None:
        """Return the sound float32 `[B, S, C]` of frames `first` to `end`; None for silent clips.

        decoded: the sound that begins with frame `first`, at the rate of the tokenizer; None from a silent model.
        """
        rate, channels = self._format
        if rate is None:
            return None
        bounds = [samples_for(frame, self._fps, rate) for frame in (first, end)]
        if decoded is None:
            sound = np.zeros((self._clips, bounds[1] - bounds[0], channels), np.float32)
        else:
            sound = with_channels(self._resampler(decoded, *bounds), channels)
        return sound if self._given is None else self._given.paste(sound, first, self._fps)
