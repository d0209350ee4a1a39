"""Make synthetic sounds: pure tones, tones with overtones, clicks and noise.

In: a number. Out: a sound, always the same for the same number. They are rare in recordings, but a tokenizer must
rebuild them too.
"""

import numpy as np

LOWEST_HZ, HIGHEST_HZ = 60.0, 7_500.0
_EVEN_HZ = (100.0, 7_000.0)  # range of single tones that are uniform in Hz


def tone(number: int, sample_rate: int, seconds: float) -> np.ndarray:
    """Return a sound float32 [S] in [-1, 1], of -50 to 0 dB; some start after silence.

    A few are only silence, because all of their clicks fall into it.
    """
    rng = np.random.default_rng(number)
    samples = round(seconds * sample_rate)
    clock = np.arange(samples) / sample_rate
    sound = np.zeros(samples)
    kind = rng.choice(5, p=(0.4, 0.2, 0.16, 0.12, 0.12))
    if kind == 0:
        # Half of the pitches are uniform in Hz: the ear separates high pitches less, but the net must learn as many.
        pitch = rng.uniform(*_EVEN_HZ) if rng.random() < 0.5 else _pitch(rng, HIGHEST_HZ)
        sound = np.sin(2 * np.pi * pitch * clock + _phase(rng))
    elif kind == 1:
        for _ in range(rng.integers(2, 4)):
            sound += rng.uniform(0.2, 1) * np.sin(2 * np.pi * _pitch(rng, HIGHEST_HZ) * clock + _phase(rng))
    elif kind == 2:
        pitch, slope = _pitch(rng, 800.0), rng.uniform(0.3, 1.5)
        for overtone in range(1, int(HIGHEST_HZ / pitch) + 1):
            size = rng.uniform(0.2, 1) / overtone**slope
            sound += size * np.sin(2 * np.pi * pitch * overtone * clock + _phase(rng))
    elif kind == 3:
        for start in rng.integers(0, samples - 8, max(1, int(rng.uniform(1, 6) * seconds))):
            sound[start : start + rng.integers(1, 8)] += rng.choice([-1, 1])
    else:
        sound = rng.normal(size=samples)
    if rng.random() < 0.3:
        sound[: rng.integers(samples)] = 0
    loudness = 10 ** rng.uniform(-2.5, -0.05)
    return (sound / (np.abs(sound).max() + 1e-9) * loudness).astype(np.float32)


def _pitch(rng: np.random.Generator, highest: float) -> float:
    return float(np.exp(rng.uniform(np.log(LOWEST_HZ), np.log(highest))))


def _phase(rng: np.random.Generator) -> float:
    return rng.uniform(0, 2 * np.pi)
