"""Training of the audio tokenizer at toy size: its losses, its two players, what it writes and keeps."""

import wave
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.audio import AudioTokenizerConfig
from reelm.tokenizer.request import RequestError
from reelm.train import audio_tokenizer, state
from reelm.train.audio_tokenizer import (
    AudioTokenizerRun,
    RandomPiece,
    SoundData,
    SoundLossWeights,
    make_loss,
    open_audio_tokenizer,
)
from reelm.train.checkpoints import restore_params
from reelm.train.loop import LoopConfig
from reelm.train.moving_digits_sound import example
from reelm.train.optimizer import OptimizerConfig, make_step
from reelm.train.sound_losses import mel_distance
from reelm.train.stft_discriminator import DiscriminatorConfig, StftDiscriminator, discriminator_loss

RUN = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=4_000,
        strides=(10, 10),
        encoder_channels=(8, 8),
        decoder_channels=(8, 8),
        encoder_blocks=1,
        decoder_blocks=1,
        levels=2,
        bits=5,
    ),
    data=SoundData(source_frames=5, hops=4),
    mel_windows=(64, 128),
    discriminator=DiscriminatorConfig(windows=(64, 128), channels=4),
    batch_size=2,
    loop=LoopConfig(steps=3, save_every=3, sample_every=3),
)
PLAYED = replace(RUN, losses=SoundLossWeights(adversarial=0.1))


def first_state(run: AudioTokenizerRun):
    optimizer = audio_tokenizer._optimizer(run)
    return state.create(audio_tokenizer._first_params(run), optimizer, 0), optimizer


def sounds(seed: int = 0) -> jax.Array:
    return 0.3 * jax.random.normal(jax.random.key(seed), (2, 400, 1))


def test_mel_distance_of_equal_sounds_is_zero_and_has_a_finite_gradient_for_silence():
    assert mel_distance(sounds(), sounds(), 4_000, (64, 128)) == 0
    gradient = jax.grad(lambda y: mel_distance(sounds(), y, 4_000, (64, 128)))(jnp.zeros((2, 400, 1)))
    assert np.isfinite(gradient).all()
    assert mel_distance(sounds(0), sounds(1), 4_000, (64, 128)) > mel_distance(sounds(0), 0.9 * sounds(0), 4_000, (64,))


def test_without_a_discriminator_there_is_none():
    params = audio_tokenizer._first_params(RUN)
    assert set(params) == {"tokenizer"}
    _, metrics = make_loss(RUN)(params, sounds(), jax.random.key(0), jnp.int32(0))
    assert "discriminator" not in metrics and {"waveform", "mel", "snr", "bit_balance"} <= set(metrics)


def test_each_player_follows_its_own_loss():
    params = audio_tokenizer._first_params(PLAYED)
    # A fresh decoder is silent whatever it is given: noise makes its weights count.
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(1), leaf.shape), params)
    gradient = jax.jit(
        lambda run_weights: jax.grad(
            lambda p: make_loss(replace(PLAYED, losses=run_weights))(p, sounds(), jax.random.key(0), jnp.int32(5))[0]
        )(params),
        static_argnums=0,
    )
    together = gradient(SoundLossWeights(adversarial=0.1, feature_matching=2.0))
    harder = gradient(SoundLossWeights(adversarial=0.5, feature_matching=2.0))
    # The tokenizer's wish to be believed leaves the discriminator cold, which learns from its own loss alone.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), together["discriminator"], harder["discriminator"]
    )
    critic = StftDiscriminator(PLAYED.discriminator)
    rebuilt, _ = audio_tokenizer.autoencode(PLAYED.model, params["tokenizer"], sounds())

    def own(judge):
        return discriminator_loss(
            critic.apply({"params": judge}, sounds())[0], critic.apply({"params": judge}, rebuilt)[0]
        )

    expected = jax.grad(own)(params["discriminator"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together["discriminator"], expected)
    differ = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), together["tokenizer"], harder["tokenizer"])
    assert max(jax.tree.leaves(differ)) > 1e-6


def test_the_discriminator_learns_at_its_own_rate_from_the_first_step():
    run = replace(
        PLAYED,
        losses=replace(PLAYED.losses, adversarial_from=100),
        optimizer=OptimizerConfig(learning_rate=0.0, warmup=0),
        discriminator_optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0),
    )
    current, optimizer = first_state(run)
    before = jax.device_get(current.params)
    current, metrics = make_step(make_loss(run), optimizer, 0.9)(current, sounds())
    assert metrics["adversarial"] == 0 and metrics["feature_matching"] == 0 and metrics["discriminator"] > 0
    jax.tree.map(np.testing.assert_array_equal, before["tokenizer"], jax.device_get(current.params["tokenizer"]))
    moved = jax.tree.map(
        lambda a, b: float(np.abs(a - b).max()),
        before["discriminator"],
        jax.device_get(current.params["discriminator"]),
    )
    assert min(jax.tree.leaves(moved)) > 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    audio_tokenizer.train(PLAYED, folder / "played")
    return folder


@pytest.mark.slow
def test_training_writes_a_tokenizer_samples_and_metrics(trained):
    tokenizer = open_audio_tokenizer(trained / "played")
    assert tokenizer.config == PLAYED.model
    clip = example("test", 0, 5)
    assert tokenizer.encode(clip["audio"], clip["sample_rate"]).shape == (1, 25, 2)
    averaged, _, _ = restore_params(trained / "played")
    jax.tree.map(np.testing.assert_array_equal, tokenizer.params, averaged["tokenizer"])
    samples = trained / "played" / "samples" / "step_00000003"
    assert (samples / "rebuilt.png").is_file()
    with wave.open(str(samples / "rebuilt.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (4_000, 1, 16 * 2_500)
    assert '"discriminator"' in (trained / "played" / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_a_frozen_encoder_keeps_its_codes_while_the_decoder_learns(trained, tmp_path):
    audio_tokenizer.train(replace(RUN, start_from=trained / "played", freeze_encoder=True), tmp_path / "further")
    before, after = open_audio_tokenizer(trained / "played"), open_audio_tokenizer(tmp_path / "further")
    assert before.hash == after.hash
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.params["decoder"], after.params["decoder"])
    assert max(jax.tree.leaves(moved)) > 0
    other = replace(RUN, model=replace(RUN.model, bits=6), start_from=trained / "played")
    with pytest.raises(RequestError, match="bits"):
        audio_tokenizer.train(other, tmp_path / "other")


def test_pieces_lie_in_the_sound_and_are_heard():
    clip = {"audio": np.ones((10_000, 1), np.float32) * 0.5, "sample_rate": 16_000}
    data = SoundData(hops=4, gains=(0.5, 1.2))
    pieces = [RandomPiece(data, RUN.model).random_map(clip, np.random.default_rng(i)) for i in range(20)]
    assert all(piece.shape == (400, 1) and piece.dtype == np.float32 for piece in pieces)
    peaks = np.array([piece[200, 0] for piece in pieces])
    assert (np.abs(peaks) >= 0.24).all() and (np.abs(peaks) <= 0.61).all() and peaks.min() < 0 < peaks.max()
    short = {"audio": np.full((10, 2), 0.5, np.float32), "sample_rate": 4_000}
    assert RandomPiece(data, RUN.model).random_map(short, np.random.default_rng(0)).shape == (400, 1)


def test_pieces_shorter_than_a_window_and_sets_without_sound_are_refused(tmp_path):
    with pytest.raises(RequestError, match="at least 11 hops"):
        replace(RUN, mel_windows=(64, 1024))
    with pytest.raises(RequestError, match="no sound"):
        audio_tokenizer.train(replace(RUN, data=replace(RUN.data, dataset="moving_digits")), tmp_path / "w")
    with pytest.raises(RequestError, match="no checkpoints"):
        open_audio_tokenizer(tmp_path)
