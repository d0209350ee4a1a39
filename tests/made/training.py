"""A tiny training of a video tokenizer, which learns ten clips of a square that moves.

Run as a program, `python tests/made/training.py WORKDIR STEPS SAVE_EVERY`, this file trains it. Tests kill that.
"""

import functools
import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.data import pipeline
from reelm.lm.mesh import MeshSpec
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import autoencode, init_params
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.run.job import Job
from reelm.train.run.loop import run_job
from reelm.train.run.throughput import NAMES as PACE
from reelm.train.step import state as train_state

MODEL = VideoTokenizerConfig(bits=4, encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1)


class Squares:
    """Ten clips of a square that moves, uint8 [5, 16, 16, 3]."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> np.ndarray:
        video = np.zeros((5, 16, 16, 3), np.uint8)
        for t in range(5):
            video[t, index : index + 4, t : t + 4, index % 3] = 255
        return video


class Flip(grain.transforms.RandomMap):
    """Mirrors half of the clips."""

    def random_map(self, element, rng) -> Any:
        return element[:, :, ::-1] if rng.random() < 0.5 else element


OPTIMIZER = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adamw(optax.warmup_cosine_decay_schedule(0.0, 3e-3, 5, 40), b2=0.99)
)


@functools.partial(jax.jit, donate_argnums=0)
def train_step(state: train_state.TrainState, batch: jax.Array):
    """One update on a noisy batch; a batch of a single grey value stands for one that makes the loss no number."""
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    video = batch / 127.5 - 1.0
    video = jnp.where(batch.max() == batch.min(), jnp.nan, video)

    def loss_of(params):
        outputs: Any = autoencode(MODEL, params, video + 0.1 * jax.random.normal(key, video.shape))
        rebuilt, latent = outputs
        return jnp.mean((rebuilt - video) ** 2) + 0.01 * jnp.mean((jnp.abs(latent) - 1) ** 2)

    loss, gradients = jax.value_and_grad(loss_of)(state.params)
    sound = jnp.isfinite(loss)
    updates, opt_state = OPTIMIZER.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, state.ema, params)
    after = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=ema)
    kept = jax.tree.map(lambda new, old: jnp.where(sound, new, old), after, state)
    return kept, {"loss": loss, "skipped": ~sound}


@functools.cache
def first_params() -> dict:
    return jax.device_get(init_params(MODEL, jax.random.key(3)))


def make_state() -> train_state.TrainState:
    return train_state.create(jax.device_put(first_params()), OPTIMIZER, seed=3)


def make_data():
    return pipeline.iterate(pipeline.batches(Squares(), batch_size=2, seed=4, transform=Flip()))


class Tapped:
    """Batches of `make_data`, after `tap(i, batch)` saw batch i and maybe changed it."""

    def __init__(self, tap) -> None:
        self._data, self._tap = make_data(), tap

    def __next__(self):
        position = self._data.get_state()["next_index"]
        batch = next(self._data)
        changed = self._tap(position, batch)
        return batch if changed is None else changed

    def get_state(self):
        return self._data.get_state()

    def set_state(self, state) -> None:
        self._data.set_state(state)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The config of a run of which nothing but the loop and a learning rate matters."""

    loop: LoopConfig = field(metadata=FREE)
    lr: float = 3e-3


def train(
    workdir: Path, steps: int, *, data=None, samples=None, lr: float = 3e-3, step=train_step, clips=None, **options
):
    options = {"log_every": 4, "save_every": 5, "sample_every": 0, **options}
    job = Job(
        stage="squares",
        config=Run(loop=LoopConfig(steps=steps, **options), lr=lr),
        about={"model": {"bits": MODEL.bits}},
        data={} if clips is None else {"train": clips},
        mesh=MeshSpec().build(jax.devices()[:1]),
        build=lambda mesh: (make_state(), step),
        batches=lambda share: make_data() if data is None else data,
        samples=samples,
    )
    return run_job(job, workdir)


def digest(state) -> str:
    """Fingerprint of every bit of a state."""
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state))).hexdigest()


def metrics(workdir: Path) -> list[dict]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", *PACE)} for line in lines]


def steps_on_disk(workdir: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (workdir / "checkpoints").glob("step_*") if path.name[5:].isdigit())


if __name__ == "__main__":
    print(digest(train(Path(sys.argv[1]), int(sys.argv[2]), save_every=int(sys.argv[3]), keep=2)))
