"""Tests of the multilingual sentence encoder: parity with the published code, with all and with fewer pieces."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made import multilingual
from made.multilingual import IDS, SENTENCES

from reelm.errors import RequestError
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.convert_multilingual_encoder import convert
from reelm.tokenizer.text.multilingual_encoder import MultilingualEncoder, forward


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return multilingual.package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def whole(source: Path) -> MultilingualEncoder:
    return opened(convert(source, source / "whole"))


def opened(folder: Path) -> MultilingualEncoder:
    encoder = text_encoders.load(folder, max_tokens=30)
    assert isinstance(encoder, MultilingualEncoder)
    return encoder


def test_embeddings_equal_those_of_the_published_code(whole):
    with np.load(multilingual.FILE) as kept:
        expected = kept["expected"]
    lengths = np.array(list(map(len, IDS)))
    ids = jnp.array([row + [0] * (lengths.max() - len(row)) for row in IDS])
    sentences, _ = jax.jit(forward)(whole.params, ids, jnp.arange(lengths.max()) < lengths[:, None])
    np.testing.assert_allclose(sentences, expected, atol=1e-5)


def test_rows_are_the_sentence_and_then_its_pieces(whole):
    values, mask = whole.encode(SENTENCES)
    np.testing.assert_allclose(np.linalg.norm(values[:, 0], axis=-1), whole.width**0.5, rtol=1e-5)
    for row, seen, sentence in zip(values, mask, SENTENCES, strict=True):
        ids = whole.ids(sentence)
        assert seen.sum() == 1 + len(ids) == whole.count(sentence)
        alone, tokens = forward(whole.params, jnp.array([[1, *ids, 2]]), jnp.ones((1, len(ids) + 2), bool))
        np.testing.assert_allclose(row[0], alone[0] * whole.width**0.5, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(row[seen][1:], tokens[0, 1:-1], rtol=1e-4, atol=1e-5)


def test_keeping_only_the_pieces_of_a_text_does_not_change_its_embedding(source, whole):
    words = source / "words.txt"
    words.write_text("\n".join(SENTENCES[:2]), encoding="utf-8")
    fewer = opened(convert(source, source / "fewer", words))
    assert len(fewer.params["embedding"]) < len(whole.params["embedding"])
    expected, found = whole.encode(SENTENCES), fewer.encode(SENTENCES)
    np.testing.assert_allclose(found.values[:2], expected.values[:2], rtol=1e-5, atol=1e-5)
    assert fewer.count("gods") == 1 + len(fewer.ids("gods")) > 2 and 0 not in fewer.ids("gods")
    assert fewer.hash != whole.hash
    assert json.loads((source / "fewer" / "config.json").read_text())["vocabulary"] == len(fewer.params["embedding"])


def test_full_width_letters_are_read_as_others(whole):
    assert whole.ids("ａ　ｄｏｇ") == whole.ids("a dog")


def test_other_files_than_the_package_are_refused_in_one_line(source, tmp_path):
    (tmp_path / "wheel").write_bytes(b"no archive")
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.txt").write_bytes(b"ni\xf1o")
    for request, right in (
        (lambda: convert(tmp_path / "absent", tmp_path / "x"), "there is no .*pip download"),
        (lambda: convert(tmp_path / "wheel", tmp_path / "x"), "fetch it again"),
        (lambda: convert(tmp_path / "empty", tmp_path / "x"), "fetch it again"),
        (lambda: convert(source, tmp_path / "x", tmp_path / "latin.txt"), "name a text in UTF-8"),
        (lambda: text_encoders.load(source / "whole", max_tokens=300), "takes 2 to 256"),
    ):
        with pytest.raises(RequestError, match=right) as refused:
            request()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "x").exists()
