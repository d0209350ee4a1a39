"""Moving digits with sound: a voice names the digits when the clip begins, and a tick marks every bounce.

Goes out: `example(split, index)`, the very clip of `scenes.py` with a track of exactly its length. Voice, pitch,
speed and loudness vary; the speakers of `train` are heard in no other split, and since they are few, training hears
them faster and slower than they spoke and through many microphones. Some captions end in "without sound", and those
tracks are all zeros. What is heard is drawn from a random stream of its own, so pictures and the words about them
are those of the silent set. Pure numpy.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from . import scenes
from .mnist import DigitSet
from .scenes import DIGIT_SIZE, FPS, SIZE, SPLITS, Mover, Scene, Split
from .voices import VOICES_RATE, VoiceSet, load, more

SAMPLE_RATE = 16_000
WITHOUT_SOUND = 0.1  # share of captions that ask for silence
SILENT_WORDS = " without sound"

FIRST_WORD = 0.02  # seconds before the first name
BETWEEN_WORDS = 0.08  # seconds between two names
TICK_SECONDS = 0.03
_TICK = ((6_000, 0.5, 300), (2_400, 0.35, 200))  # (Hz, gain, decay a second) of its two damped tones
_SPEEDS = (0.92, 1.09)  # pitch moves along, as when a tape runs faster
_TRAINING_SPEEDS = (0.82, 1.22)
_TILT, _RIPPLES = 6.0, (2, 4, 6)  # decibels by which a microphone favours high or low, and its waves up to 4 kHz
_RIPPLE = 4.0  # decibels of each
_GAINS = (0.6, 1.3)
_REACH = 8  # samples of a recording on each side of a new one

_ROOM = SIZE - DIGIT_SIZE


class SoundingExample(TypedDict):
    """A clip of `moving_digits.Example` with its track: audio float32[T * sample_rate / fps, 1] on a grid of 2^-15."""

    video: np.ndarray
    captions: tuple[str, ...]
    scene: Scene
    audio: np.ndarray
    sample_rate: int


def example(
    split: Split,
    index: int,
    num_frames: int = 33,
    digits: DigitSet | None = None,
    voices: VoiceSet | None = None,
    sample_rate: int = SAMPLE_RATE,
) -> SoundingExample:
    """Clip `index` of a split with sound: a pure function of its arguments; longer clips continue shorter ones.

    Without `voices`, those of `voices_for(split)`. All but `audio`, `sample_rate` and the words "without sound" is as
    `moving_digits.example` gives it.
    """
    clip = scenes.example(split, index, num_frames, digits)
    rng = np.random.default_rng([1, SPLITS.index(split), index])
    silent = bool(rng.random() < WITHOUT_SOUND)
    if silent:
        audio = np.zeros((num_frames * sample_rate // FPS, 1), np.float32)
    else:
        voices = voices or voices_for(split)
        audio = soundtrack(clip["scene"], num_frames, voices, rng, sample_rate, varied=split == "train")
    return {
        "video": clip["video"],
        "captions": tuple(caption + (SILENT_WORDS if silent else "") for caption in clip["captions"]),
        "scene": clip["scene"],
        "audio": audio,
        "sample_rate": sample_rate,
    }


def voices_for(split: Split) -> VoiceSet:
    """Return the speakers of a split. Those of `test` and `held_out` are never heard in training."""
    return load("train" if split == "train" else "test")


def more_voices_for(split: Split) -> VoiceSet:
    """Return the speakers of a split, more of them for training where they were gathered; see `voices.more`."""
    return more("train" if split == "train" else "test")


def soundtrack(
    scene: Scene,
    num_frames: int,
    voices: VoiceSet,
    rng: np.random.Generator,
    sample_rate: int = SAMPLE_RATE,
    *,
    varied: bool = False,
) -> np.ndarray:
    """Return the track of a scene; see `track`."""
    names = [mover.digit for mover in scene.movers]
    return track(names, bounces(scene, num_frames), num_frames, voices, rng, sample_rate, varied=varied)


def track(
    digits: Sequence[int],
    ticks: Sequence[int],
    num_frames: int,
    voices: VoiceSet,
    rng: np.random.Generator,
    sample_rate: int = SAMPLE_RATE,
    *,
    varied: bool = False,
) -> np.ndarray:
    """Return a track, float32 [num_frames * sample_rate / 8, 1]: names, then ticks at frames, which may overlap.

    One voice says all names, in the order of `digits`; `varied`, at any speed and through any microphone.
    """
    sound = np.zeros(num_frames * sample_rate // FPS)
    speaker = int(rng.integers(len(voices.names)))
    speed, gain = rng.uniform(*(_TRAINING_SPEEDS if varied else _SPEEDS)), rng.uniform(*_GAINS)
    microphone = _microphone(rng) if varied else None
    start = round(FIRST_WORD * sample_rate)
    for digit in digits:
        take = int(rng.choice(voices.takes[speaker, digit]))
        recording = voices.recording(take)
        if microphone is not None:
            recording = _through(microphone, recording)
        word = gain * _respoken(recording, speed, sample_rate)
        add(sound, word, start)
        start += len(word) + round(BETWEEN_WORDS * sample_rate)
    for frame in ticks:
        add(sound, tick(sample_rate), frame * sample_rate // FPS)
    # On the grid of 16 bits, so that a stored clip is this very clip.
    return (np.round(np.clip(sound, -1, 1) * 32767) / 32768).astype(np.float32)[:, None]


def bounces(scene: Scene, num_frames: int) -> list[int]:
    """Return the frames of the bounces, in order: the first that show a mover at an edge, or turned back from it."""
    frames = {frame for mover in scene.movers for frame in _turns(mover, num_frames)}
    return sorted(frames)


def tick(sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return the sound of a bounce, float64 [S]. It is loudest at its start, and its tone is above all voices."""
    seconds = np.arange(round(TICK_SECONDS * sample_rate)) / sample_rate
    heard = [tone for tone in _TICK if tone[0] < sample_rate / 2]
    return np.sum([gain * np.exp(-decay * seconds) * np.sin(2 * np.pi * hz * seconds) for hz, gain, decay in heard], 0)


def _turns(mover: Mover, num_frames: int) -> list[int]:
    """Frames after the first in which the straight line of a mover has crossed one more multiple of the room."""
    axis = 0 if mover.velocity[0] else 1
    way = mover.start[axis] + mover.velocity[axis] * np.arange(num_frames)
    # Mirrored to run upwards, an edge that is just reached counts as crossed.
    crossed = np.floor_divide(way if mover.velocity[axis] > 0 else -way, _ROOM)
    return (1 + np.flatnonzero(np.diff(crossed))).tolist()


def _microphone(rng: np.random.Generator) -> np.ndarray:
    """Gains float64[256] of frequencies from 0 to 4 kHz."""
    along = np.linspace(0, 1, 256)
    decibels = rng.uniform(-_TILT, _TILT) * (along - 0.3)
    for waves in _RIPPLES:
        decibels += rng.uniform(-_RIPPLE, _RIPPLE) * np.sin(np.pi * waves * along + rng.uniform(0, 2 * np.pi))
    return 10 ** (decibels / 20)


def _through(microphone: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """A recording as a microphone hears it."""
    spectrum = np.fft.rfft(recording, 2 * len(recording))
    gains = np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, len(microphone)), microphone)
    return np.fft.irfft(spectrum * gains)[: len(recording)]


def _respoken(recording: np.ndarray, speed: float, sample_rate: int) -> np.ndarray:
    """A recording at another rate and speed, by a windowed sinc."""
    step = VOICES_RATE * speed / sample_rate
    cutoff = min(1.0, 1 / step)
    places = np.arange(int(len(recording) / step)) * step
    first = np.floor(places).astype(int)
    padded = np.pad(recording, _REACH)
    offsets = np.arange(1 - _REACH, _REACH + 1)
    away = offsets - (places - first)[:, None]
    window = np.cos(np.pi * away / (2 * _REACH)) ** 2
    return np.sum(padded[first[:, None] + offsets + _REACH] * cutoff * np.sinc(cutoff * away) * window, axis=1)


def add(track: np.ndarray, sound: np.ndarray, start: int) -> None:
    """Adds what of `sound` lies inside the track."""
    part = track[start : start + len(sound)]
    part += sound[: len(part)]
