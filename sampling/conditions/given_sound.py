"""Sound that a user gives: one door for paths, clips, pairs and arrays; and its samples, which come back as they were.

Where the pictures of a clip are kept, so is its sound: at its own rate, in its own channels. Codes of it are only what
the language model reads.
"""

from dataclasses import dataclass

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.read import read_sound
from reelm.media.sound import Recording, as_recording, fitted, samples_for

from .sources import SoundSource, recording

_EDGE = 0.005  # seconds in which drawn sound meets the samples beside it, so that no click is heard


def read_recording(source: SoundSource, sample_rate: int) -> Recording:
    """Return a sound at its own rate, in its own channels.

    Args:
        source: as the user gave it.
        sample_rate: of samples that come without a rate, in Hz.

    Raises:
        RequestError: not a sound, or a file or a clip without sound.
    """
    if isinstance(source, tuple):
        return recording(source)
    if isinstance(source, Recording):
        return source
    if isinstance(source, np.ndarray):
        return as_recording(source, sample_rate)
    if not isinstance(source, Clip):
        return read_sound(source)
    if (found := sound_of(source)) is None:
        raise RequestError("the clip given as audio has no sound; give one that has")
    return found


def sound_of(clip: Clip) -> Recording | None:
    """Return the sound of a clip; None without sound."""
    if clip.audio is None or clip.sample_rate is None:
        return None
    return Recording(clip.audio, clip.sample_rate)


@dataclass(frozen=True, eq=False)
class GivenSound:
    """Samples to put back where no sound is drawn.

    Attributes:
        recording: the samples; silence follows its end.
        kept: bool `[T]`, True for frames that are heard as given; later frames are not.
    """

    recording: Recording
    kept: np.ndarray

    def paste(self, sound: np.ndarray, first: int, fps: float) -> np.ndarray:
        """Return sound float32 `[B, S, C]` of whole frames, from frame `first` on, with the kept samples put back.

        The first and the last five milliseconds of what is drawn are bent to meet the samples that are kept.
        """
        rate, sound = self.recording.sample_rate, sound.copy()
        begin = samples_for(first, fps, rate)
        before = min(begin, 1)  # one sample more on each side, for what is drawn to meet
        given = fitted(self.recording.samples[begin - before :], before + sound.shape[1] + 1)
        frame, at = first, 0
        while at < sound.shape[1]:
            end = min(samples_for(frame + 1, fps, rate) - begin, sound.shape[1])
            piece, ramp = sound[:, at:end], _ramp(min(end - at, round(_EDGE * rate)))
            if self._keeps(frame):
                piece[:] = given[before + at : before + end]
            elif len(ramp):
                if self._keeps(frame - 1):
                    piece[:, : len(ramp)] += (given[before + at - 1] - piece[:, :1]) * ramp
                if self._keeps(frame + 1):
                    piece[:, -len(ramp) :] += (given[before + end] - piece[:, -1:]) * ramp[::-1]
            frame, at = frame + 1, end
        return np.clip(sound, -1, 1)

    def _keeps(self, frame: int) -> bool:
        return 0 <= frame < len(self.kept) and bool(self.kept[frame])


def _ramp(samples: int) -> np.ndarray:
    return np.linspace(1, 0, samples, dtype=np.float32)[:, None]
