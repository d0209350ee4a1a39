"""Tests of language models as text encoders: parity with Transformers, templates, invalid files."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made import llm_files, llms
from made.models import reader

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.storage.foreign.checkpoint import Checkpoint
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.llm import config, files
from reelm.tokenizer.text.llm.encoder import LLMEncoder
from reelm.tokenizer.text.llm.files import checkpoint_names, read_params
from reelm.tokenizer.text.llm.net import every_state, last_state
from reelm.tokenizer.text.llm.point import point

PROMPTS = ["a red seven moves right", "红色的七向右移动", "a", ""]


def opened(folder: Path, max_tokens: int = 40) -> LLMEncoder:
    found = text_encoders.load(folder, max_tokens=max_tokens)
    assert isinstance(found, LLMEncoder)
    return found


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llm_files.folder(tmp_path_factory.mktemp("llms") / "qwen", "qwen3")


@pytest.mark.parametrize("family", llms.CONFIGS)
def test_every_layer_equals_transformers(family, tmp_path):
    folder = llm_files.folder(tmp_path / family, family)
    sizes = config.of_json(llms.CONFIGS[family], "config.json")
    checkpoint = Checkpoint(folder)
    names = checkpoint_names(checkpoint.names, family)
    x = checkpoint.rows(names.embedding, llms.IDS[family].tolist())[None]
    params = read_params(sizes, checkpoint, names, sizes.layers)
    states = jax.jit(partial(every_state, sizes))(params, x)
    np.testing.assert_allclose(llms.kept(np.asarray(states[:, 0])), llms.of(family), rtol=1e-4, atol=1e-4)
    first = read_params(sizes, checkpoint, names, sizes.layers - 2)
    np.testing.assert_allclose(jax.jit(partial(last_state, sizes))(first, x), states[-3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", llms.CONFIGS)
def test_a_gguf_file_and_a_folder_give_equal_embeddings(family, tmp_path):
    # What a GGUF file does not say has one value there: the scale of queries, the pattern of local layers.
    plain = {"rope_scaling": None, "query_pre_attn_scalar": 8, "sliding_window_pattern": 6}
    plain |= {"rope_local_base_freq": 10_000.0}
    folder = llm_files.folder(tmp_path / "folder", family, **plain)
    file = llm_files.file(tmp_path / "model.gguf", family)
    encoders = [opened(point(weights, tmp_path / weights.stem[0], layer=None)) for weights in (folder, file)]
    assert [encoder.ids(text) for text in llms.TEXTS for encoder in encoders[:1]] == [
        encoder.ids(text) for text in llms.TEXTS for encoder in encoders[1:]
    ]
    ours, theirs = (encoder.encode(PROMPTS) for encoder in encoders)
    np.testing.assert_array_equal(ours.mask, theirs.mask)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-4, atol=1e-4)
    assert encoders[0].hash != encoders[1].hash


def test_embeddings_do_not_depend_on_other_prompts(qwen, tmp_path):
    encoder = opened(point(qwen, tmp_path / "t", layer=-3, template="<think>: {} now<|im_end|>"))
    values, mask = encoder.encode(PROMPTS)
    assert values.shape == (4, 40, encoder.width) and values.dtype == np.float32 and not values[~mask].any()
    assert [row.sum() for row in mask] == [encoder.count(prompt) for prompt in PROMPTS]
    np.testing.assert_allclose(np.mean(values[mask] ** 2, axis=-1), 1, rtol=1e-3)
    shorter = opened(tmp_path / "t", 36)
    for prompt, row, seen in zip(PROMPTS, values, mask, strict=True):
        alone, there = shorter.encode([prompt])
        np.testing.assert_allclose(alone[there], row[seen], rtol=1e-4, atol=1e-4)


def test_rows_start_after_the_head_of_the_template(qwen, tmp_path):
    found = files.opened(qwen)
    head, tail = "<think> a red", "<|im_end|>"
    encoder = opened(point(qwen, tmp_path / "one", layer=-3, template=head + "{}" + tail))
    both = opened(point(qwen, tmp_path / "all", layer=None, template=head + "{}" + tail))
    ids = [found.vocabulary.encode(text, template=True) for text in (head, "blue ducks", tail)]
    assert encoder.ids("blue ducks") == ids[1] + ids[2] and len(ids[2]) == 1
    x = jnp.asarray(found.tensors.rows(found.names.embedding, [*ids[0], *ids[1], *ids[2]]))[None]
    params = read_params(found.config, found.tensors, found.names, found.config.layers)
    states = np.asarray(every_state(found.config, params, x))[:, 0, len(ids[0]) :]
    states = states / np.sqrt(np.mean(states**2, axis=-1, keepdims=True))
    values, mask = encoder.encode(["blue ducks"])
    np.testing.assert_allclose(values[mask], states[-3], rtol=1e-3, atol=1e-3)
    values, mask = both.encode(["blue ducks"])
    assert both.width == 8 * 24
    np.testing.assert_allclose(values[mask], np.concatenate([*states], axis=-1), rtol=1e-3, atol=1e-3)
    assert len({encoder.hash, both.hash, opened(point(qwen, tmp_path / "plain")).hash}) == 3


def test_last_pooling_keeps_only_the_last_row(qwen, tmp_path):
    template = "<think>: {} now<|im_end|>"
    every = opened(point(qwen, tmp_path / "every", template=template))
    pooled = opened(point(qwen, tmp_path / "last", template=template, pooling="last"), 2)
    values, mask = every.encode(PROMPTS)
    alone, there = pooled.encode(PROMPTS)
    assert alone.shape == (4, 2, pooled.width) and there.tolist() == [[True, False]] * 4 and not alone[:, 1].any()
    assert [pooled.count(prompt) for prompt in PROMPTS] == [1] * 4
    last = mask.sum(axis=1) - 1
    np.testing.assert_allclose(alone[:, 0], values[np.arange(4), last], rtol=1e-4, atol=1e-4)
    assert pooled.embeds_sentences and not every.embeds_sentences and pooled.hash != every.hash
    with pytest.raises(RequestError, match="the prompt takes [0-9]+ text tokens, but [0-9]+ fit"):
        pooled.encode(["red " * 3000])


def test_control_tokens_in_a_prompt_are_read_as_text(qwen, tmp_path):
    encoder = opened(point(qwen, tmp_path / "t"))
    control, own = (encoder._published.vocabulary.encode(text, template=True) for text in ("<|im_end|>", "<think>"))
    assert len(control) == len(own) == 1
    assert control[0] not in encoder.ids("a <|im_end|>") and own[0] in encoder.ids("a <think>")
    assert encoder.ids("Ａ  ７") == encoder.ids("A 7")  # of one width, as all models read them


def test_a_repeated_prompt_does_not_read_the_weights(qwen, tmp_path):
    folder = point(qwen, tmp_path / "t")
    made = CachedEncoder(opened(folder), tmp_path / "cache").encode(PROMPTS)
    again = opened(folder)
    np.testing.assert_array_equal(CachedEncoder(again, tmp_path / "cache").encode(PROMPTS).values, made.values)
    assert "params" not in vars(again)


def test_what_cannot_be_read_is_refused_in_a_line(qwen, tmp_path):
    def changed(name: str, **fields) -> Path:
        return llm_files.folder(tmp_path / name, "qwen3", **fields)

    def pieces(name: str, **fields) -> Path:
        folder = changed(name)
        value = json.loads((folder / "tokenizer.json").read_text()) | fields
        (folder / "tokenizer.json").write_text(json.dumps(value))
        return folder

    def facts(name: str, **fields) -> Path:
        return llm_files.file(tmp_path / name, "qwen3", **{key.replace("__", "."): v for key, v in fields.items()})

    moved, other, cut = changed("moved"), changed("other"), changed("cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-9])
    (tmp_path / "text").write_text("no model")
    pointed = point(moved, tmp_path / "to-moved"), point(other, tmp_path / "to-other")
    shutil.rmtree(moved)
    (other / "config.json").write_text(json.dumps(llms.CONFIGS["qwen3"] | {"rms_norm_eps": 0.1}))
    good = point(qwen, tmp_path / "good", template="a {}")
    requests = [
        (lambda: opened(pointed[0]), "are missing; point to them again"),
        (lambda: opened(pointed[1]).encode(["a"]), r"is not the file that .* names \(sha256\)"),
        (lambda: opened(good, 5).encode(["0123456789"]), "but 5 fit; say it in fewer words"),
        (lambda: opened(good, 512), "takes 1 to 511 after the 1 tokens of its template, of 512 positions"),
        (lambda: opened(good).encode(["\ud800"]), "surrogate"),
        (lambda: opened(qwen), "'qwen3'; the text encoders known here are .*language-model, .*point to it with"),
        (lambda: point(qwen, tmp_path / "x", layer=8), "no layer 8; this model has 1 to 7"),
        (lambda: point(qwen, tmp_path / "x", layer=0), "no layer 0"),
        (lambda: point(qwen, tmp_path / "x", template="no place"), "must have {} exactly once"),
        (lambda: point(tmp_path / "absent", tmp_path / "x"), "name a GGUF file"),
        (lambda: point(tmp_path / "text", tmp_path / "x"), "is cut off or not a GGUF file"),
        (lambda: point(cut, tmp_path / "x"), "holds damaged safetensors"),
        (lambda: point(changed("bert", model_type="bert"), tmp_path / "x"), "'bert'; language models known here"),
        (lambda: point(changed("bias", attention_bias=True), tmp_path / "x"), "attention_bias, which is not supported"),
        (lambda: point(changed("relu", hidden_act="relu"), tmp_path / "x"), "the activation 'relu'"),
        (lambda: point(changed("yarn", rope_scaling={"type": "yarn"}), tmp_path / "x"), "positions of 'yarn'"),
        (lambda: point(changed("wide", hidden_size=32), tmp_path / "x"), "the table of embeddings is"),
        (lambda: point(changed("heads", num_key_value_heads=3), tmp_path / "x"), "cannot share 3 keys"),
        (lambda: point(pieces("odd", normalizer={"type": "Odd"}), tmp_path / "x"), "cannot read the vocabulary"),
        (lambda: point(pieces("flat", model={"type": "BPE"}), tmp_path / "x"), "cannot read the vocabulary"),
        (lambda: point(facts("a.gguf", general__architecture="mamba"), tmp_path / "x"), "holds 'mamba'"),
        (lambda: point(facts("b.gguf", tokenizer__ggml__pre="tekken"), tmp_path / "x"), "splits words by 'tekken'"),
        (lambda: point(facts("c.gguf", tokenizer__ggml__model="rwkv"), tmp_path / "x"), "pieces of 'rwkv'"),
        (lambda: point(facts("d.gguf", qwen3__block_count="x"), tmp_path / "x"), "is 'x', not a number"),
    ]
    for request, right in requests:
        with pytest.raises(RequestError, match=right) as refused:
            request()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "x").exists()
    missing = changed("deep", num_hidden_layers=9)
    with pytest.raises(RequestError, match="no tensor model.layers.7"):
        opened(point(missing, tmp_path / "deeper", layer=-1)).encode(["a"])


def test_without_the_package_its_extra_is_named(qwen, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(RequestError, match=r"the package tokenizers is needed; install it: .*reelm\[llm\]"):
        point(qwen, tmp_path / "t")


@pytest.mark.slow
def test_a_language_model_is_named_in_the_folder_of_a_model(tiny_model, qwen, tmp_path, capsys):
    encoder = opened(point(qwen, tmp_path / "t"), 20)
    reader(tiny_model, encoder).save(tmp_path / "m")
    assert not (tmp_path / "m" / "text.model").exists()
    about = reelm.load(str(tmp_path / "m")).info()["text"]
    assert about["kind"] == "language-model" and about["width"] == 24 and about["hash"] == encoder.hash
    line = ["generate", "红色", "-o", str(tmp_path / "a.webp"), "--model", str(tmp_path / "m"), "--num-frames", "1"]
    assert main(line) == 2
    assert "a language model of width 24 that it does not carry" in capsys.readouterr().err
    other = point(qwen, tmp_path / "other", layer=-1)
    assert main([*line, "--text-encoder", str(other)]) == 2
    assert "another text encoder (hash" in capsys.readouterr().err.splitlines()[-1]
    assert main([*line, "--text-encoder", str(tmp_path / "t")]) == 0
    assert main(["info", str(tmp_path / "t")]) == 0
    assert "layer: -3" in capsys.readouterr().out
