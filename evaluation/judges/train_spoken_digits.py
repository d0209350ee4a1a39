"""Train the judge of spoken digits: `python -m reelm.evaluation.judges.train_spoken_digits VOICES.npz`, in minutes.

Comes in: what `make_voices.py` gathered, so voices that no test clip is spoken with, and no sound that any model
made. Goes out: `spoken_judge.safetensors`. Each voice is heard at many speeds and pitches, its spectrum bent as by
longer and shorter throats, tinted as by other microphones, blurred, masked and covered by noise, as a lossy tokenizer
would leave it.
"""

import argparse
import time
from collections import Counter
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.data.moving_digits import soundtracks, voices
from reelm.data.moving_digits.mnist import load as load_digits
from reelm.data.moving_digits.scenes import Split
from reelm.data.moving_digits.voices import VoiceSet
from reelm.media.sound import resample
from reelm.storage.tensors import save_params

from .spoken_digits import BLANK, RATE, WEIGHTS_FILE, SpokenDigitNet, features, logits, read

_SECONDS = 2.0
_FRAMES = 16  # video frames of a clip that is heard for its accuracy: two seconds
_WORDS = (0.08, 0.5, 0.42)  # share of tracks with none, one and two
_SHARES = {"fsdd": 0.3, "commands": 0.25, "captcha": 0.03, "flite": 0.1, "pico": 0.07, "rhvoice": 0.1, "espeak": 0.15}
_AVERAGED = 0.995  # decay of the average of weights that is kept


def tracks(count: int, spoken: VoiceSet, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sounds float32[count, S] at RATE and their digits int32[count, 2], -1 where there is no second one."""
    rng = np.random.default_rng(seed)
    likely = _likely(spoken)
    by_speaker = [np.flatnonzero(spoken.speakers == speaker) for speaker in range(len(spoken.names))]
    sounds = np.zeros((count, int(_SECONDS * RATE)), np.float32)
    labels = np.full((count, 2), -1, np.int32)
    ticks = [soundtracks.tick(RATE)] * 2
    for sound, label in zip(sounds, labels, strict=True):
        first = int(rng.choice(len(spoken), p=likely))
        said = [first, int(rng.choice(by_speaker[spoken.speakers[first]]))][: rng.choice(3, p=_WORDS)]
        # Taken for a recording of another rate a word is faster or slower, and higher or lower with it.
        pretended = int(RATE * np.exp(rng.uniform(-0.2, 0.2)))
        at = int(rng.uniform(0, 0.25) * RATE)
        for place, take in enumerate(said):
            word = resample(spoken.recording(take)[None, :, None], pretended, RATE)[0, :, 0]
            soundtracks.add(sound, word * rng.uniform(0.6, 1.2), at)
            at += len(word) + int(rng.uniform(0.03, 0.2) * RATE)
            label[place] = spoken.digits[take]
        for tick in ticks[: rng.integers(3)]:
            soundtracks.add(sound, tick * rng.uniform(0.3, 1), int(rng.uniform(0.3, _SECONDS) * RATE))
        sound += 10 ** rng.uniform(-4.5, -2) * rng.standard_normal(len(sound))
    return sounds, labels


def train(spoken: VoiceSet, count: int = 10_000, *, steps: int = 9000, batch_size: int = 32, seed: int = 0) -> dict:
    """Return the params of `SpokenDigitNet` (nested dict of float32)."""
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, 3e-3), weight_decay=1e-2)
    sounds, labels = (jnp.asarray(array) for array in tracks(count, spoken, seed))
    seen = jnp.concatenate([jax.jit(features)(sounds[i : i + 500]) for i in range(0, count, 500)])
    key = jax.random.key(seed)
    params = SpokenDigitNet().init(key, seen[:1])["params"]
    opt_state = optimizer.init(params)

    def loss(params: dict, batch: jax.Array, labels: jax.Array) -> jax.Array:
        out = logits(params, batch)
        silent = jnp.zeros(out.shape[:2])
        padding = (labels < 0).astype(jnp.float32)
        per_track = optax.ctc_loss(out, silent, jnp.maximum(labels, 0), padding, blank_id=BLANK)
        return jnp.mean(per_track)

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params: optax.Params, opt_state: optax.OptState, average: optax.Params, key: jax.Array):
        chosen_key, distort_key = jax.random.split(key)
        chosen = jax.random.choice(chosen_key, len(labels), (batch_size,))
        batch = jax.vmap(distort)(seen[chosen], jax.random.split(distort_key, batch_size))
        value, gradient = jax.value_and_grad(loss)(params, batch, labels[chosen])
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
        return params, opt_state, optax.incremental_update(params, average, 1 - _AVERAGED), value

    average = jax.tree.map(jnp.copy, params)
    for i in range(steps):
        params, opt_state, average, value = step(params, opt_state, average, jax.random.fold_in(key, i))
        if i % 500 == 499:
            print(f"step {i + 1} of {steps}: loss {value:.3f}", flush=True)
    return jax.device_get(average)


def distort(seen: jax.Array, key: jax.Array) -> jax.Array:
    """One track `[N, bands]` as another throat would say it and a lossy tokenizer would leave it."""
    keys = jax.random.split(key, 9)
    steps, bands = seen.shape
    # Frequencies bent by up to a tenth, times stretched by up to a sixth.
    bend = jnp.arange(bands) * jnp.exp(jax.random.uniform(keys[0], minval=-0.1, maxval=0.1))
    stretch = jnp.arange(steps) * jnp.exp(jax.random.uniform(keys[1], minval=-0.1, maxval=0.16))
    grid = jnp.meshgrid(stretch, bend, indexing="ij")
    seen = jax.scipy.ndimage.map_coordinates(seen, grid, order=1, mode="nearest")
    # Half of the tracks stay sharp.
    blurred = (jnp.roll(seen, 1, 1) + 2 * seen + jnp.roll(seen, -1, 1)) / 4
    blurred = (jnp.roll(blurred, 1, 0) + 2 * blurred + jnp.roll(blurred, -1, 0)) / 4
    seen = jnp.where(jax.random.bernoulli(keys[2]), blurred, seen)
    tilt = jnp.linspace(-1, 1, bands) * jax.random.uniform(keys[3], minval=-0.15, maxval=0.15)
    wave = jnp.sin(jnp.arange(bands) / bands * 9 + 6.3 * jax.random.uniform(keys[8])) * 0.05
    floor = jax.random.uniform(keys[4], minval=-0.3, maxval=0.35)
    noise = floor + 0.1 * jax.random.normal(keys[5], seen.shape)
    seen = jnp.maximum(jnp.where(seen > 0, seen + tilt + wave, seen), noise)
    first = jax.random.randint(keys[6], (2,), 0, jnp.array([steps, bands]))
    masked = (jnp.abs(jnp.arange(steps) - first[0]) < 6)[:, None] | (jnp.abs(jnp.arange(bands) - first[1]) < 3)
    masked &= jax.random.bernoulli(keys[7])
    return jnp.clip(jnp.where(masked, 0, seen), 0, 1.2)


def accuracy(split: Split, count: int = 300) -> float:
    """Share of clips with sound of a split whose names, all of them and in their order, are heard rightly."""
    digits = load_digits("train" if split == "train" else "test", "compact")
    right = []
    for index in range(count):
        clip = soundtracks.example(split, index, _FRAMES, digits)
        if clip["audio"].any():
            said = tuple(mover.digit for mover in clip["scene"].movers)
            right.append(read(clip["audio"], clip["sample_rate"]) == said)
    return float(np.mean(right))


def by_speaker(spoken: VoiceSet) -> dict[str, float]:
    """Share of each speaker's recordings that are heard rightly, each alone and a tenth of a second in."""
    right, count = Counter(), Counter()
    for index in range(len(spoken)):
        speaker = spoken.names[spoken.speakers[index]]
        sound = np.pad(spoken.recording(index), (voices.VOICES_RATE // 10, voices.VOICES_RATE // 2))
        right[speaker] += read(sound, voices.VOICES_RATE) == (int(spoken.digits[index]),)
        count[speaker] += 1
    return {speaker: right[speaker] / count[speaker] for speaker in spoken.names}


def _likely(spoken: VoiceSet) -> np.ndarray:
    """Return how often each recording is drawn: by the origin of its speaker, then evenly."""
    origin = np.array([name.split("-")[0] for name in spoken.names])[spoken.speakers]
    weights = np.zeros(len(spoken))
    for name, share in _SHARES.items():
        weights[origin == name] = share / max(1, np.sum(origin == name))
    return weights / weights.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the judge of spoken digits.")
    parser.add_argument("voices", type=Path, help="what make_voices.py wrote")
    spoken = voices.read(parser.parse_args().voices, "judge")
    start = time.monotonic()
    save_params(train(spoken), WEIGHTS_FILE)
    print(
        f"{WEIGHTS_FILE.name}: trained in {time.monotonic() - start:.0f} s; clips heard rightly: "
        f"{accuracy('train'):.1%} of known speakers, {accuracy('test'):.1%} of others"
    )
    for speaker, share in by_speaker(voices.load("test")).items():
        print(f"{speaker}: {share:.1%}")


if __name__ == "__main__":
    main()
