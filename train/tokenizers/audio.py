"""Train the audio tokenizer: from sounds to a trained encoder and decoder.

`reelm train audio-tokenizer CONFIG --workdir DIR` calls `make_job`. A step rebuilds a batch of short pieces and
minimises the sum of waveform, mel, commitment and entropy losses. A run may add a discriminator (SoundStream, arXiv
2107.03312, section III-D). The parameters are {"tokenizer": ...}.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import jax
import numpy as np

from reelm.data import clips, pipeline
from reelm.evaluation.features.spectrogram_sheet import spectrogram_sheet
from reelm.media.formats.wav import write_wav
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_audio_tokenizer
from reelm.train.run.job import Job
from reelm.train.step import adversarial
from reelm.train.step.adversarial import Opponent
from reelm.train.step.feed import DataIterator, Share, check_size
from reelm.train.step.objective import Objective
from reelm.train.step.state import TrainState

from .audio_adversary import AudioAdversary
from .audio_config import AudioTokenizerRun
from .audio_data import RandomPiece, heard, held_back_sounds
from .audio_losses import make_loss
from .grow import grown

# Fields that may differ in the weights of the start: it may have fewer blocks, or no pitch.
_MAY_GROW = ("encoder_blocks", "decoder_blocks", "pitch")


def objective_of(run: AudioTokenizerRun) -> Objective:
    """Return the objective of a run; a batch is a sound `[B, S, C]`."""
    steps, loss, opponent = run.loop.steps, make_loss(run), None
    if run.losses.adversarial:
        adversary = AudioAdversary(run.discriminator, run.model.channels, run.losses)
        opponent = Opponent(adversary, run.discriminator_optimizer.build(steps), lambda key: jax.random.split(key)[1])
    return Objective(
        init=partial(_init, run.model),
        start=jax.device_get(_start(run)),
        loss=loss if opponent else adversarial.without_adversary(loss),
        optimizer=run.optimizer.build(steps),
        ema=run.optimizer.ema,
        seed=run.loop.seed,
        opponent=opponent,
    )


def make_job(run: AudioTokenizerRun, workdir: Path, given: Given | None = None) -> Job:
    """Return the training of a run.

    given: clips with sound; None for those of the data set that the run names.
    """
    source, held_back = given or Given.named(run.data.dataset, run.data.source_frames)
    heard(source[0], run.model)  # fails here if there is no sound, before anything is compiled
    mesh = run.mesh.build()
    check_size("batch_size", run.batch_size, mesh)
    # As in a video tokenizer's run, the codes keep their name.
    codes = {"codes": open_audio_tokenizer(run.start_from).hash} if run.freeze_encoder and run.start_from else {}

    def batches(share: Share) -> DataIterator:
        piece = RandomPiece(run.data, run.model)
        size, seed = run.batch_size, run.loop.seed
        return pipeline.iterate(
            pipeline.batches(source, batch_size=size, seed=seed, transform=piece, **share._asdict())
        )

    return Job(
        stage="audio-tokenizer",
        config=run,
        about=codes,
        data={"train": clips.identity(source)},
        mesh=mesh,
        build=objective_of(run).build,
        batches=batches,
        samples=partial(_write_samples, run.model, held_back_sounds(held_back, run.model, 8)),
    )


def _write_samples(model: AudioTokenizerConfig, originals: np.ndarray, current: TrainState, folder: Path) -> None:
    """Write spectrograms of the sounds `[B, S, C]` and their reconstructions, and one track with all of them."""
    rebuilt = AudioTokenizer(model, current.ema["tokenizer"]).reconstruct(originals, model.sample_rate)
    pairs = list(zip(originals, rebuilt, strict=True))
    spectrogram_sheet(pairs, model.sample_rate, folder / "rebuilt.png")
    # In the track each original is followed by its reconstruction.
    write_wav(np.concatenate([sound for pair in pairs for sound in pair]), model.sample_rate, folder / "rebuilt.wav")


def _init(model: AudioTokenizerConfig, key: jax.Array) -> dict:
    return {"tokenizer": init_params(model, jax.random.split(key)[0])}


def _start(run: AudioTokenizerRun) -> dict:
    """Return the parameters that a run takes from its start, without the fresh ones."""
    if run.start_from is None:
        return {}
    start = open_audio_tokenizer(run.start_from)
    larger = {name for name in _MAY_GROW if getattr(start.config, name) <= getattr(run.model, name)}
    check_sizes(run.start_from, "audio-tokenizer", asdict(start.config), asdict(run.model), larger)
    if start.config == run.model:
        return {"tokenizer": start.params}
    return grown({"tokenizer": start.params}, _init(run.model, jax.random.key(run.loop.seed)))
