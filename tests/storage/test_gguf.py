"""GGUF files: facts and tensors as written, and files that are cut off."""

import sys

import gguf
import numpy as np
import pytest
from made.llm_files import write

from reelm.errors import RequestError
from reelm.storage.foreign.gguf import GGUF

FACTS = {"a.number": 7, "a.text": "红色", "a.truth": True, "a.list": [1.5, -2.0], "a.texts": ["x", ""]}
TENSORS = {"matrix": np.arange(12, dtype=np.float32).reshape(3, 4), "half": np.array([[1.5, -2, 0.25]], np.float16)}


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "model.gguf", "llama", FACTS, TENSORS)


def test_what_was_written_is_read(file):
    found = GGUF(file)
    assert {name: found.facts[name] for name in FACTS} == FACTS and found.facts["general.architecture"] == "llama"
    assert found.shape("matrix") == (3, 4) and "matrix" in found and "other" not in found
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(found.read(name), value.astype(np.float32))
    np.testing.assert_array_equal(found.rows("matrix", [2, 0, 2]), TENSORS["matrix"][[2, 0, 2]])
    with pytest.raises(RequestError, match="has no tensor other"):
        found.read("other")


def test_rows_of_quantized_numbers_are_those_of_the_whole(tmp_path):
    numbers, kind = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32), gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tensor("rows", gguf.quantize(numbers, kind), raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        step()
    writer.close()
    found = GGUF(tmp_path / "model.gguf")
    assert found.shape("rows") == (5, 64)
    np.testing.assert_allclose(found.read("rows"), numbers, atol=0.02)
    np.testing.assert_array_equal(found.rows("rows", [4, 1]), found.read("rows")[[4, 1]])


def test_a_file_that_is_cut_off_is_refused_in_a_line(file):
    whole = file.read_bytes()
    for length in range(0, len(whole) - 32, 13):
        file.write_bytes(whole[:length])
        with pytest.raises(RequestError, match="is cut off or not a GGUF file") as refused:
            GGUF(file)
        assert "\n" not in str(refused.value)


def test_without_the_package_its_extra_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(RequestError, match=r"the package gguf reads .*model\.gguf; install it: .*reelm\[llm\]"):
        GGUF(file)
