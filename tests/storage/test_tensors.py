"""Files of parameters: what is written is read back, whatever its memory looks like, and damaged files are refused."""

import json
import struct
from typing import get_args

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from made.strategies import changed, damaged, one_line
from safetensors.numpy import load, save

from reelm.errors import RequestError
from reelm.storage.tensors import StoredType, flattened, load_params, pack, save_params, shapes, unpack

MATRIX = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize("leaf", [MATRIX.T, MATRIX[::-1], MATRIX[:, ::2]], ids=["turned", "reversed", "cut"])
def test_arrays_that_do_not_lie_in_order_are_written_as_they_are(leaf, tmp_path):
    np.testing.assert_array_equal(unpack(pack({"a": {"b": leaf}}, "float32"), "x")["a"]["b"], leaf)
    save_params({"a": {"b": leaf}}, tmp_path / "x")
    np.testing.assert_array_equal(load_params(tmp_path / "x")["a"]["b"], leaf)


def test_numbers_are_read_as_safetensors_reads_them():
    data = pack({"a": {"b": MATRIX, "c": MATRIX[0]}, "d": np.float32(2.0)}, "float32")
    params, theirs = unpack(data, "x"), load(data)
    np.testing.assert_array_equal(params["a"]["b"], theirs["a/b"])
    np.testing.assert_array_equal(params["a"]["c"], theirs["a/c"])
    assert params["d"] == theirs["d"] == 2
    assert np.shares_memory(params["a"]["b"], np.frombuffer(data, np.uint8))  # a large model is in memory once


def test_every_parameter_of_a_model_comes_back(tiny_sound_model):
    model = tiny_sound_model
    for params in (model.lm.params, model.video_tokenizer.params, model.audio_tokenizer.params):
        jax.tree.map(np.testing.assert_array_equal, unpack(pack(params, "float32"), "x"), params)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_narrow_numbers_become_float32(dtype):
    read = unpack(pack({"a": MATRIX}, dtype), "x")["a"]
    assert read.dtype == np.float32
    if dtype == "bfloat16":
        np.testing.assert_array_equal(read, MATRIX.astype(ml_dtypes.bfloat16).astype(np.float32))
    else:
        assert np.abs(read - MATRIX).max() <= np.abs(MATRIX).max() / 254


RNG = np.random.default_rng(1)
BASE = {"layers": {"a": RNG.normal(size=(2, 5, 3)).astype(np.float32)}, "b": RNG.normal(size=(5, 7)).astype(np.float32)}
CHANGED = {
    "layers": {"a": BASE["layers"]["a"] * 1.1},
    "b": (BASE["b"] + RNG.normal(size=(5, 7)) * 0.1).astype(np.float32),
    "new": MATRIX,
    "vector": MATRIX[0],
}


@pytest.mark.parametrize("dtype", get_args(StoredType))
def test_a_header_has_the_shapes_of_the_parameters(dtype, tmp_path):
    (tmp_path / "base").write_bytes(pack(BASE, dtype))
    (tmp_path / "changed").write_bytes(pack(CHANGED, dtype, base=BASE))
    base = shapes(tmp_path / "base")
    assert base == {name: leaf.shape for name, leaf in flattened(BASE).items()}
    assert shapes(tmp_path / "changed", base) == {name: leaf.shape for name, leaf in flattened(CHANGED).items()}
    with pytest.raises(RequestError, match="no sound safetensors file"):
        shapes(tmp_path / "changed")


def test_shapes_of_a_file_that_is_cut_off_or_missing_are_refused(tmp_path):
    (tmp_path / "cut").write_bytes(pack(BASE, "float32")[:20])
    with pytest.raises(RequestError, match="no sound safetensors file"):
        shapes(tmp_path / "cut")
    with pytest.raises(RequestError, match="is missing"):
        shapes(tmp_path / "gone")


def test_differences_are_near_and_take_half_a_byte_each():
    data = pack(CHANGED, "int8", base=BASE)
    read = unpack(data, "x", base=BASE)
    for made, right, base in (
        (read["b"], CHANGED["b"], BASE["b"]),
        (read["layers"]["a"], CHANGED["layers"]["a"], BASE["layers"]["a"]),
    ):
        assert made.dtype == np.float32 and made.shape == right.shape
        assert np.abs(made - right).max() <= np.abs(right - base).max() / 7  # half a step, more where it clips
    alone = unpack(pack({"new": MATRIX, "vector": MATRIX[0]}, "int8"), "x")
    np.testing.assert_array_equal(read["new"], alone["new"])
    np.testing.assert_array_equal(read["vector"], alone["vector"])
    large = {"b": np.zeros((100, 7), np.float32)}
    assert load(pack({"b": large["b"] + 1}, "int8", base=large))["b.difference"].nbytes == 350


def test_parameters_that_did_not_change_are_read_as_they_were():
    read = unpack(pack(BASE, "int8", base=BASE), "x", base=BASE)
    np.testing.assert_array_equal(read["b"], BASE["b"])


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (None, "b.difference is a difference, and its base or its scale is missing"),
        ({"b": np.zeros((5, 8), np.float32)}, r"b.difference is not a difference from a tensor \[5, 8\]"),
        ({"b": np.zeros((7, 5), np.float32)}, "shape mismatch: .*"),
    ],
)
def test_differences_from_something_else_are_refused(base, said):
    data = pack({"b": CHANGED["b"]}, "int8", base=BASE)
    with pytest.raises(RequestError, match=rf"^x is not a valid safetensors file \({said}\); fetch it again$"):
        unpack(data, "x", base=base)


def file_of(header: object, numbers: bytes = bytes(16)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


SOUND = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 7,
        struct.pack("<Q", 2**63) + b"{}",
        file_of(b"{"),
        file_of([]),
        file_of({"a": 1}),
        file_of({"a": SOUND | {"dtype": "F99"}}),
        file_of({"a": SOUND | {"data_offsets": [0, 8]}}),
        file_of({"a": SOUND | {"data_offsets": [4, 20]}}),
        file_of({"a": SOUND | {"data_offsets": [-16, 0]}}),
        file_of({"a": SOUND | {"shape": [-2, -2]}}),
        file_of({"a": SOUND | {"shape": [2.0, 2.0]}}),
        file_of({"a": SOUND | {"shape": [2**40, 2**40]}}),
        file_of({"a": SOUND}, np.full(4, np.nan, np.float32).tobytes()),
        file_of({"a": SOUND, "a/b": SOUND}),
        file_of(b'{"a":' * 100_000),
        save({"a": MATRIX})[:-4],
    ],
)
def test_a_damaged_file_is_refused_in_one_line(data):
    with pytest.raises(RequestError, match=r"^x is not a valid safetensors file \(.*\); fetch it again$") as refused:
        unpack(data, "x")
    assert "\n" not in str(refused.value)


@given(damaged(save({"a": MATRIX, "b": MATRIX[0]})) | changed({"a": SOUND, "b": SOUND}).map(file_of))
@settings(max_examples=200)
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_line(data):
    try:
        params = unpack(data, "x")
    except RequestError as error:
        one_line(error)
    else:
        assert all(np.isfinite(leaf).all() for leaf in params.values() if isinstance(leaf, np.ndarray))


def test_a_sound_file_by_hand_is_read():
    assert unpack(file_of({"__metadata__": {"a": "b"}, "a": SOUND}), "x")["a"].shape == (2, 2)
