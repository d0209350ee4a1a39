"""Turn sound into codes for latent frames.

In: a recording, or a clip with sound. Out: codes int32 `[F, L]` of whole latent frames. Sound is cut, or padded with
silence, to the length of the pictures.
"""

from dataclasses import dataclass

import numpy as np

from reelm.errors import RequestError
from reelm.lm.layout import audio_frames
from reelm.media.clip import Clip
from reelm.media.sound import Recording, fitted, resample, samples_for, say_length, with_channels
from reelm.tokenizer.audio.tokenizer import AudioTokenizer

from .given_sound import sound_of


@dataclass(frozen=True)
class Soundtrack:
    """An audio tokenizer, and the number of audio frames of each latent frame.

    Attributes:
        tokenizer: makes the codes.
        frames: audio frames of the first latent frame, and of each later one.
        sample_rate: in Hz, at which the audio frames of a latent frame last as long as its pictures.
        fps: frames a second of the pictures.
        levels: number of levels that the language model knows, the first ones of the tokenizer.
    """

    tokenizer: AudioTokenizer
    frames: tuple[int, int]
    sample_rate: int
    fps: float
    levels: int

    def check_fps(self, fps: float) -> None:
        """Check that the sound fits pictures at `fps` frames a second; RequestError if not."""
        if abs(fps / self.fps - 1) > 1e-4:
            raise RequestError(f"this model's sound goes with {self.fps:g} frames a second, not {fps:g}")

    def samples(self, recording: Recording) -> np.ndarray:
        """Return a recording as float32 `[S, C]` at `sample_rate`, with the channels of the tokenizer."""
        sound = with_channels(recording.samples, self.tokenizer.config.channels)
        return resample(sound[None], recording.sample_rate, self.sample_rate)[0]

    def encode(self, samples: np.ndarray, latent_frames: int) -> np.ndarray:
        """Return the codes int32 `[F, L]` of a sound `[S, C]` for the first `latent_frames` latent frames."""
        wanted = self.count(latent_frames) * self.tokenizer.config.hop
        # The samples may have another rate than the tokenizer's: audio frames are counted, not seconds.
        return self.tokenizer.encode(fitted(samples, wanted), self.tokenizer.config.sample_rate)[0, :, : self.levels]

    def frames_for(self, samples: np.ndarray, fps: float) -> int:
        """Return the number of video frames, at least 1, that last as long as the sound `[S, C]`."""
        return max(1, round(len(samples) * fps / self.sample_rate))

    def fit(self, samples: np.ndarray, frames: int, fps: float) -> np.ndarray:
        """Return sound `[S, C]` made as long as `frames` frames; warn of a difference above 0.1 seconds."""
        wanted = samples_for(frames, fps, self.sample_rate)
        say_length(wanted - len(samples), self.sample_rate)
        return fitted(samples, wanted)

    def of_clip(self, clip: Clip, latent_frames: int) -> np.ndarray | None:
        """Return the codes of a clip's sound for its first `latent_frames` latent frames; None without sound.

        Codes of the same tokenizer are used as they are: decoding and encoding them again would lose a little.
        """
        if (sound := sound_of(clip)) is None:
            return None
        count, codes = self.count(latent_frames), (clip.tokens or {}).get("audio")
        if codes is not None and len(codes) >= count and clip.info.get("audio_tokenizer") == self.tokenizer.hash:
            return codes[:count]
        return self.encode(self.samples(sound), latent_frames)

    def count(self, latent_frames: int) -> int:
        """Return the number of audio frames of the first `latent_frames` latent frames."""
        return audio_frames(self.frames, latent_frames)
