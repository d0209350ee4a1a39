"""Turn sound into codes for latent frames.

In: a path, a clip with sound, samples with their rate, or samples at the audio tokenizer's own rate. Out: codes int32
`[F, L]` of whole latent frames. Sound is cut, or padded with silence, to the length of the pictures.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from reelm.errors import RequestError
from reelm.lm.layout import audio_frames
from reelm.media.clip import Clip
from reelm.media.read import read_sound
from reelm.media.sound import as_float_sound, fitted, resample, samples_for, say_length, with_channels
from reelm.tokenizer.audio.tokenizer import AudioTokenizer

from .sources import Recording, SoundSource, recording


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

    def samples(self, source: SoundSource) -> np.ndarray:
        """Return float32 `[S, C]` at `sample_rate`, with the channels of the tokenizer; RequestError without sound."""
        config = self.tokenizer.config
        if isinstance(source, tuple):
            source = cast(Recording, recording(source))
        if isinstance(source, Clip):
            if source.audio is None or source.sample_rate is None:
                raise RequestError("the clip given as audio has no sound; give one that has")
            source = Recording(source.audio, source.sample_rate)
        if isinstance(source, Recording):
            sound = with_channels(source.samples[None], config.channels)
            return resample(sound, source.sample_rate, self.sample_rate)[0]
        if not isinstance(source, np.ndarray):
            return read_sound(source, sample_rate=self.sample_rate, channels=config.channels)
        sound = with_channels(as_float_sound(source), config.channels)
        if len(sound) != 1:
            raise RequestError(f"a sound has the shape [S] or [S, C], not {list(source.shape)}")
        return sound[0]

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
        if clip.audio is None:
            return None
        count, codes = self.count(latent_frames), (clip.tokens or {}).get("audio")
        if codes is not None and len(codes) >= count and clip.info.get("audio_tokenizer") == self.tokenizer.hash:
            return codes[:count]
        return self.encode(self.samples(clip), latent_frames)

    def count(self, latent_frames: int) -> int:
        """Return the number of audio frames of the first `latent_frames` latent frames."""
        return audio_frames(self.frames, latent_frames)
