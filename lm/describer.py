"""The describer: a small net that reads the first codes of a clip and finds the words of its caption in them.

In: codes of pictures, of sound, or of both. Out: for each word that it knows, or for words that say the same, how
likely it is said of the clip. It is trained for just this (`train/lm/describer.py`). That tells far more surely what is
seen and heard than asking under which words the language model would have made it: that knows its own voices, not those
of strangers. Pictures and sound are read apart and joined at the end, so that either may be missing.
"""

import re
from dataclasses import dataclass, field
from typing import cast

import jax
import numpy as np

from reelm.errors import RequestError
from reelm.tokenizer.codes import to_device

from .describer_config import DescriberConfig

_WORD = re.compile(r"[\w'-]+")
_LIKELY = 0.5  # least chance of a word that is said
_FAR_MORE = 3.0  # times its usual odds: what is said of many clips anyway tells nothing of one
_DOUBT = 0.01  # least chance of anything, so that no single word outweighs all others
_MOST_DEVIATIONS = 3.0  # above the mean number of words; no clip is described by so many
_UNSAID = 0.4  # least chance that a caption is silent of what is there: "seven" names no colour


@dataclass(frozen=True, eq=False)
class Describer:
    """A trained describer."""

    config: DescriberConfig
    params: dict = field(repr=False)

    def __call__(self, video: np.ndarray | None, sound: np.ndarray | None) -> dict[str, float]:
        """How likely each word is said of a clip; of words that say the same the first stands for all.

        Args:
            video: codes `[t, h, w]`, the clip's first latent frames; None where nothing is seen.
            sound: int32 `[S, L]`, the sound from its beginning; None where nothing is heard.

        Raises:
            RequestError: neither, or sound alone for a describer of pictures alone.
        """
        config = self.config
        if video is None and (sound is None or not config.sound_levels):
            raise RequestError("there is nothing to describe that this model could see or hear")
        seen = np.full((config.frames, *((1, 1) if video is None else video.shape[1:])), -1)
        heard = np.full((config.audio_frames, config.sound_levels), -1, np.int32)
        for codes, slots in ((video, seen), (sound if config.sound_levels else None, heard)):
            if codes is not None:
                slots[: len(codes)] = codes[: len(slots)]
        odds = np.asarray(_apply(config, self.params, to_device(seen[None], config.bits), heard[None]))[0]
        return {words[0]: float(chance) for words, chance in zip(config.words, 1 / (1 + np.exp(-odds)), strict=True)}

    def log_likelihood(self, caption: str, video: np.ndarray | None, sound: np.ndarray | None) -> float:
        """How well a caption fits, in nats: that its words are said of the clip, and few others that are known.

        A word of the caption that is not found costs 4.6 nats at most; one that is found and not said costs 0.9 at
        most, since short captions leave out what is there. See `__call__` for the rest.
        """
        chances, there, nats = self(video, sound), caption_words(caption), 0.0
        for words in self.config.words:
            chance = chances[words[0]]
            nats += float(np.log(max(1 - chance, _UNSAID) if there.isdisjoint(words) else max(chance, _DOUBT)))
        return nats

    def likely(self, video: np.ndarray | None, sound: np.ndarray | None) -> list[str]:
        """The words that are likely of a clip, and far more so than of others, the likeliest first; see `__call__`.

        Where there are none, the one that stands out most from its usual odds: a doubtful name is better than none.
        Nothing is said of noise: a net that never met such a clip finds all of its words in it.
        """
        chances, usual = self(video, sound), np.asarray(self.config.usual)
        most = usual.sum() + _MOST_DEVIATIONS * np.sqrt(np.sum(usual * (1 - usual)))
        if sum(chances.values()) > most:
            return []

        def odds(chance: float) -> float:
            return chance / max(1 - chance, 1e-9)

        lift = {  # odds, as a multiple of the usual ones
            words[0]: odds(chances[words[0]]) / max(odds(share), 1e-9)
            for words, share in zip(self.config.words, self.config.usual, strict=True)
        }
        likely = [word for word, chance in chances.items() if chance >= _LIKELY and lift[word] >= _FAR_MORE]
        if not likely:
            first = max(lift, key=lift.__getitem__)
            likely = [first] if lift[first] > 1 else []
        return sorted(likely, key=lambda word: -chances[word])


def caption_words(caption: str) -> set[str]:
    """The words of a caption, as a describer knows them."""
    return set(_WORD.findall(caption.lower()))


def log_odds(config: DescriberConfig, params: dict, video: jax.Array, sound: jax.Array) -> jax.Array:
    """See `DescriberNet`."""
    from .describer_net import DescriberNet

    return cast(jax.Array, DescriberNet(config).apply({"params": params}, video, sound))


_apply = jax.jit(log_odds, static_argnums=0)
