"""The data of an audio tokenizer's training: pieces of the sounds of a data set, with random gains.

In: clips with sound. Out: float32 `[samples, C]` at the tokenizer's rate and channels.
"""

from collections.abc import Mapping
from typing import Any

import grain
import numpy as np

from reelm.data.clips import ClipSource
from reelm.errors import RequestError
from reelm.media.sound import as_float_sound, resample, with_channels
from reelm.tokenizer.audio.config import AudioTokenizerConfig

from .audio_config import SoundData
from .tones import tone


class RandomPiece(grain.transforms.RandomMap):
    """Maps a clip to float32 `[samples, C]`, a random piece of its sound that is preferably not silent."""

    def __init__(self, data: SoundData, model: AudioTokenizerConfig):
        self.data, self.model = data, model

    def random_map(self, element: Mapping[str, Any], rng: np.random.Generator) -> Any:
        sound = heard(element, self.model)
        samples, step = self.data.hops * self.model.hop, self.model.hop if self.data.whole_hops else 1
        if self.data.tones and rng.random() < self.data.tones:
            drawn = tone(int(rng.integers(2**31)), self.model.sample_rate, samples / self.model.sample_rate)
            return np.repeat(drawn[:, None], self.model.channels, axis=1)
        sound = np.pad(sound, ((0, max(0, samples - len(sound))), (0, 0)))
        # Try a few times: silence teaches nothing after the first steps, but some silence must be seen.
        for tries_left in (2, 1, 0):
            first = step * int(rng.integers((len(sound) - samples) // step + 1))
            piece = sound[first : first + samples]
            if piece.std() > 1e-2 or not tries_left:
                gain = rng.uniform(*self.data.gains) * rng.choice([-1, 1])
                return np.clip(piece * gain, -1, 1).astype(np.float32)


def heard(clip: Mapping[str, Any], model: AudioTokenizerConfig) -> np.ndarray:
    """Return the sound `[S, C]` of a clip at the tokenizer's rate and channels; RequestError when it has none."""
    if "audio" not in clip:
        raise RequestError("a clip of this data set has no sound; choose a set whose clips all have")
    sound = with_channels(as_float_sound(clip["audio"]), model.channels)
    return resample(sound, int(clip["sample_rate"]), model.sample_rate)[0]


def held_back_sounds(source: ClipSource, model: AudioTokenizerConfig, count: int) -> np.ndarray:
    """Return the first sounds of held-out clips, up to `count`, all as long as the shortest: `[B, S, C]`."""
    sounds = [heard(source[i], model) for i in range(min(count, len(source)))]
    return np.stack([sound[: min(map(len, sounds))] for sound in sounds])
