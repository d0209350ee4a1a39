"""Tests of start_from: known parameters are taken from a smaller model, new ones are fresh."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from made import llm_files
from made.models import reader, tiny_model

from reelm.errors import RequestError
from reelm.lm.language_model import LanguageModel
from reelm.sampling.folder.load import load
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.llm.point import point
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.train.lm.config import LMRun
from reelm.train.lm.run import start_of
from reelm.train.parts import open_start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """A model that tells four kinds of given pictures apart, and has no keys."""
    model = tiny_model(sound=False)
    assert model.lm is not None
    params = {**model.lm.params, "given": {"embedding": model.lm.params["given"]["embedding"][:4]}}
    lm = LanguageModel(replace(model.lm.config, picture_kinds=4), params, model.lm.text, ("t2v",))
    path = tmp_path_factory.mktemp("start") / "model"
    Model("few", model.video_tokenizer, lm, model.defaults).save(path)
    return path, lm


@pytest.mark.long
@pytest.mark.slow
def test_more_kinds_of_pictures_and_keys_are_learned_beside_what_was_known(folder):
    path, lm = folder
    start = open_start(path, replace(lm.config, picture_kinds=6, keys=("left", "right")))
    known, table = lm.params["given"]["embedding"], start.params["given"]["embedding"]
    assert table.shape == (6, lm.config.width) and np.any(table[4])
    np.testing.assert_array_equal(table[:4], known)
    assert "control" not in start.params  # fresh, and so zero


def test_sources_of_control_are_learned_beside_those_that_are_known(folder, tmp_path):
    path, lm = folder
    keys = replace(lm.config, picture_kinds=4, keys=("left", "right"))
    params = {**lm.params, "control": {"kernel": np.ones((3, keys.width), np.float32)}}
    model = Model("keys", load(str(path)).video_tokenizer, LanguageModel(keys, params, lm.text, ("world",)), Defaults())
    model.save(tmp_path / "keys")
    kernel = open_start(tmp_path / "keys", replace(keys, tracks=1, motion=True)).params["control"]["kernel"]
    assert kernel.shape == (3 + 34 + 2, keys.width)
    np.testing.assert_allclose(kernel[:3], 1, rtol=1e-2)
    assert not np.any(kernel[3:])
    with pytest.raises(RequestError, match="keys: "):
        open_start(tmp_path / "keys", replace(keys, keys=("left", "up"), tracks=1))


def test_what_structure_shows_begins_with_the_embeddings_of_codes(folder):
    path, lm = folder
    start = open_start(path, replace(lm.config, structures=("edges",)))
    jax.tree.map(np.testing.assert_array_equal, start.params["structure"], start.params["codes"])
    assert not any(jax.tree.leaves(start.known["structure"]))  # and is trained, whatever stays


def test_a_start_that_knows_more_than_the_model_is_refused(folder):
    path, lm = folder
    with pytest.raises(RequestError, match="picture_kinds: 4 -> 3"):
        open_start(path, replace(lm.config, picture_kinds=3))
    with pytest.raises(RequestError, match=r"text_vocabulary: \d+ -> 299; width: 32 -> 48"):
        open_start(path, replace(lm.config, text_vocabulary=299, width=48, picture_kinds=5))
    with pytest.raises(RequestError, match="picture_kinds is 9; there are 6"):
        replace(lm.config, picture_kinds=9)


def test_an_encoder_of_another_width_is_read_by_a_fresh_matrix(sentences, tmp_path):
    known = reader(tiny_model(sound=False), text_encoders.load(sentences, max_tokens=20))
    known.save(tmp_path / "known")
    llm = point(llm_files.folder(tmp_path / "gemma", "gemma3"), tmp_path / "llm", layer=None)
    model = replace(known.language_model().config, text_width=text_encoders.load(llm, max_tokens=20).width)
    run = LMRun(model=model, start_from=tmp_path / "known", text_encoder=llm)
    text, start = start_of(run, [], tmp_path / "run")
    assert not isinstance(text, TextTokenizer) and text.hash == text_encoders.load(llm, max_tokens=20).hash
    assert start is not None and "text" not in start.params
    known_params = load(str(tmp_path / "known")).language_model().params
    for name, part in start.params.items():
        jax.tree.map(np.testing.assert_array_equal, part, known_params[name])
    with pytest.raises(RequestError, match="text_width: 16 -> 0"):
        open_start(tmp_path / "known", replace(model, text_width=0))
