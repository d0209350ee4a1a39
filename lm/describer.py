"""The describer: a small net that reads the first codes of a clip and finds the words of its caption in them.

In: codes of pictures, of sound, or of both. Out: for each word that it knows, or for words that say the same, how
likely it is said of the clip. It is trained for just this (`train/lm/describer.py`). That tells far more surely what is
seen and heard than asking under which words the language model would have made it: that knows its own voices, not those
of strangers. Pictures and sound are read apart and joined at the end, so that either may be missing.
"""

import re
from dataclasses import dataclass, field
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.tokenizer.codes import are_known, ids_to_signs, to_device

from .describer_config import DescriberConfig

_NORM_EPSILON = 1e-3
_WORD = re.compile(r"[\w'-]+")
_LIKELY = 0.5  # least chance of a word that is said
_FAR_MORE = 3.0  # times its usual odds: what is said of many clips anyway tells nothing of one
_DOUBT = 0.01  # least chance of anything, so that no single word outweighs all others
_MOST_DEVIATIONS = 3.0  # above the mean number of words; no clip is described by so many
_UNSAID = 0.4  # least chance that a caption is silent of what is there: "seven" names no colour


class _Block(nn.Module):
    """A residual convolution over all axes but the first and the last, and a mixing of channels."""

    kernel: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = (self.kernel,) * (x.ndim - 2)
        y = nn.gelu(nn.Conv(x.shape[-1], kernel, name="mix_places")(nn.LayerNorm(_NORM_EPSILON, name="norm")(x)))
        return x + nn.Dense(x.shape[-1], name="mix_channels")(y)


class DescriberNet(nn.Module):
    """Log-odds float32 `[B, words]` of pictures int32 `[B, t, h, w]` and audio frames `[B, S, L]`, -1 for none.

    Codes of pictures are as a device holds them.
    """

    config: DescriberConfig

    @nn.compact
    def __call__(self, video: jax.Array, sound: jax.Array, dropout: float = 0.0) -> jax.Array:
        config, drop = self.config, nn.Dropout(dropout, deterministic=not dropout)
        # The latent frames of a place become channels: what moved shows as their difference.
        seen = jnp.moveaxis(_signs(video, config.bits), 1, 3)
        seen = seen.reshape(*seen.shape[:3], -1)
        seen = nn.gelu(nn.Dense(3 * config.width, name="codes")(seen))
        seen = drop(nn.Dense(config.width, name="picture")(seen))
        for i in range(config.blocks):
            seen = _Block(3, name=f"picture_{i}")(seen)
        pooled = [seen.mean((1, 2)), seen.max((1, 2))]
        if config.sound_levels:
            heard = _signs(sound, config.sound_bits).reshape(*sound.shape[:2], -1)
            heard = drop(nn.Dense(config.width, name="sound")(heard))
            for i in range(config.blocks):
                heard = _Block(5, name=f"sound_{i}")(heard)
            pooled += [heard.mean(1), heard.max(1)]
        return nn.Dense(len(config.words), name="words")(drop(jnp.concatenate(pooled, axis=-1)))


def _signs(ids: jax.Array, bits: int) -> jax.Array:
    """The bits of codes as -1 and 1 `[..., bits]`; 0 where there is no code."""
    return ids_to_signs(ids, bits) * are_known(ids, bits)[..., None]


def init_params(config: DescriberConfig, key: jax.Array) -> dict:
    """Fresh parameters, nested dict of float32."""
    video = to_device(np.zeros((1, config.frames, 1, 1), int), config.bits)
    sound = jnp.zeros((1, config.audio_frames, config.sound_levels), jnp.int32)
    return cast(dict, DescriberNet(config).init(key, video, sound)["params"])


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
    return cast(jax.Array, DescriberNet(config).apply({"params": params}, video, sound))


_apply = jax.jit(log_odds, static_argnums=0)
