"""Train the judge of toys: `python -m reelm.zoo.toys.train_judge`, about an hour on one CPU core.

In: renders with separate seeds, no clips of a model. Out: `judge.safetensors`. Pictures are randomly blurred,
brightened and made noisy, because rebuilt ones are soft.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.storage.tensors import save_params

from .judge import CROP, GRID, KINDS, LEAST, PATH, SIDES, WEIGHTS, ActNet, PixelNet, looked_at
from .render import render
from .scenes import CAMERA_MOVES, FPS, MOTIONS, Scene, Split, draw
from .stage import TOYS, seen, stage
from .toys import COLOURS, MATERIALS, PATTERNS, SHAPES

FRAMES = 17
_FIRST = 1_000_000  # the judge's seeds start here
_SIDE = 128


class Known(NamedTuple):
    """A clip with its ground truth: frames uint8 [T, H, W, 3], the toy at each pixel int8 [T, H, W], the scene."""

    video: np.ndarray
    toy: np.ndarray
    scene: Scene


def drawn(split: Split, index: int) -> Known:
    """Render a clip with one of the judge's seeds."""
    scene = draw(split, _FIRST + index)
    picture, _, toy = render(stage(scene, np.arange(FRAMES) / FPS), _SIDE)
    return Known(np.asarray(picture), np.asarray(toy), scene)


def train(clips: Sequence[Known], *, steps: int, seed: int = 0, log: Callable[[str], Any] = print) -> dict:
    """Return the parameters of both nets, each trained for `steps` steps."""
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    pixels = PixelNet().init(key, jnp.zeros((1, _SIDE, _SIDE, 3)))["params"]
    shapes = ((1, FRAMES, CROP // 2, CROP // 2, 3), (1, FRAMES, 32, 32, 3), (1, FRAMES, 4))
    acts = ActNet().init(key, *(jnp.zeros(shape) for shape in shapes))["params"]
    return {
        "pixels": _fit(pixels, _pixel_loss, _frames(clips, rng), steps, key, log),
        "acts": _fit(acts, _act_loss, _tracks(clips, rng), steps, key, log),
    }


def _fit(
    params: Any, loss: Callable[..., Any], batches: Iterator[Any], steps: int, key: jax.Array, log: Callable[[str], Any]
) -> Any:
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, 3e-3), weight_decay=1e-3)
    state = optimizer.init(params)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, batch: Any, key: jax.Array) -> tuple[Any, Any, dict[str, jax.Array]]:
        (_, shown), slope = jax.value_and_grad(loss, has_aux=True)(params, batch, key)
        updates, state = optimizer.update(slope, state, params)
        return optax.apply_updates(params, updates), state, shown

    for number in range(steps):
        params, state, shown = step(params, state, next(batches), jax.random.fold_in(key, number))
        if number % 100 == 99:
            log(f"{number + 1}/{steps} " + " ".join(f"{name} {float(value):.3f}" for name, value in shown.items()))
    return jax.device_get(params)


def _frames(clips: Sequence[Known], rng: np.random.Generator, size: int = 16) -> Iterator[dict[str, np.ndarray]]:
    """Yield frames with the targets of `PixelNet` at each position; kinds are -1 where there is no toy."""
    while True:
        batch: dict[str, list[np.ndarray]] = {name: [] for name in ("frames", "toy", "way", *KINDS)}
        for number in rng.integers(len(clips), size=size):
            clip, time = clips[number], int(rng.integers(FRAMES))
            toy = np.asarray(clip.toy[time, ::2, ::2])
            centres = seen(clip.scene, np.array([time / FPS]))[:, 0]
            rows, columns = np.mgrid[:GRID, :GRID] + 0.5
            at = np.stack([columns, rows], -1) / GRID
            batch["frames"].append(clip.video[time])
            batch["toy"].append(toy >= 0)
            batch["way"].append((centres[np.maximum(toy, 0)] - at).astype(np.float32) * 10)
            for name, values in _labels(clip.scene).items():
                batch[name].append(np.where(toy >= 0, values[np.maximum(toy, 0)], -1))
        yield {name: np.stack(part) for name, part in batch.items()}


def _tracks(clips: Sequence[Known], rng: np.random.Generator, size: int = 24) -> Iterator[dict[str, np.ndarray]]:
    """Yield inputs and targets of `ActNet`; the motion of a toy that another one pushes is -1."""
    while True:
        batch: dict[str, list[Any]] = {
            name: [] for name in ("crops", "wholes", "track", "motion", "side", "move", "path")
        }
        while len(batch["crops"]) < size:
            clip = clips[int(rng.integers(len(clips)))]
            scene, time = clip.scene, np.arange(FRAMES) / FPS
            which = int(rng.integers(len(scene.players)))
            area = (clip.toy[:, ::2, ::2] == which).sum((1, 2)).astype(np.float32)
            if (area >= LEAST).sum() < 3:
                continue
            place = seen(scene, time)[which] + rng.normal(0, 0.004, (FRAMES, 2))
            place = np.where(area[:, None] >= LEAST, place, np.nan).astype(np.float32)
            area *= rng.uniform(0.9, 1.1)
            for name, value in zip(
                ("crops", "wholes", "track"), looked_at(clip.video, place, area / GRID**2), strict=True
            ):
                batch[name].append(value)
            player = scene.players[which]
            pushed = scene.link == "into" and which == 1
            batch["motion"].append(-1 if pushed else MOTIONS.index(player.motion))
            batch["side"].append(-1 if pushed else SIDES.index(player.side))
            batch["move"].append(CAMERA_MOVES.index(scene.camera.move))
            batch["path"].append(scene.camera.path(time)[-1] / PATH)
        yield {name: np.stack(part) for name, part in batch.items()}


def _labels(scene: Scene) -> dict[str, np.ndarray]:
    """Return for each kind the label of each toy of a scene, int [3]."""
    toys = [player.toy for player in scene.players]
    of = {
        "colour": [COLOURS.index(toy.colour) for toy in toys],
        "shape": [SHAPES.index(toy.shape) for toy in toys],
        "material": [MATERIALS.index(toy.material) for toy in toys],
        "pattern": [PATTERNS.index(toy.pattern) for toy in toys],
    }
    return {name: np.array(values + [0] * (TOYS - len(values))) for name, values in of.items()}


def _pixel_loss(params: Any, batch: dict[str, jax.Array], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    said: Any = PixelNet().apply({"params": params}, _spoiled(batch["frames"] / 127.5 - 1.0, key))
    there = batch["toy"]
    terms = {"toy": jnp.mean(optax.sigmoid_binary_cross_entropy(said[..., 0], there.astype(jnp.float32)))}
    count = jnp.maximum(there.sum(), 1)
    terms["way"] = jnp.sum(jnp.abs(said[..., 1:3] - batch["way"]) * there[..., None]) / count
    first, shown = 3, dict[str, jax.Array]()
    for name, classes in KINDS.items():
        terms[name], shown[name] = _kind(said[..., first : first + classes], batch[name])
        first += classes
    total = 4 * terms["toy"] + terms["way"] + sum(terms[name] for name in KINDS)
    return total, {"toy": terms["toy"], "way": terms["way"]} | shown


def _act_loss(params: Any, batch: dict[str, jax.Array], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    one, other = jax.random.split(key)
    crops, wholes = _spoiled(batch["crops"] / 127.5 - 1.0, one), _spoiled(batch["wholes"] / 127.5 - 1.0, other)
    said: Any = ActNet().apply({"params": params}, crops, wholes, batch["track"])
    found = {name: _kind(said[name], batch[name]) for name in ("motion", "side", "move")}
    path = jnp.mean(jnp.abs(said["path"] - batch["path"]))
    total = sum((loss for loss, _ in found.values()), 2 * path)
    return total, {name: right for name, (_, right) in found.items()} | {"path": path}


def _kind(logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean cross entropy of logits, and the accuracy, where labels are not -1."""
    known = labels >= 0
    count = jnp.maximum(known.sum(), 1)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(labels, 0))
    right = (logits.argmax(-1) == labels) & known
    return jnp.sum(losses * known) / count, right.sum() / count


def _spoiled(frames: jax.Array, key: jax.Array) -> jax.Array:
    """Degrade pictures [..., H, W, 3] in [-1, 1]: make some soft, some noisy, some brighter."""
    soft, noise, level, grain = jax.random.split(key, 4)
    lead = frames.shape[:1] + (1,) * (frames.ndim - 1)
    near = (frames + jnp.roll(frames, 1, -2) + jnp.roll(frames, -1, -2)) / 3
    near = (near + jnp.roll(near, 1, -3) + jnp.roll(near, -1, -3)) / 3
    share = jnp.maximum(jax.random.uniform(soft, lead, minval=-0.5), 0) / 0.5 * 0.5
    frames = frames + share * (near - frames)
    frames += jax.random.normal(grain, frames.shape) * 0.06 * jnp.maximum(jax.random.uniform(noise, lead, minval=-1), 0)
    return frames * jax.random.uniform(level, lead, minval=0.92, maxval=1.08)


def main() -> None:
    """Render the clips, one in eight of held-out combinations, train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3_000)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    clips = [drawn("held_out" if index % 8 == 7 else "train", index) for index in range(given.clips)]
    save_params(train(clips, steps=given.steps), given.output)


if __name__ == "__main__":
    main()
