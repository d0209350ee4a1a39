"""Training the describer: token sets in, a small net that finds the words of a caption in the codes of its clip.

`reelm train describer CONFIG --workdir DIR` ends here. A step reads the first codes of some clips and asks of every
word whether any caption of the clip has it. Of some clips only the pictures are read, of some only the sound.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reelm.data import pipeline
from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.mixture import mixture
from reelm.data.tokens.read import check_sound, open_all
from reelm.data.tokens.sample import TokenSample
from reelm.errors import RequestError
from reelm.lm.describer import Describer
from reelm.lm.describer_net import DescriberNet, init_params
from reelm.lm.layout import audio_frames
from reelm.tokenizer.codes import are_known, flip_bits, to_device
from reelm.train.parts import check_sizes, open_describer
from reelm.train.run.job import Job
from reelm.train.step.feed import DataIterator, Share, check_size
from reelm.train.step.objective import Objective

from .describer_config import DescriberRun
from .describer_words import telling_words, words_in


class ToDescribe(grain.transforms.RandomMap):
    """A token sample -> {"video" int32 `[t, h, w]` as a device holds it, "sound" int32 `[S, L]`, "said" float32 `[W]`}.

    Codes are -1 where nothing is to be seen or heard.
    """

    def __init__(self, run: DescriberRun):
        self.run = run

    def random_map(self, element: TokenSample, rng: np.random.Generator) -> Any:
        config = self.run.model
        video = element["video"][: config.frames].copy()
        sound = np.full((config.audio_frames, config.sound_levels), -1, np.int32)
        if config.sound_levels and len(element["sound"]) >= len(sound):
            sound[:] = element["sound"][: len(sound)]
            which = rng.random()
            if which < self.run.seen_alone:
                sound[:] = -1
            elif which < self.run.seen_alone + self.run.heard_alone:
                video[:] = -1
            if rng.random() < self.run.coarse:
                sound[:, int(rng.integers(1, config.sound_levels + 1)) :] = -1
        if rng.random() < self.run.brief:
            end = int(rng.integers(1, config.frames + 1))
            video[end:] = -1
            sound[audio_frames(config.sound_frames, end) :] = -1
        there = set().union(*words_in(element))
        said = np.array([not there.isdisjoint(words) for words in config.words], np.float32)
        return {"video": to_device(video, config.bits), "sound": sound, "said": said}


def make_loss(run: DescriberRun):
    """`(params, batch, key, step) -> (loss, metrics)`: nats a clip, and the share of words decided rightly."""

    def loss(params: dict, batch: Mapping[str, jax.Array], key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        video_key, sound_key, drop_key = jax.random.split(key, 3)
        video = _misread(batch["video"], video_key, run.model.bits, run.noise_augmentation)
        sound = _misread(batch["sound"], sound_key, run.model.sound_bits, run.noise_augmentation)
        net = DescriberNet(run.model)
        out = net.apply({"params": params}, video, sound, run.dropout, rngs={"dropout": drop_key})
        odds = cast(jax.Array, out)
        nats = optax.sigmoid_binary_cross_entropy(odds, batch["said"])
        return jnp.mean(jnp.sum(nats, axis=-1)), {"decided": jnp.mean((odds > 0) == (batch["said"] > 0.5))}

    return loss


def _misread(ids: jax.Array, key: jax.Array, bits: int, most: float) -> jax.Array:
    """Codes `[B, ...]` with some bits flipped, a share of 0 to `most` of each clip's."""
    share_key, bit_key = jax.random.split(key)
    places = are_known(ids, bits).shape
    share = jax.random.uniform(share_key, (len(ids), *[1] * len(places)), maxval=most)
    return flip_bits(ids, jax.random.uniform(bit_key, (*places, bits)) < share)


def make_job(run: DescriberRun, workdir: Path) -> Job:
    sources, model = open_all(run.tokens, run.model.bits), run.model
    check_sound(sources, levels=model.sound_levels, bits=model.sound_bits, frames=model.sound_frames)
    start = None if run.start_from is None else _start(run, run.start_from, sources[0].index.tokenizer_hash)
    if start is not None:
        run = replace(run, model=start.config)
    elif not model.words:
        words, usual = telling_words(sources[0])
        run = replace(run, model=replace(model, words=words, usual=usual))
    mesh = run.mesh.build()
    check_size("batch_size", run.batch_size, mesh)
    stage = Stage(buckets=(Bucket(frames=run.model.frames, batch_size=run.batch_size),))
    objective = Objective(
        init=partial(init_params, run.model),
        start={} if start is None else start.params,
        loss=make_loss(run),
        optimizer=run.optimizer.build(run.loop.steps),
        ema=run.optimizer.ema,
        seed=run.loop.seed,
    )

    def batches(share: Share) -> DataIterator:
        transform = ToDescribe(run)
        return pipeline.iterate(mixture([stage], sources, lambda *_: transform, seed=run.loop.seed, **share._asdict()))

    return Job(
        stage="describer",
        config=run,
        about={"token_sets": [asdict(source.index) for source in sources]},
        mesh=mesh,
        build=objective.build,
        batches=batches,
        preview=lambda batch: [],
    )


def _start(run: DescriberRun, where: Path, tokenizer_hash: str) -> Describer:
    """Return the describer at `where`; RequestError where it reads other codes or is of other sizes than this run."""
    describer, reads = open_describer(where)
    if reads != tokenizer_hash:
        raise RequestError(
            f"the describer of {where} reads codes of tokenizer {reads}, the tokens are of {tokenizer_hash}"
        )
    words = {"words", "usual"} if not run.model.words else set[str]()
    check_sizes(where, "describer", asdict(describer.config), asdict(run.model), words)
    return describer
