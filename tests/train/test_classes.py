"""Tests of fitting the transform in closed form: it encodes its patches, and a training starts with it and keeps it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reelm
from reelm.errors import RequestError
from reelm.storage.tensors import flattened
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import autoencode
from reelm.tokenizer.video.transform import Transform
from reelm.train import classes
from reelm.train.parts import open_video_tokenizer
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers import video
from reelm.train.tokenizers.video_config import ClipData, FitConfig, LossWeights, VideoTokenizerRun
from reelm.train.tokenizers.video_losses import log_error

CONFIG = VideoTokenizerConfig(
    bits=8,
    patch=(2, 2, 2),
    encoder_channels=(8,),
    decoder_channels=(8,),
    encoder_blocks=1,
    decoder_blocks=1,
    encoder_kernel=(1, 1, 1),
    decoder_kernel=(1, 1, 1),
    levels=((3, 2), (2, 2, 1)),
)
RUN = VideoTokenizerRun(
    model=CONFIG,
    data=ClipData(source_frames=9, frames=5, crop=16, plain=1),
    fit=FitConfig(rounds=2, patches=600),
    losses=LossWeights(reconstruction=0, log_error=1, commitment=0, sample_entropy=0, batch_entropy=0),
    batch_size=2,
    loop=LoopConfig(steps=1, save_every=1, sample_every=0),
)


def patches(count: int, seed: int) -> np.ndarray:
    """Half of them flat, half a colour with a strong wave along one of two axes."""
    rng = np.random.default_rng(seed)
    flat = np.repeat(rng.uniform(-1, 1, (count, 3)), 8, 0).reshape(count, 24)
    waves = np.random.default_rng(7).normal(size=(2, 24))
    busy = rng.laplace(size=(count, 1)) * waves[rng.integers(0, 2, count)]
    return (flat + busy * (np.arange(count) % 2)[:, None]).astype(np.float32)


def error(params: dict, x: np.ndarray) -> float:
    transform = Transform(CONFIG.levels, CONFIG.bits, 24)
    code = transform.apply({"params": params}, jnp.asarray(x), method="encode")
    return float(np.mean(np.square(transform.apply({"params": params}, code, method="decode") - x)))


@pytest.fixture(scope="module")
def fitted() -> dict:
    return classes.fit(CONFIG, iter([patches(800, seed) for seed in range(4)]))


def test_axes_are_orthonormal_and_the_same_patches_give_the_same(fitted):
    for basis in fitted["basis"].T.reshape(-1, 3, 24):
        np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-5)
    again = classes.fit(CONFIG, iter([patches(800, seed) for seed in range(4)]))
    for name, leaf in fitted.items():
        np.testing.assert_array_equal(leaf, again[name])


@pytest.mark.long
def test_classes_beat_one_transform_for_all(fitted):
    """At equal bits: what is known of the class is worth more than finer coefficients."""
    unseen = patches(800, 99)
    whole = replace(CONFIG, levels=((3, 3, 2),))
    transform = Transform(whole.levels, whole.bits, 24)
    one = classes.fit(whole, iter([patches(800, seed) for seed in range(2)]))
    code = transform.apply({"params": one}, jnp.asarray(unseen), method="encode")
    single = np.mean(np.square(transform.apply({"params": one}, code, method="decode") - unseen))
    assert error(fitted, unseen) < 0.7 * float(single)


def test_an_idle_class_takes_half_of_the_largest():
    few = np.zeros((90, 24), np.float32)  # all alike: they choose one class
    params = classes.fit(CONFIG, iter([patches(400, 0), few]))
    assert all(np.isfinite(leaf).all() for leaf in params.values())


@pytest.mark.long
@pytest.mark.slow
def test_a_training_begins_with_the_transform_and_keeps_it(tmp_path, monkeypatch):
    run = replace(RUN, data=replace(RUN.data, dataset="moving_digits"))
    reelm.train(run, tmp_path / "run")
    kept = (tmp_path / "run" / video.FITTED_FILE).read_bytes()
    params = restore_params(tmp_path / "run").params
    for part in ("encoder", "decoder"):
        own = flattened(params[part]["transform"])
        assert set(own) == {"basis", "mean", "scale", "spread"}
        for name, leaf in flattened(params["encoder"]["transform"]).items():
            np.testing.assert_array_equal(own[name], leaf)
    monkeypatch.setattr(classes, "fit", lambda *_: pytest.fail("a resumed run fits nothing"))
    reelm.train(replace(run, loop=replace(run.loop, steps=2)), tmp_path / "run")
    assert (tmp_path / "run" / video.FITTED_FILE).read_bytes() == kept
    after = restore_params(tmp_path / "run").params
    np.testing.assert_array_equal(after["encoder"]["transform"]["basis"], params["encoder"]["transform"]["basis"])
    assert np.abs(params["decoder"]["deblocking"]["later"]).max() > 0
    np.testing.assert_array_equal(after["decoder"]["deblocking"]["later"], params["decoder"]["deblocking"]["later"])
    assert np.abs(after["decoder"]["pixels"]["bias"]).max() > 0  # the nets did learn
    assert open_video_tokenizer(tmp_path / "run").config == CONFIG


@pytest.mark.long
def test_before_the_first_step_the_nets_add_nothing(fitted):
    objective = video.objective_of(RUN, {"transform": fitted})
    params = objective.create(objective.start).params
    clip = jax.random.uniform(jax.random.key(0), (4, 5, 2, 2, 3), minval=-1)  # one patch a side: no borders
    rebuilt, _ = autoencode(CONFIG, params, clip)
    folded = next(classes.rounds(CONFIG, iter([{"clips": np.asarray(clip)}]), 1, 12))
    transform = Transform(CONFIG.levels, CONFIG.bits, 24)
    code = transform.apply({"params": fitted}, jnp.asarray(folded), method="encode")
    alone = transform.apply({"params": fitted}, code, method="decode")
    seen = next(classes.rounds(CONFIG, iter([{"clips": np.asarray(rebuilt)}]), 1, 12))
    # Of the patches of the first frame only the last frame is shown.
    seen, alone = (np.asarray(x).reshape(12, 2, 12)[:, 1] for x in (seen, alone))
    np.testing.assert_allclose(seen, alone, atol=1e-5)


@pytest.mark.parametrize("fields", [{"optimizer": OptimizerConfig(weight_decay=0.1)}, {"inflate": True}])
def test_what_a_transform_cannot_have_is_refused(fields):
    with pytest.raises(RequestError):
        replace(RUN, **fields)


def test_the_logarithm_counts_every_clip_the_same():
    zeros = jnp.zeros((2, 1, 4, 4, 3))
    made = jnp.stack([jnp.full((1, 4, 4, 3), 0.3), jnp.full((1, 4, 4, 3), 0.1)])
    gradient = jax.grad(lambda made: log_error(zeros, made))(made)
    pull = jnp.sum(gradient * made, axis=(1, 2, 3, 4))
    np.testing.assert_allclose(pull, [1, 1], rtol=0.15)  # of relative size: each clip asks for as many decibels
