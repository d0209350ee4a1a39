"""Training of the audio tokenizer at toy size: its losses, its two players, what it writes and keeps."""

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from made.parameters import random_like, random_params

import reelm
from reelm.data import catalog
from reelm.data.films.buckets import Buckets
from reelm.data.films.build import build
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.worker import local
from reelm.data.moving_digits.soundtracks import example
from reelm.errors import RequestError
from reelm.media.formats.mp4 import write_video
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, autoencode, init_params
from reelm.train.parts import open_audio_tokenizer
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig
from reelm.train.step.adversarial import AdversarialState
from reelm.train.step.state import TrainState
from reelm.train.tokenizers import audio as audio_tokenizer
from reelm.train.tokenizers.audio import objective_of
from reelm.train.tokenizers.audio_adversary import feature_distance, hinge_generator_loss, hinge_loss
from reelm.train.tokenizers.audio_config import AudioDiscriminatorConfig, AudioTokenizerRun, SoundData, SoundLossWeights
from reelm.train.tokenizers.audio_data import RandomPiece, held_back_sounds
from reelm.train.tokenizers.audio_discriminator import StftDiscriminator
from reelm.train.tokenizers.audio_losses import envelope_distance, loudness_distance, make_loss, mel_distance

pytestmark = [pytest.mark.long, pytest.mark.slow]  # several programs are compiled before the first test

RUN = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=4_000,
        strides=(10, 10),
        encoder_channels=(8, 8),
        decoder_channels=(8, 8),
        encoder_blocks=1,
        decoder_blocks=1,
        levels=2,
        bits=4,
    ),
    data=SoundData(source_frames=5, hops=4),
    mel_windows=(64,),
    discriminator=AudioDiscriminatorConfig(windows=(64,), channels=2),
    batch_size=2,
    loop=LoopConfig(steps=3, save_every=3, sample_every=3),
)
PLAYED = replace(RUN, losses=SoundLossWeights(adversarial=0.1))


def create_state(run: AudioTokenizerRun) -> TrainState:
    objective = objective_of(run)
    return objective.create(objective.start)


def sounds(seed: int = 0) -> jax.Array:
    return 0.3 * jax.random.normal(jax.random.key(seed), (2, 400, 1))


def test_mel_distance_of_equal_sounds_is_zero_and_has_a_finite_gradient_for_silence():
    distance = jax.jit(jax.value_and_grad(lambda rebuilt: mel_distance(sounds(), rebuilt, 4_000, (64, 128), 0.1)))
    assert distance(sounds())[0] < 1e-6
    assert np.isfinite(distance(jnp.zeros((2, 400, 1)))[1]).all()
    assert distance(sounds(1))[0] > distance(0.9 * sounds())[0] > 0


def test_a_share_of_a_batch_is_read_as_it_was_rebuilt_and_judged_as_it_was():
    """The first sound is rebuilt from its own reconstruction, the second from itself."""
    params = {"tokenizer": random_params(init_params, RUN.model)}
    run = replace(RUN, data=replace(RUN.data, own_output=0.5))
    _, (_, [(judged, rebuilt)]) = make_loss(run)(params, sounds(), jax.random.key(0), jnp.zeros(()))
    np.testing.assert_array_equal(judged, sounds())
    once, _ = autoencode(RUN.model, params["tokenizer"], sounds())
    twice, _ = autoencode(RUN.model, params["tokenizer"], jnp.clip(once, -1, 1))
    np.testing.assert_allclose(rebuilt, jnp.stack([twice[0], once[1]]), atol=1e-4)
    assert jnp.abs(once[0] - twice[0]).max() > 0.01


def test_loudness_distance_counts_decades():
    distance = jax.jit(jax.value_and_grad(lambda rebuilt: loudness_distance(sounds(), rebuilt, 40)))
    assert distance(sounds())[0] < 1e-6
    assert distance(-0.1 * sounds())[0] == pytest.approx(1, abs=1e-3)
    assert np.isfinite(distance(jnp.zeros((2, 400, 1)))[1]).all()


def test_envelope_distance_hears_when_bands_are_loud_and_not_their_phase():
    clock = np.arange(4_000) / 4_000
    beats = lambda phase, when: jnp.asarray(  # noqa: E731
        (np.sin(2 * np.pi * 700 * clock + phase) * (1 + np.cos(2 * np.pi * 3 * clock + when)))[None, :, None],
        jnp.float32,
    )
    distance = jax.jit(jax.value_and_grad(lambda rebuilt: envelope_distance(beats(0, 0), rebuilt, 4_000)))
    same, late = distance(beats(2, 0))[0], distance(beats(0, 2))[0]
    assert 0 <= same < 0.01 < 0.03 < late
    noise = 0.3 * jax.random.normal(jax.random.key(0), (1, 4_000, 1))
    assert envelope_distance(noise, 0 * noise, 4_000) == pytest.approx(1, abs=0.1)
    assert distance(100 * beats(0, 0))[0] < 1
    assert np.isfinite(distance(jnp.zeros((1, 4_000, 1)))[1]).all()


def test_a_tokenizer_that_gets_a_pitch_keeps_what_it_knows_before_it(monkeypatch):
    sizes: dict[str, Any] = {"strides": (40,), "encoder_channels": (8,), "decoder_channels": (8,), "fewer_levels": (2,)}
    model = AudioTokenizerConfig(sample_rate=4_000, levels=4, bits=5, loudness_bits=4, **sizes)
    old = AudioTokenizer(model, random_params(init_params, model, noise=0.2))
    monkeypatch.setattr(audio_tokenizer, "open_audio_tokenizer", lambda where: old)
    run = replace(RUN, model=replace(model, pitch=True), start_from=Path("old"))
    params = create_state(run).params["tokenizer"]
    kept = jnp.array([2, 2])
    before, after = (autoencode(*each, sounds(), kept=kept)[0] for each in ((model, old.params), (run.model, params)))
    np.testing.assert_allclose(before, after, atol=1e-5)
    # With its pitch known, a soft wave is heard.
    assert np.abs(autoencode(run.model, params, sounds())[0] - autoencode(model, old.params, sounds())[0]).max() > 1e-3
    with pytest.raises(RequestError, match="other sizes"):
        create_state(replace(run, model=replace(run.model, kernel=5)))


def test_a_tokenizer_that_gets_blocks_begins_as_it_was(monkeypatch):
    sizes: dict[str, Any] = {"strides": (40,), "encoder_channels": (8,), "decoder_channels": (8,), "loudness_bits": 4}
    model = AudioTokenizerConfig(sample_rate=4_000, levels=4, bits=5, pitch=True, **sizes)
    old = AudioTokenizer(model, random_params(init_params, model, noise=0.2))
    monkeypatch.setattr(audio_tokenizer, "open_audio_tokenizer", lambda where: old)
    run = replace(RUN, model=replace(model, encoder_blocks=4, decoder_blocks=3), start_from=Path("old"))
    params = create_state(run).params["tokenizer"]
    assert "block_0_3" in params["encoder"]
    before, after = (autoencode(*each, sounds())[0] for each in ((model, old.params), (run.model, params)))
    np.testing.assert_allclose(before, after, atol=1e-5)
    with pytest.raises(RequestError, match="other sizes"):
        create_state(replace(run, model=replace(run.model, decoder_blocks=1)))


def test_without_a_discriminator_there_is_none():
    state = jax.eval_shape(lambda: create_state(RUN))
    assert type(state) is TrainState and set(state.params) == {"tokenizer"}
    _, metrics = jax.eval_shape(objective_of(RUN).make_step(), state, sounds())
    assert "discriminator" not in metrics and {"waveform", "mel", "snr", "bit_balance"} <= set(metrics)


@pytest.fixture(scope="module")
def game():
    """A state of two players whose every parameter counts, and the step that moves them."""
    initial = jax.device_get(jax.jit(lambda: create_state(PLAYED))())
    params, adversary = (random_like(each, noise=0.1) for each in (initial.params, initial.adversary))
    return initial.replace(params=params, adversary=adversary), objective_of(PLAYED).make_step()


def test_each_player_follows_its_own_loss_alone(game):
    state, step = game

    def judge(adversary, sound) -> Any:
        return StftDiscriminator(PLAYED.discriminator).apply({"params": adversary}, sound)

    def rebuilt(params):
        return autoencode(PLAYED.model, params["tokenizer"], sounds())[0]

    def generator(params):
        (_, real_features), (logits, features) = (judge(state.adversary, each) for each in (sounds(), rebuilt(params)))
        fooling = 0.1 * hinge_generator_loss(logits) + 2.0 * feature_distance(real_features, features)
        return make_loss(PLAYED)(params, sounds(), jax.random.key(0), jnp.int32(0))[0] + fooling

    def discriminator(adversary):
        return hinge_loss(judge(adversary, sounds())[0], judge(adversary, rebuilt(state.params))[0])

    for loss, params, name in (
        (generator, state.params, "gradient_norm"),
        (discriminator, state.adversary, "discriminator_gradient_norm"),
    ):
        expected = optax.tree.norm(jax.jit(jax.grad(loss))(params))
        np.testing.assert_allclose(step(state, sounds())[1][name], expected, rtol=1e-4)


def test_sounds_that_are_no_numbers_change_neither_player(game):
    state, step = game
    after, metrics = step(state, sounds() * jnp.nan)
    assert metrics["skipped"] == 1 and after.step == 1
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(after).replace(step=0), state.replace(step=0))


def test_sounds_to_look_at_may_come_from_the_only_split(tmp_path):
    (tmp_path / "films").mkdir()
    for name, frames in (("long", 12), ("short", 8)):
        tone = np.sin(np.arange(frames * 500)[:, None] / 5).astype(np.float32)
        picture = np.full((frames, 32, 32, 3), 90, np.uint8)
        write_video(tmp_path / "films" / f"{name}.mp4", picture, fps=8, audio=tone, sample_rate=4_000)
    config = CuttingConfig(buckets=Buckets(resolution=32, lengths=(5,)), sample_rate=8_000, test_share=0)
    place = build(tmp_path / "films", "films", tmp_path / "sets", config, pool=local(1)).folder
    with pytest.raises(RequestError, match="has no split 'test'"):
        catalog.open_clips(str(place), "test")
    held_back = catalog.open_held_back(str(place), num_frames=5)
    assert held_back_sounds(held_back, RUN.model, 8).shape == (3, 2_500, 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    reelm.train(PLAYED, folder / "played")
    return folder


def test_training_writes_a_tokenizer_samples_and_metrics(trained):
    tokenizer = open_audio_tokenizer(trained / "played")
    assert tokenizer.config == PLAYED.model
    clip = example("test", 0, 5)
    assert tokenizer.encode(clip["audio"], clip["sample_rate"]).shape == (1, 25, 2)
    averaged = restore_params(trained / "played").params
    jax.tree.map(np.testing.assert_array_equal, tokenizer.params, averaged["tokenizer"])
    samples = trained / "played" / "samples" / "step_00000003"
    assert (samples / "rebuilt.png").is_file()
    with wave.open(str(samples / "rebuilt.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (4_000, 1, 16 * 2_500)
    assert '"discriminator"' in (trained / "played" / "metrics.jsonl").read_text()
    # It is trained: this reads it back.
    latest = cast(AdversarialState, reelm.train(PLAYED, trained / "played"))
    first = cast(AdversarialState, create_state(PLAYED))
    for moved, start in ((latest.params, first.params), (latest.adversary, first.adversary)):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: np.abs(a - b).max(), moved, start))) > 0


def test_a_frozen_encoder_keeps_its_codes_while_the_decoder_learns(trained, tmp_path):
    reelm.train(replace(RUN, start_from=trained / "played", freeze_encoder=True), tmp_path / "further")
    before, after = open_audio_tokenizer(trained / "played"), open_audio_tokenizer(tmp_path / "further")
    assert before.hash == after.hash
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.params["decoder"], after.params["decoder"])
    assert max(jax.tree.leaves(moved)) > 0
    other = replace(RUN, model=replace(RUN.model, bits=6), start_from=trained / "played")
    with pytest.raises(RequestError, match="bits"):
        reelm.train(other, tmp_path / "other")


def test_pieces_lie_in_the_sound_and_are_heard():
    clip = {"audio": np.ones((10_000, 1), np.float32) * 0.5, "sample_rate": 16_000}
    data = SoundData(hops=4, gains=(0.5, 1.2))
    pieces = [RandomPiece(data, RUN.model).random_map(clip, np.random.default_rng(i)) for i in range(20)]
    assert all(piece.shape == (400, 1) and piece.dtype == np.float32 for piece in pieces)
    peaks = np.array([piece[200, 0] for piece in pieces])
    assert (np.abs(peaks) >= 0.24).all() and (np.abs(peaks) <= 0.61).all() and peaks.min() < 0 < peaks.max()
    short = {"audio": np.full((10, 2), 0.5, np.float32), "sample_rate": 4_000}
    assert RandomPiece(data, RUN.model).random_map(short, np.random.default_rng(0)).shape == (400, 1)


def test_pieces_on_whole_hops_begin_at_the_grid_of_codes():
    hop = RUN.model.hop
    rising = np.linspace(-0.5, 0.5, 33 * hop, dtype=np.float32)[:, None]
    clip = {"audio": rising, "sample_rate": RUN.model.sample_rate}
    data = SoundData(hops=4, whole_hops=True, gains=(1.0, 1.0))
    pieces = [np.abs(RandomPiece(data, RUN.model).random_map(clip, np.random.default_rng(i))[:, 0]) for i in range(20)]
    starts = [
        [np.array_equal(piece, np.abs(rising[first : first + len(piece), 0])) for first in range(len(rising))]
        for piece in pieces
    ]
    assert all(any(each) and np.argmax(each) % hop == 0 for each in starts)


def test_pieces_shorter_than_a_window_and_sets_without_sound_are_refused(tmp_path):
    with pytest.raises(RequestError, match="at least 11 hops"):
        replace(RUN, mel_windows=(64, 1024))
    with pytest.raises(RequestError, match="no sound"):
        reelm.train(replace(RUN, data=replace(RUN.data, dataset="moving_digits")), tmp_path / "w")
    with pytest.raises(RequestError, match="not a model folder"):
        open_audio_tokenizer(tmp_path)
