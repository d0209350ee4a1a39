"""GGUF files: facts and tensors as written, quantized blocks as GGML widens them, and files that lie."""

import random
import struct

import numpy as np
import pytest
from made import towers
from made.gguf_file import TYPES, fact, gguf, tensor

from reelm.errors import RequestError
from reelm.storage.foreign.gguf import GGUF
from reelm.storage.foreign.quantized import FORMATS

FACTS = {"a.text": "words 字", "a.count": 7, "a.share": 0.5, "a.yes": True, "a.texts": ["x", ""], "a.numbers": [1, 2]}
TENSORS = {"one": np.arange(6, dtype=np.float32), "two": np.arange(12, dtype=np.float32).reshape(4, 3)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(FACTS, TENSORS))
    return path


def test_facts_and_tensors_are_those_that_were_written(file):
    found = GGUF(file)
    assert found.facts == FACTS
    assert "one" in found and "three" not in found
    for name, value in TENSORS.items():
        assert found.shape(name) == value.shape
        np.testing.assert_array_equal(found.read(name), value)
    np.testing.assert_array_equal(found.rows("two", [3, 0, 3]), TENSORS["two"][[3, 0, 3]])
    with pytest.raises(RequestError, match="no tensor three"):
        found.read("three")


@pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.numbers > 1], ids=lambda form: form.name)
def test_blocks_are_widened_as_ggml_widens_them(form, tmp_path):
    blocks, expected = towers.blocks(form.bytes), towers.of(form.name)
    assert np.isfinite(expected).all()
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf({}, {}, [tensor("rows", TYPES[form.name], (5, form.numbers), blocks.tobytes())]))
    np.testing.assert_array_equal(GGUF(path).read("rows"), expected)
    np.testing.assert_array_equal(GGUF(path).rows("rows", [4, 1]), expected[[4, 1]])


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_floats_of_16_bits_are_widened(dtype, tmp_path):
    path, numbers = tmp_path / "model.gguf", np.array([[1.5, -2, 0.25]], np.float32)
    stored = numbers.astype(np.float16) if dtype == "F16" else numbers.view(np.uint32) >> 16
    raw = stored.astype(np.float16 if dtype == "F16" else np.uint16).tobytes()
    path.write_bytes(gguf({}, {}, [tensor("row", TYPES[dtype], (1, 3), raw)]))
    np.testing.assert_array_equal(GGUF(path).read("row"), numbers)


def test_a_file_that_lies_is_refused_in_a_line(file, tmp_path):
    whole = file.read_bytes()
    huge = 2**62
    lies = [
        (b"", "cannot read"),
        (b"GGML" + whole[4:], "begins with b'GGML'"),
        (whole[:4] + struct.pack("<I", 9) + whole[8:], "version 9"),
        (whole[:8] + struct.pack("<QQ", huge, 0) + whole[24:], "names 4611686018427387904 tensors"),
        (whole[:16] + struct.pack("<Q", huge) + whole[24:], "names 4611686018427387904 facts"),
        (whole[:24] + struct.pack("<Q", huge) + whole[32:], "letters where"),
        (gguf({}, {}, facts=[fact("x", 9, struct.pack("<IQ", 4, huge))]), "numbers where"),
        (gguf({}, {}, facts=[fact("x", 9, struct.pack("<IQ", 8, huge))]), "texts where"),
        (gguf({}, {}, facts=[fact("x", 9, struct.pack("<IQ", 9, 1) + bytes(8))]), "a fact is of type 9"),
        (gguf({}, {}, facts=[fact("x", 77, b"")]), "a fact is of type 77"),
        (gguf({"general.alignment": 0}, {}), "its alignment is 0"),
        (gguf({}, {}, [tensor("x", 2, (1, 32), bytes(18))]), "of GGML's type 2; those that are read are F32"),
        (gguf({}, {}, [tensor("x", 8, (1, 33), bytes(99))]), "no whole blocks of Q8_0"),
        (gguf({}, {}, [tensor("x", 0, (1 << 40, 1 << 40), b"")]), "ends beyond the file"),
        (gguf({}, {}, [tensor("x", 0, (1,) * 5, bytes(4))]), "has 5 axes"),
        (whole[:-4], "the tensor 'two' ends beyond the file"),
    ]
    for number, (data, right) in enumerate(lies):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(data)
        with pytest.raises(RequestError, match=right) as refused:
            GGUF(path)
        assert "\n" not in str(refused.value)


def test_any_damage_ends_in_a_line_or_in_tensors(file):
    whole, rng = file.read_bytes(), random.Random(0)
    for _ in range(300):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(1, 4)):
            if data:
                data[rng.randrange(min(len(data), 400))] = rng.choice([0, 1, 8, 9, 255, rng.randrange(256)])
        file.write_bytes(data)
        try:
            found = GGUF(file)
            for name in found._entries:
                found.read(name)
        except RequestError as error:
            assert "\n" not in str(error)
