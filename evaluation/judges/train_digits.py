"""Train the judge's digit net on MNIST: `python -m reelm.evaluation.judges.train_digits`, minutes on two CPU cores.

Comes in: MNIST's train images, nothing else, and in particular no clip that any model made. Goes out:
`judge.safetensors`. Each image is turned, scaled, shifted, blurred and dimmed at random, because rebuilt strokes are
soft; from some of them something that is no digit is made, to be known as such. The shipped file was made from the
whole set of 60,000 (see `mnist.load`).
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.data.moving_digits import mnist
from reelm.data.moving_digits.scenes import DIGIT_SIZE
from reelm.storage.tensors import save_params

from .digits import NO_DIGIT, WEIGHTS_FILE, DigitNet, digit_logits


def train(digits: mnist.DigitSet, *, steps: int = 4000, batch_size: int = 128, seed: int = 0) -> dict:
    """Return the params of `DigitNet` (nested dict of float32) after `steps` steps on randomly distorted digits."""
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, 4e-3), weight_decay=1e-3)
    images, labels = jnp.asarray(digits.images), jnp.asarray(digits.labels, jnp.int32)
    key = jax.random.key(seed)
    params = DigitNet().init(key, jnp.zeros((1, DIGIT_SIZE, DIGIT_SIZE)))["params"]
    opt_state = optimizer.init(params)

    def loss(params: dict, batch: jax.Array, labels: jax.Array) -> jax.Array:
        targets = optax.smooth_labels(jax.nn.one_hot(labels, NO_DIGIT + 1), 0.02)
        return jnp.mean(optax.softmax_cross_entropy(digit_logits(params, batch), targets))

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: optax.Params, opt_state: optax.OptState, key: jax.Array) -> tuple[optax.Params, optax.OptState]:
        chosen_key, spoil_key, distort_key = jax.random.split(key, 3)
        chosen = jax.random.choice(chosen_key, len(labels), (batch_size,))
        batch, batch_labels = spoil(images[chosen] / 255.0, labels[chosen], spoil_key)
        batch = jax.vmap(distort)(batch, jax.random.split(distort_key, batch_size))
        updates, opt_state = optimizer.update(jax.grad(loss)(params, batch, batch_labels), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for i in range(steps):
        params, opt_state = step(params, opt_state, jax.random.fold_in(key, i))
    return jax.device_get(params)


def spoil(images: jax.Array, labels: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Makes the first sixth of a batch [B,28,28] into what is no digit, labelled NO_DIGIT.

    A third of those each: digits cut along the middle and put together the wrong way round; two different digits on
    top of each other; blots of about a digit's size.
    """
    n = max(1, len(images) // 18)
    half = DIGIT_SIZE // 2
    cut = jnp.concatenate([jnp.roll(images[: n // 2], half, axis=1), jnp.roll(images[n // 2 : n], half, axis=2)])
    below, above = slice(n, 2 * n), slice(2 * n, 3 * n)
    crossed = jnp.maximum(images[below], images[above])
    blots = jax.image.resize(jax.random.normal(key, (n, 8, 8)), (n, 20, 20), "linear")
    blots = jnp.pad(jnp.clip(2 * blots, 0, 1), ((0, 0), (4, 4), (4, 4)))
    # Two likes on top of each other are still that digit.
    crossed_labels = jnp.where(labels[below] == labels[above], labels[below], NO_DIGIT)
    no_digit = jnp.full(n, NO_DIGIT)
    spoilt = jnp.concatenate([cut, crossed, blots, images[3 * n :]])
    return spoilt, jnp.concatenate([no_digit, crossed_labels, no_digit, labels[3 * n :]])


def distort(image: jax.Array, key: jax.Array) -> jax.Array:
    """One digit [28,28] in [0,1] as a tired hand and a lossy tokenizer would leave it."""
    place_key, blur_key, gain_key, noise_key = jax.random.split(key, 4)
    angle, grow, shear, dy, dx = jax.random.uniform(place_key, (5,), minval=-1.0) * jnp.array([0.2, 0.12, 0.15, 2, 2])
    rotation = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
    middle = (DIGIT_SIZE - 1) / 2
    grid = jnp.stack(jnp.meshgrid(*[jnp.arange(DIGIT_SIZE) - middle] * 2, indexing="ij")).reshape(2, -1)
    source = (1 + grow) * rotation @ jnp.array([[1.0, 0.0], [shear, 1.0]]) @ grid + jnp.array([[dy], [dx]]) + middle
    image = jax.scipy.ndimage.map_coordinates(image, list(source), order=1).reshape(DIGIT_SIZE, DIGIT_SIZE)
    # Half of the digits stay sharp; the others lose detail up to a sigma of 1.5 pixels.
    sigma = jnp.maximum(jax.random.uniform(blur_key, minval=-1.5, maxval=1.5), 0.05)
    offsets = jnp.arange(DIGIT_SIZE)[:, None] - jnp.arange(DIGIT_SIZE)
    # As a matrix: a convolution with another kernel for each image is slow on a CPU.
    blur = jnp.exp(-0.5 * (offsets / sigma) ** 2)
    blur /= blur.sum(axis=1, keepdims=True)
    image = blur @ image @ blur.T
    gain, gamma = jax.random.uniform(gain_key, (2,), minval=jnp.array([0.6, 0.7]), maxval=jnp.array([1.5, 1.4]))
    noise = 0.06 * jax.random.normal(noise_key, image.shape)
    image = jnp.clip(gain * jnp.maximum(image, 1e-6) ** gamma + noise, 0, 1)
    # The judge blacks out what is dark before it looks, see `judge.read`.
    return jnp.where(image < 0.19, 0, image)


def accuracy(params: dict, digits: mnist.DigitSet) -> float:
    """Share of undistorted digits that the net names rightly."""
    logits = jax.jit(digit_logits)(params, jnp.asarray(digits.images / 255, jnp.float32))
    return float(np.mean(np.argmax(logits, axis=-1) == digits.labels))


def main() -> None:
    digits = mnist.load("train")
    start = time.monotonic()
    params = train(digits)
    save_params(params, WEIGHTS_FILE)
    test = mnist.load("test")
    print(
        f"{WEIGHTS_FILE.name}: trained on {digits.name} in {time.monotonic() - start:.0f} s, "
        f"{accuracy(params, test):.2%} of {test.name} read rightly"
    )


if __name__ == "__main__":
    main()
