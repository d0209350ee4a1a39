"""Trains the judge of spoken digits: `python -m reelm.train.train_spoken_judge` (about ten minutes on one CPU core).

Comes in: the tracks of training clips, so the speakers of training alone, and no sound that any model made. Goes out:
`spoken_judge.safetensors`. Speakers are few, so each track is heard at many speeds and pitches, its spectrum bent as by
longer and shorter throats, blurred, masked and covered by noise, as a lossy tokenizer would leave it.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.tokenizer.sound import resample

from . import moving_digits_sound
from .judge_weights import save
from .mnist import load as load_digits
from .moving_digits import Split, sample_scene
from .spoken_judge import BLANK, RATE, WEIGHTS_FILE, SpokenDigitNet, features, logits, read

_FRAMES = 16  # video frames of a track: two seconds
_SECONDS = 2.5  # a slowed track is longer


def tracks(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sounds float32[count, S] at RATE and their digits int32[count, 2], -1 where there is no second one."""
    voices, digits = moving_digits_sound.voices_for("train"), load_digits("train", "compact")
    rng = np.random.default_rng(seed)
    sounds = np.zeros((count, int(_SECONDS * RATE)), np.float32)
    labels = np.full((count, 2), -1, np.int32)
    for sound, label in zip(sounds, labels, strict=True):
        scene = sample_scene(rng, digits, split="train", count=1 + int(rng.random() < 0.5))
        track = moving_digits_sound.soundtrack(scene, _FRAMES, voices, rng, RATE * 2)
        # Taken for a track of another rate it is faster or slower, and higher or lower with it.
        pretended = int(2 * RATE * np.exp(rng.uniform(-0.22, 0.22)))
        heard = resample(track[None], pretended, RATE)[0, : len(sound), 0]
        late = int(rng.integers(0, RATE // 4))
        sound[late : late + len(heard)] = heard[: len(sound) - late]
        label[: len(scene.movers)] = [mover.digit for mover in scene.movers]
    return sounds, labels


def train(count: int = 4000, *, steps: int = 2500, batch_size: int = 32, seed: int = 0) -> dict:
    """The params of `SpokenDigitNet` (nested dict of float32)."""
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, 3e-3), weight_decay=1e-2)
    sounds, labels = (jnp.asarray(array) for array in tracks(count, seed))
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

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: optax.Params, opt_state: optax.OptState, key: jax.Array) -> tuple[optax.Params, optax.OptState]:
        chosen_key, distort_key = jax.random.split(key)
        chosen = jax.random.choice(chosen_key, len(labels), (batch_size,))
        batch = jax.vmap(distort)(seen[chosen], jax.random.split(distort_key, batch_size))
        updates, opt_state = optimizer.update(jax.grad(loss)(params, batch, labels[chosen]), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for i in range(steps):
        params, opt_state = step(params, opt_state, jax.random.fold_in(key, i))
    return jax.device_get(params)


def distort(seen: jax.Array, key: jax.Array) -> jax.Array:
    """One track `[N, bands]` as another throat would say it and a lossy tokenizer would leave it."""
    keys = jax.random.split(key, 8)
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
    floor = jax.random.uniform(keys[4], minval=-0.3, maxval=0.45)
    noise = floor + 0.1 * jax.random.normal(keys[5], seen.shape)
    seen = jnp.maximum(jnp.where(seen > 0, seen + tilt, seen), noise)
    first = jax.random.randint(keys[6], (2,), 0, jnp.array([steps, bands]))
    masked = (jnp.abs(jnp.arange(steps) - first[0]) < 6)[:, None] | (jnp.abs(jnp.arange(bands) - first[1]) < 3)
    masked &= jax.random.bernoulli(keys[7])
    return jnp.clip(jnp.where(masked, 0, seen), 0, 1.2)


def accuracy(split: Split, count: int = 300) -> float:
    """Share of clips with sound of a split whose names, all of them and in their order, are heard rightly."""
    digits = load_digits("train" if split == "train" else "test", "compact")
    right = []
    for index in range(count):
        clip = moving_digits_sound.example(split, index, _FRAMES, digits)
        if clip["audio"].any():
            said = tuple(mover.digit for mover in clip["scene"].movers)
            right.append(read(clip["audio"], clip["sample_rate"]) == said)
    return float(np.mean(right))


def main() -> None:
    start = time.monotonic()
    save(train(), WEIGHTS_FILE)
    print(
        f"{WEIGHTS_FILE.name}: trained in {time.monotonic() - start:.0f} s; clips heard rightly: "
        f"{accuracy('train'):.1%} of known speakers, {accuracy('test'):.1%} of others"
    )


if __name__ == "__main__":
    main()
