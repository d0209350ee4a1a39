"""Training the audio tokenizer: sounds in, a trained encoder and decoder out.

`reelm train audio-tokenizer CONFIG --workdir DIR` ends here. A step rebuilds a batch of short pieces and descends on
the sum of waveform, mel, commitment and entropy losses, and plays against a discriminator where the run has one
(SoundStream, arXiv 2107.03312, section III-D). The parameters are {"tokenizer": ...}.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reelm.data import clips, pipeline
from reelm.evaluation.features.spectrogram_sheet import spectrogram_sheet
from reelm.lm import sharding
from reelm.media.formats.wav import write_wav
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params
from reelm.train.given import Given
from reelm.train.parts import check_sizes, open_audio_tokenizer
from reelm.train.run import loop
from reelm.train.run.config_changes import free_fields
from reelm.train.run.training import Callback, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from . import adversarial
from .adversarial import Metrics
from .audio_adversary import AudioAdversary
from .audio_config import AudioTokenizerRun
from .audio_data import RandomPiece, heard, held_back_sounds
from .audio_losses import make_loss
from .grow import grown

# A run may start from weights that have fewer blocks, or no pitch.
_MAY_GROW = ("encoder_blocks", "decoder_blocks", "pitch")


def create_state(run: AudioTokenizerRun) -> TrainState:
    """The state before the first step; pure but for `start_from`, so its shapes can be had from `jax.eval_shape`."""
    key, adversary_key = jax.random.split(jax.random.key(run.loop.seed))
    steps = run.loop.steps
    made = state.create(_first_params(run, key), run.optimizer.build(steps), run.loop.seed)
    if not run.losses.adversarial:
        return made
    return adversarial.create(made, _adversary(run), run.discriminator_optimizer.build(steps), adversary_key)


def make_run_step(run: AudioTokenizerRun, layout: Any = None) -> Callable[[Any, Any], tuple[Any, Metrics]]:
    """The jitted step of a run, `(state, sound [B, S, C]) -> (state, metrics)`.

    `layout`: shardings of the state on a mesh; None leaves them to XLA.
    """
    loss, steps, ema = make_loss(run), run.loop.steps, run.optimizer.ema
    optimizer = run.optimizer.build(steps)
    if not run.losses.adversarial:
        return make_step(adversarial.without_adversary(loss), optimizer, ema, layout)
    adversary_optimizer = run.discriminator_optimizer.build(steps)
    return adversarial.make_step(loss, optimizer, ema, _adversary(run), adversary_optimizer, layout)


def train(
    run: AudioTokenizerRun, workdir: Path, given: Given | None = None, *, callbacks: Sequence[Callback] = ()
) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised.

    given: clips with sound; None for those of the data set that the run names.
    """
    source, held_back = given or Given.named(run.data.dataset, run.data.source_frames)
    heard(source[0], run.model)  # before anything is compiled
    mesh = run.mesh.build()
    feed.check_size("batch_size", run.batch_size, mesh)
    initial = create_state(run)
    layout = sharding.of_state(initial, mesh)
    data = pipeline.batches(
        source,
        batch_size=run.batch_size,
        seed=run.loop.seed,
        transform=RandomPiece(run.data, run.model),
        **feed.share(mesh)._asdict(),
    )
    originals = held_back_sounds(held_back, run.model, 8)

    # As in a video tokenizer's run: the codes keep the name that they have.
    codes = {"codes": open_audio_tokenizer(run.start_from).hash} if run.freeze_encoder and run.start_from else {}
    return loop.run(
        run.loop,
        jax.device_put(initial, layout),
        make_run_step(run, layout),
        Feed(data, mesh),
        workdir,
        Training(
            stage="audio-tokenizer",
            resolved=asdict(run) | codes,
            data={"train": clips.identity(source)},
            free=free_fields(run),
            samples=partial(_write_samples, run.model, originals),
            callbacks=callbacks,
        ),
    )


def _write_samples(model: AudioTokenizerConfig, originals: np.ndarray, current: TrainState, folder: Path) -> None:
    """Write spectrograms of the sounds `[B, S, C]` and their reconstructions, and one track with all of them."""
    rebuilt = AudioTokenizer(model, current.ema["tokenizer"]).reconstruct(originals, model.sample_rate)
    pairs = list(zip(originals, rebuilt, strict=True))
    spectrogram_sheet(pairs, model.sample_rate, folder / "rebuilt.png")
    # In the track every original is followed by its reconstruction.
    write_wav(np.concatenate([sound for pair in pairs for sound in pair]), model.sample_rate, folder / "rebuilt.wav")


def _adversary(run: AudioTokenizerRun) -> AudioAdversary:
    return AudioAdversary(run.discriminator, run.model.channels, run.losses)


def _first_params(run: AudioTokenizerRun, key: jax.Array) -> dict:
    if run.start_from is None:
        return {"tokenizer": init_params(run.model, key)}
    start = open_audio_tokenizer(run.start_from)
    larger = {name for name in _MAY_GROW if getattr(start.config, name) <= getattr(run.model, name)}
    check_sizes(run.start_from, "audio-tokenizer", asdict(start.config), asdict(run.model), larger)
    if start.config == run.model:
        return {"tokenizer": jax.tree.map(jnp.asarray, start.params)}
    return {"tokenizer": grown(start.params, init_params(run.model, key))}
