"""I3D: the same figures as from torch's layers, TensorFlow's padding and bilinear places, files that do not hold it."""

from collections import OrderedDict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import save_file

from reelm.errors import RequestError
from reelm.evaluation.features import i3d

# Logits of `clips` with the tensors of conftest.py, by `by_torch` of torch 2.13: `keep_references` wrote them.
REFERENCES = Path(__file__).parents[2] / "made" / "i3d_reference.npz"

# Frames, height and width: the fewest and the usual frames; every stride meets odd sizes and even ones.
SHAPES = {"fewest": (9, 61, 70), "usual": (17, 64, 64)}


def clips(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.RandomState(1).uniform(-1, 1, (1, *shape, 3)).astype(np.float32)


def by_torch(tensors: dict[str, np.ndarray], videos: np.ndarray) -> np.ndarray:
    """The net in torch's layers, with the padding of each written out."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    of = {name: torch.from_numpy(value) for name, value in tensors.items()}

    def padded(x, window: tuple[int, ...], stride: tuple[int, ...]):
        pads = []
        for size, wide, step in reversed(list(zip(x.shape[2:], window, stride, strict=True))):
            lacking = max(wide - (step if size % step == 0 else size % step), 0)
            pads += [lacking // 2, lacking - lacking // 2]
        return functional.pad(x, pads)

    def unit(x, name: str, step: int = 1):
        weight = of[f"{name}.conv3d.weight"]
        x = functional.conv3d(padded(x, tuple(weight.shape[2:]), (step,) * 3), weight, stride=step)
        statistics = (of[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *statistics, eps=1e-3).relu()

    def most(x, window: tuple[int, ...], stride: tuple[int, ...]):
        # Zeros never win over what a ReLU gave.
        return functional.max_pool3d(padded(x, window, stride), window, stride)

    with torch.no_grad():
        x = unit(torch.from_numpy(videos).permute(0, 4, 1, 2, 3), "Conv3d_1a_7x7", 2)
        x = unit(unit(most(x, (1, 3, 3), (1, 2, 2)), "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
        x = most(x, (1, 3, 3), (1, 2, 2))
        for block in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"):
            if block == "4b":
                x = most(x, (3, 3, 3), (2, 2, 2))
            if block == "5b":
                x = most(x, (2, 2, 2), (2, 2, 2))
            name = f"Mixed_{block}"
            looks = [unit(x, f"{name}.b0")]
            looks += [unit(unit(x, f"{name}.{branch}a"), f"{name}.{branch}b") for branch in ("b1", "b2")]
            looks += [unit(most(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b")]
            x = torch.cat(looks, dim=1)
        x = functional.avg_pool3d(x, (2, *x.shape[3:]), stride=1)
        x = functional.conv3d(x, of["logits.conv3d.weight"], of["logits.conv3d.bias"])
        return x.mean(dim=(2, 3, 4)).numpy()


def keep_references(tensors: dict[str, np.ndarray]) -> None:
    kept = {name: by_torch(tensors, clips(shape)) for name, shape in SHAPES.items()}
    np.savez(REFERENCES, allow_pickle=False, **kept)


@pytest.fixture(scope="module")
def params(i3d_tensors) -> dict:
    return i3d.convert(i3d_tensors)


@pytest.mark.long
@pytest.mark.parametrize("name", ["fewest", pytest.param("usual", marks=pytest.mark.slow)])
def test_the_whole_net_gives_what_torchs_layers_gave(params, name):
    with np.load(REFERENCES) as references:
        expected = references[name]
    assert expected.shape == (1, i3d.CLASSES) and expected.std() > 0.1
    np.testing.assert_allclose(jax.jit(i3d.logits)(params, clips(SHAPES[name])), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.long
@pytest.mark.slow
def test_torchs_layers_still_give_it(i3d_tensors):
    with np.load(REFERENCES) as references:
        for name, shape in SHAPES.items():
            np.testing.assert_allclose(by_torch(i3d_tensors, clips(shape)), references[name], rtol=1e-3, atol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_of_torchs_is_loaded(i3d_tensors, params, zipped, tmp_path):
    torch = pytest.importorskip("torch")
    counted = {"Conv3d_1a_7x7.bn.num_batches_tracked": torch.tensor(7)}  # as newer versions of torch write it
    state = OrderedDict({name: torch.from_numpy(value) for name, value in i3d_tensors.items()} | counted)
    torch.save(state, tmp_path / "rgb_imagenet.pt", _use_new_zipfile_serialization=zipped)
    jax.tree.map(np.testing.assert_array_equal, i3d.load(tmp_path / "rgb_imagenet.pt"), params)


@pytest.mark.parametrize("size", [(5, 7, 8), (4, 8, 9), (1, 2, 3)])
@pytest.mark.parametrize("window,stride", [((1, 3), (1, 2)), ((3, 3), (2, 2)), ((2, 2), (2, 2)), ((3, 3), (1, 1))])
def test_maxima_are_over_tensorflows_same_windows(size, window, stride):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)  # negative ones too
    windows, strides = ((t, s, s) for t, s in (window, stride))
    pads = [max((-(-n // s) - 1) * s + w - n, 0) for n, w, s in zip(size, windows, strides, strict=True)]
    around = [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)]
    views = sliding_window_view(np.pad(x, around, constant_values=-np.inf), windows, (1, 2, 3))
    expected = views[:, :: strides[0], :: strides[1], :: strides[2]].max(axis=(5, 6, 7))
    np.testing.assert_array_equal(i3d._pool(jnp.asarray(x), window, stride), expected)


@pytest.mark.parametrize("height,width", [(224, 224), (64, 100), (448, 301), (1, 2)])
def test_frames_are_brought_to_the_size_as_tensorflow_1_does(height, width):
    video = np.random.default_rng(0).integers(0, 256, (1, 2, height, width, 3), np.uint8)

    def along(axis: int, x: np.ndarray) -> np.ndarray:
        size = x.shape[axis]
        places = np.arange(224) * (size / 224)
        return np.apply_along_axis(lambda line: np.interp(places, np.arange(size), line), axis, x)

    expected = along(3, along(2, video.astype(np.float64))) / 127.5 - 1
    np.testing.assert_allclose(i3d._prepared(video), expected, atol=2e-5)


def test_the_fewest_frames_are_nine():
    with pytest.raises(RequestError, match="9 frames or more, not of 8"):
        i3d.logits({}, np.zeros((1, 8, 64, 64, 3), np.float32))


@pytest.mark.long
def test_norms_are_folded_into_the_convolutions_before_them(i3d_tensors, params):
    x = np.random.default_rng(0).normal(size=(4, 64))
    name = "Conv3d_2b_1x1"
    weight, bias, mean, variance = (
        i3d_tensors[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (x @ i3d_tensors[f"{name}.conv3d.weight"][..., 0, 0, 0].T - mean) / np.sqrt(variance + 1e-3)
    found = x @ params[name]["kernel"][0, 0, 0] + params[name]["bias"]
    np.testing.assert_allclose(found, expected * weight + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.long
def test_a_safetensors_file_is_loaded(i3d_tensors, params, tmp_path):
    path = tmp_path / "i3d.safetensors"
    save_file(i3d_tensors | {"of another": np.zeros(3, np.float32)}, path)
    jax.tree.map(np.testing.assert_array_equal, i3d.load(path), params)


@pytest.mark.long
def test_what_a_file_lacks_is_named(i3d_tensors, tmp_path):
    path = tmp_path / "i3d.safetensors"
    some = dict(i3d_tensors)
    del some["Mixed_3b.b1a.bn.running_var"], some["logits.conv3d.bias"]
    save_file(some, path)
    with pytest.raises(RequestError, match="2 of the 287 tensors of I3D are missing, .* Mixed_3b.b1a.bn.running_var"):
        i3d.load(path)
    charades = {"logits.conv3d.weight": np.zeros((157, 1024, 1, 1, 1), np.float32)}
    save_file(i3d_tensors | charades, path)
    with pytest.raises(RequestError, match=r"logits.conv3d.weight should be \(400, .* is \(157, 1024, 1, 1, 1\)"):
        i3d.load(path)


@pytest.mark.parametrize("name", ["i3d.pt", "i3d.safetensors"])
def test_files_without_weights_are_refused_in_one_line(name, tmp_path):
    for content in (b"", b"<!DOCTYPE html>", b"PK\x03\x04" + bytes(30)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match=name) as refused:
            i3d.load(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(RequestError, match="nowhere"):
        i3d.load(tmp_path / "nowhere" / name)
