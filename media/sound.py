"""Sound as float32 samples: check it, fit it to the length of the picture, change its channels and its rate.

Sound begins with the first frame and has `round(frames * sample_rate / fps)` samples. Longer sound is cut, shorter
sound ends in silence; the log `reelm` names a difference of more than a tenth of a second.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.value_checks import array

Sound = NDArray[np.float32]  # [S,C] in [-1,1]

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz
_SILENCE = 16_000  # samples of a piece of silence
_CANCELLED = 0.01  # energy of the mean of two channels by that of each, below which one of them is inverted
_REACH = 64  # samples around a sample, at the lower of both rates, that resampling needs
_FULL_SCALE = 2.0  # the loudest sample that is clipped to [-1, 1] and not refused

_log = logging.getLogger("reelm")


@dataclass(frozen=True, eq=False)
class Recording:
    """Samples float32 `[S, C]` in [-1, 1], C = 1 or 2, and their rate in Hz."""

    samples: Sound
    sample_rate: int


def samples_for(frames: int, fps: float, sample_rate: int) -> int:
    """Return the number of samples that last as long as `frames` frames."""
    return round(frames * sample_rate / fps)


def fitted(sound: Sound, samples: int) -> Sound:
    """Return sound [S,C] cut, or padded with silence, to exactly `samples`."""
    missing = max(0, samples - len(sound))
    return np.concatenate([sound[:samples], np.zeros((missing, sound.shape[1]), np.float32)])


def fitted_pieces(pieces: Iterable[Sound], samples: int, channels: int) -> Iterator[Sound]:
    """Yield pieces [S,C] of one sound up to `samples`, then the missing silence in short pieces."""
    left = samples
    for piece in pieces:
        if left:
            yield piece[:left]
        left -= min(left, len(piece))
    while left:
        yield np.zeros((min(left, _SILENCE), channels), np.float32)
        left -= min(left, _SILENCE)


def say_length(missing: int, sample_rate: int) -> None:
    """Log that `missing` samples will be filled with silence, or that samples will be cut when it is below zero."""
    # Codecs work in blocks of 1,024 to 2,048 samples, so that most files are off by some hundredths of a second.
    if abs(missing) >= 0.1 * sample_rate:
        comparison, remedy = ("shorter", "the end is silent") if missing > 0 else ("longer", "the rest is cut")
        _log.warning("the sound is %.2f s %s than the picture: %s", abs(missing) / sample_rate, comparison, remedy)


def check_track(sound: object, sample_rate: object) -> None:
    """Check the sound of a clip: float32 [S,C], C = 1 or 2, all samples finite, at a positive whole rate.

    Raises:
        RequestError: the sound or its rate is something else.
    """
    if not isinstance(sound, np.ndarray) or sound.dtype != np.float32 or sound.ndim != 2:
        found = f"{sound.dtype} of shape {sound.shape}" if isinstance(sound, np.ndarray) else type(sound).__name__
        raise RequestError(f"sound is {found}; it must be a float32 array [samples, channels]")
    if sound.shape[1] not in (1, 2):
        raise RequestError(f"sound has {sound.shape[1]} channels; it must have 1 or 2")
    whole = isinstance(sample_rate, int | np.integer) and not isinstance(sample_rate, bool)
    if not whole or not 1 <= sample_rate <= HIGHEST_RATE:  # type: ignore[operator]
        raise RequestError(
            f"sound needs a sample_rate in whole Hz up to {HIGHEST_RATE}, such as 16000; it is {sample_rate!r}"
        )
    if not np.isfinite(sound).all():
        raise RequestError("sound holds NaN or infinite samples; every sample must be a number in [-1, 1]")


def check_rate(sample_rate: Any) -> int:
    """Return `sample_rate` as an int; RequestError unless it is whole Hz from 1,000 to 768,000. 16000.0 is whole."""
    kinds = int | float | np.integer | np.floating
    whole = isinstance(sample_rate, kinds) and not isinstance(sample_rate, bool) and sample_rate % 1 == 0
    rate = int(sample_rate) if whole else 0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RequestError(
            f"a sample rate is whole Hz from {LOWEST_RATE} to {HIGHEST_RATE}, such as 16000, not {sample_rate!r}"
        )
    return rate


def as_float_sound(sound: object) -> np.ndarray:
    """Return `sound` as float32 `[B, S, C]` in [-1, 1].

    Args:
        sound: float, or integers of 8, 16 or 32 bits that fill their range; `[S]`, `[S, C]` or `[B, S, C]`, C = 1 or 2.
            Floats between 1 and 2 are clipped at 1.

    Raises:
        RequestError: another shape or type; no samples; NaN or infinite samples; samples above twice full scale.
    """
    sound = array("a sound", sound)
    if sound.ndim == 1:
        sound = sound[:, None]
    if sound.ndim not in (2, 3) or sound.shape[-1] not in (1, 2):
        channels_first = sound.ndim == 2 and sound.shape[0] in (1, 2) and sound.shape[1] > 2
        hint = "; this one looks like [C, S]: give sound.T" if channels_first else ""
        raise RequestError(
            f"a sound has the shape [S], [S, C] or [B, S, C] with 1 or 2 channels C, not {list(sound.shape)}{hint}"
        )
    if sound.size == 0:
        raise RequestError("the sound has no samples; give at least one, or leave the sound out")
    sound = _of_integers(sound)
    sound = np.asarray(sound if sound.ndim == 3 else sound[None], np.float32)
    if not np.isfinite(sound).all():
        raise RequestError("the sound holds NaN or infinite samples; every sample must be a number in [-1, 1]")
    peak = float(np.abs(sound).max())
    if peak > _FULL_SCALE:
        raise RequestError(f"float sound lies in [-1, 1], this one reaches {peak:g}; divide by its full scale")
    if peak > 1:
        _log.warning("the sound reaches %.3f of full scale: it is clipped at 1", peak)
    return np.clip(sound, -1, 1)


def _of_integers(sound: np.ndarray) -> np.ndarray:
    """Return integers as floats in [-1, 1], by the range of their type, and floats as they are."""
    if np.issubdtype(sound.dtype, np.floating):
        return sound
    if sound.dtype.kind not in "iu" or sound.dtype.itemsize > 4:  # no sound file has 64 bits, so full scale is unknown
        raise RequestError(
            f"a sound is float in [-1, 1], or integers of 8, 16 or 32 bits, such as int16, not {sound.dtype}"
        )
    half = 2.0 ** (8 * sound.dtype.itemsize - 1)
    return (sound - (half if sound.dtype.kind == "u" else 0.0)) / half  # unsigned, as in WAV: silence is the middle


def as_recording(samples: object, sample_rate: Any) -> Recording:
    """Return samples `[S]` or `[S, C]`, of any type that `as_float_sound` takes, at a rate; RequestError if unfit."""
    sound, rate = as_float_sound(samples), check_rate(sample_rate)
    if len(sound) != 1:
        raise RequestError(f"a sound has the shape [S] or [S, C], not {list(np.shape(samples))}")  # type: ignore[arg-type]
    return Recording(sound[0], rate)


def with_channels(sound: np.ndarray, channels: int) -> np.ndarray:
    """Return sound `[..., S, C]` in `channels` (1 or 2) channels: the mean of two, or one channel twice.

    If two channels cancel each other out, the left one is taken. `Mixer` does the same piece by piece.
    """
    if sound.shape[-1] == channels:
        return sound
    if channels == 2:
        return np.repeat(sound, channels, axis=-1)
    mean = sound.mean(axis=-1, keepdims=True)
    energies = [np.square(each, dtype=np.float64).sum(axis=(-2, -1), keepdims=True) for each in (mean, sound)]
    return np.where(energies[0] < _CANCELLED * energies[1] / 2, sound[..., :1], mean)


class Mixer:
    """Mixes two channels to one, piece by piece. If they cancel each other out, the left one is taken.

    Args:
        name: of the sound, for the log `reelm`.
    """

    def __init__(self, name: str) -> None:
        self._name, self._warned = name, False
        self._mean = self._each = 0.0  # energy so far

    def __call__(self, sound: np.ndarray, channels: int) -> np.ndarray:
        """Return sound [S,C] in `channels`, as `with_channels` does."""
        if sound.shape[-1] <= channels:
            return with_channels(sound, channels)
        mixed = sound.mean(axis=-1, keepdims=True)
        self._mean += float(np.vdot(mixed, mixed))
        self._each += float(np.vdot(sound, sound)) / 2
        if not self._mean < _CANCELLED * self._each:
            return mixed
        if not self._warned:
            _log.warning("the channels of %s cancel each other out: the left one is heard", self._name)
        self._warned = True
        return sound[:, :1]


def resampled_length(samples: int, sample_rate: int, to: int) -> int:
    """Return the number of samples at the rate `to` of a sound of `samples` at `sample_rate`.

    The last half sample of the sound begins no new sample, since its length was rounded. So a sound of
    `round(seconds * sample_rate)` samples never becomes longer than `seconds * to`.
    """
    return max(1, -(-(2 * samples - 1) * to // (2 * sample_rate)))


def resample(sound: np.ndarray, sample_rate: int, to: int) -> np.ndarray:
    """Return sound `[B, S, C]` at another rate, of `resampled_length` samples in [-1, 1].

    libswresample does it through PyAV: a windowed sinc without delay, exact to 90 dB or better within the band. Sound
    that has the rate already is returned as it is.
    """
    if sample_rate == to:
        return sound
    from av import AudioFrame, AudioResampler  # imported late: only sound at another rate needs it

    batch, samples, channels = sound.shape
    layout = "mono" if channels == 1 else "stereo"
    wanted = resampled_length(samples, sample_rate, to)
    # The filter returns nothing for a sound shorter than itself, and mirrors the end of a longer one: silence follows.
    tail = _REACH * max(1, -(-sample_rate // to))
    resampled = np.zeros((batch, wanted, channels), np.float32)
    for source, target in zip(sound, resampled, strict=True):
        padded = np.concatenate([source, np.zeros((tail, channels), np.float32)])
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(padded.T), format="fltp", layout=layout)
        frame.sample_rate = sample_rate
        resampler = AudioResampler(format="fltp", layout=layout, rate=to)
        pieces = [piece.to_ndarray().T for each in (frame, None) for piece in resampler.resample(each)]
        made = np.concatenate(pieces)[:wanted]
        target[: len(made)] = made
    return np.clip(resampled, -1, 1)


class StreamResampler:
    """Resamples a sound that comes in pieces, so that no join is heard.

    The end of each piece is mirrored through its last sample, because the sound that follows is not there yet. So the
    last millisecond of a piece is a guess, and nothing is held back.

    Args:
        sample_rate: of the pieces, in Hz.
        to: of the result, in Hz.
    """

    def __init__(self, sample_rate: int, to: int):
        self._rate, self._to = sample_rate, to
        self._begin = 0  # of `_held`, in samples of the sound; a whole number of samples of the result lies before it
        self._held: np.ndarray | None = None

    def __call__(self, piece: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Return the samples `begin` to `end` of the result, float32 `[B, end - begin, C]`.

        piece: float32 `[B, S, C]`, the next samples, which are heard while those of the result are.
        """
        if self._rate == self._to:
            return piece[:, : end - begin]
        held = piece if self._held is None else np.concatenate([self._held, piece], axis=1)
        reach = _REACH * max(1, -(-self._rate // self._to))
        mirrored = 2 * held[:, -1:] - held[:, -2 : -2 - reach : -1]
        made = resample(np.concatenate([held, mirrored], axis=1), self._rate, self._to)
        first = self._begin * self._to // self._rate
        period = self._rate // gcd(self._rate, self._to)
        drop = max(0, held.shape[1] - reach) // period * period
        self._held, self._begin = held[:, drop:], self._begin + drop
        return made[:, begin - first : end - first]
