"""The adversarial recipe: each loss against its formula, one guarded state for both players, resumed bit for bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from made.parameters import random_params

from reelm.data import pipeline
from reelm.errors import RequestError
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.parts import open_video_tokenizer
from reelm.train.run.config import LoopConfig
from reelm.train.run.job import Job
from reelm.train.run.loop import run_job
from reelm.train.step import adversarial
from reelm.train.step import state as train_state
from reelm.train.step.adversarial import AdversarialState, Opponent
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers import video_adversary, video_discriminator, video_losses
from reelm.train.tokenizers.video import objective_of, open_batches
from reelm.train.tokenizers.video_adversary import LogitMeans, VideoAdversary
from reelm.train.tokenizers.video_config import (
    AdversaryConfig,
    ClipData,
    LossWeights,
    VideoDiscriminatorConfig,
    VideoTokenizerRun,
)
from reelm.train.tokenizers.video_discriminator import blur_pool, discriminate

pytestmark = [pytest.mark.long, pytest.mark.slow]  # the step of two players takes minutes to compile

NET = VideoDiscriminatorConfig(channels=(4, 8), halve_time=(True,))
RUN = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=8,
        encoder_channels=(8,),
        decoder_channels=(8,),
        encoder_blocks=1,
        decoder_blocks=1,
        decoder_kernel=(2, 3, 3),
    ),
    data=ClipData(source_frames=9, frames=5, crop=16, stills=1, mirror=True, reverse=True, speeds=(1, 2)),
    losses=LossWeights(entropy_boost=3.0, entropy_decay=10),
    adversary=AdversaryConfig(net=NET, r1_every=2),
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup=1),
    batch_size=2,
    loop=LoopConfig(steps=4, save_every=2, sample_every=0),
)


def clips(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.uniform(jax.random.key(seed), (*shape, 3), minval=-1)


pool = jax.jit(blur_pool, static_argnames="time")


def test_blur_pool_keeps_constants_and_halves_sizes():
    ones = jnp.ones((1, 5, 6, 8, 2))
    np.testing.assert_allclose(pool(ones, time=True), np.ones((1, 3, 3, 4, 2)), rtol=1e-6)
    assert pool(jnp.ones((1, 1, 7, 5, 1)), time=True).shape == (1, 1, 4, 3, 1)


def test_blur_pool_is_the_binomial_filter_in_space_and_looks_back_in_time():
    point = jnp.zeros((1, 1, 8, 8, 1)).at[0, 0, 4, 5, 0].set(1)
    rows, columns = np.zeros(4), np.zeros(4)
    rows[[1, 2]], columns[[2, 3]] = (1 / 8, 3 / 8), (3 / 8, 1 / 8)
    np.testing.assert_allclose(pool(point, time=False)[0, 0, :, :, 0], np.outer(rows, columns), atol=1e-7)
    late = jnp.zeros((1, 5, 2, 2, 1)).at[:, 3].set(1)
    np.testing.assert_allclose(pool(late, time=True)[0, :, 0, 0, 0], [0, 0, 3 / 8], atol=1e-7)


def test_the_discriminator_judges_every_size_and_no_logit_knows_later_frames():
    params = random_params(video_discriminator.init_params, NET)
    judge = jax.jit(lambda video: discriminate(NET, params, video))
    assert jax.eval_shape(judge, clips(2, 1, 16, 24)).shape == (2, 1, 8, 12)
    video = clips(1, 5, 8, 8)
    before, after = judge(video), judge(video.at[:, 3:].add(0.5))
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2] - after[:, 2]).max() > 0


def test_players_losses_are_cross_entropies():
    real, made = jnp.array([2.0, -1.0]), jnp.array([0.5, -3.0])
    log_sigmoid = lambda x: np.log(1 / (1 + np.exp(-np.asarray(x))))  # noqa: E731
    np.testing.assert_allclose(video_adversary.non_saturating_loss(made), -log_sigmoid(made).mean(), rtol=1e-6)
    expected = -log_sigmoid(real).mean() - log_sigmoid(-made).mean()
    np.testing.assert_allclose(video_adversary.cross_entropy_loss(real, made), expected, rtol=1e-6)


def test_r1_is_half_the_squared_gradient_a_logit_whatever_the_size():
    weights = jnp.array([1.0, -2.0, 0.5])
    for size in (2, 6):
        # Each place sees itself alone, with this gradient.
        penalty = video_adversary.r1_penalty(lambda video: video @ weights, clips(2, 3, size, size))
        np.testing.assert_allclose(penalty, 0.5 * float(jnp.sum(weights**2)), rtol=1e-6)


def test_r1_comes_every_few_steps_and_counts_for_all_of_them():
    net = VideoDiscriminatorConfig(channels=(4,), halve_time=())
    config = AdversaryConfig(net=net, r1=2.0, r1_every=3, lecam=0.0)
    optimizer, adversary_optimizer = OptimizerConfig().build(10), config.optimizer.build(10)

    def loss(params: Any, real: jax.Array, key: jax.Array, step: jax.Array):
        return jnp.square(params["gain"]), ({}, [(real, params["gain"] * real)])

    alone = train_state.create({"gain": jnp.float32(0.5)}, optimizer, 0)
    opponent = Opponent(VideoAdversary(config), adversary_optimizer, lambda key: key)
    state = adversarial.create(alone, opponent, jax.random.key(1))
    step = adversarial.make_step(loss, optimizer, 0.9, opponent)
    real = clips(2, 1, 8, 8)

    @jax.jit
    def gradients(adversary: Any, gain: jax.Array):
        judge = lambda params: lambda video: discriminate(net, params, video)  # noqa: E731
        told = jax.grad(lambda p: video_adversary.cross_entropy_loss(judge(p)(real), judge(p)(gain * real)))(adversary)
        return told, jax.grad(lambda p: video_adversary.r1_penalty(judge(p), real))(adversary)

    for index in range(4):
        told, penalty = gradients(state.adversary, state.params["gain"])
        lazily = 2.0 * 3 if index % 3 == 0 else 0.0
        expected = optax.tree.norm(jax.tree.map(lambda a, b, s=lazily: a + s * b, told, penalty))
        assert optax.tree.norm(penalty) > 1e-3 * optax.tree.norm(told)
        state, metrics = step(state, real)
        np.testing.assert_allclose(metrics["discriminator_gradient_norm"], expected, rtol=1e-4)
        assert (metrics["r1"] > 0) == (index % 3 == 0)


def test_lecam_counts_only_what_runs_away():
    means = LogitMeans(real=jnp.float32(1.0), made=jnp.float32(-1.0))
    assert video_adversary.lecam_penalty(jnp.array([-2.0]), jnp.array([3.0]), means) == 0
    np.testing.assert_allclose(
        video_adversary.lecam_penalty(jnp.array([2.0]), jnp.array([0.0]), means), 9 + 1, rtol=1e-6
    )


def test_entropies_weigh_three_times_as_much_at_first():
    weights = LossWeights(sample_entropy=0.1, batch_entropy=0.2, entropy_boost=3.0, entropy_decay=2_000)
    at = [video_losses.weights_at(weights, jnp.int32(step)) for step in (0, 1_000, 2_000, 9_000)]
    np.testing.assert_allclose([float(each["sample_entropy"]) for each in at], [0.3, 0.2, 0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose([float(each["batch_entropy"]) for each in at], [0.6, 0.4, 0.2, 0.2], rtol=1e-5)
    assert all(each["reconstruction"] == 5.0 for each in at)


def test_code_use_counts_codes_and_bits():
    latent = jnp.array([[1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).reshape(1, 1, 2, 2, 2)
    use = video_losses.code_use([latent, latent], VideoTokenizerConfig(bits=2).code)
    assert (use["codes_used"], use["bit_balance"], use["bit_balance_least"]) == (2, 0.5, 0)


class Game:
    """The run above: compiled once, played as often as a test wants."""

    def __init__(self):
        initial, self.step = objective_of(RUN).build(RUN.mesh.build())
        self.initial = jax.device_get(initial)
        self.layout = jax.tree.map(lambda leaf: leaf.sharding, initial)

    def start(self) -> AdversarialState:
        return jax.device_put(self.initial, self.layout)

    def play(self, folder: Path, steps: int, **options: Any) -> AdversarialState:
        config = replace(RUN.loop, steps=steps, log_every=2, save_every=2, **options)
        job = Job(
            stage="video-tokenizer",
            config=replace(RUN, loop=config),
            mesh=RUN.mesh.build(),
            build=lambda mesh: (self.start(), self.step),
            batches=lambda share: pipeline.iterate(open_batches(RUN, share)),
        )
        return cast(AdversarialState, jax.device_get(run_job(job, folder)))


@pytest.fixture(scope="module")
def game() -> Game:
    return Game()


@pytest.fixture(scope="module")
def played(game, tmp_path_factory) -> tuple[AdversarialState, Path]:
    folder = tmp_path_factory.mktemp("game")
    return game.play(folder, 4), folder


def test_every_loss_has_its_line_in_the_log(played):
    line = json.loads((played[1] / "metrics.jsonl").read_text().splitlines()[-1])
    names = {"reconstruction", "commitment", "sample_entropy", "batch_entropy", "codes_used", "bit_balance", "psnr"}
    assert names | {"adversarial", "discriminator", "lecam", "r1"} <= line.keys()


def test_both_players_and_the_means_move(game, played):
    state, _ = played
    for moved, start in ((state.params, game.initial.params), (state.adversary, game.initial.adversary)):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: np.abs(a - b).max(), moved, start))) > 0
    assert state.logit_means.real != 0 and state.logit_means.made != 0


def test_a_run_cut_in_two_ends_with_the_same_bits(game, played, tmp_path):
    assert game.play(tmp_path, 4, max_seconds=0.0).step == 1
    jax.tree.map(np.testing.assert_array_equal, game.play(tmp_path, 4), played[0])


def test_the_generator_alone_is_the_tokenizer(played):
    state, folder = played
    jax.tree.map(np.testing.assert_array_equal, open_video_tokenizer(folder).params, state.ema)


def test_a_batch_that_is_no_number_changes_neither_player(game):
    parts: Any = open_batches(RUN)[0]
    after, metrics = game.step(game.start(), {**parts, "clips": parts["clips"] * np.nan})
    assert metrics["skipped"] == 1 and after.step == 1
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(after).replace(step=0), game.initial.replace(step=0))


def test_the_players_learn(game, tmp_path):
    game.play(tmp_path, 24)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["psnr"] > lines[0]["psnr"]
    assert np.mean([line["logit_real"] - line["logit_made"] for line in lines[-5:]]) > 0


def test_clips_and_stills_come_in_one_batch():
    parts: Any = open_batches(RUN)[3]
    assert parts["clips"].shape == (2, 5, 16, 16, 3) and parts["stills"].shape == (1, 1, 16, 16, 3)


@pytest.mark.parametrize(
    ("change", "words"), [({"weight": 0.0}, "weight is 0.0; set it above 0"), ({"r1_every": 0}, "must be")]
)
def test_impossible_settings_are_refused(change, words):
    with pytest.raises(RequestError, match=words):
        AdversaryConfig(**change)
