"""Decoder-only language models as writers: what they write, and which prompts a model reads then."""

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made import tower_files, towers
from safetensors.numpy import load_file, save_file

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.tokenizer.text.tower import source, tokenizer_json
from reelm.tokenizer.text.tower.greedy import go_on
from reelm.tokenizer.text.tower.net import every_state
from reelm.tokenizer.text.tower.point import point
from reelm.tokenizer.text.tower.weights import read_params, read_table
from reelm.tokenizer.text.tower.writer import Writer


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tower_files.folder(tmp_path_factory.mktemp("writers") / "gemma", "gemma3")


@pytest.mark.parametrize("family", towers.CONFIGS)
def test_each_token_is_the_likeliest_behind_those_before_it(family, tmp_path):
    """One by one with a cache, and longer than the window, as a pass over all of them has it."""
    found = source.opened(tower_files.folder(tmp_path / family, family))
    config = found.config
    params = read_params(config, found.tensors, found.names, config.layers)
    rows, logits = read_table(config, found.tensors, found.names)
    table = rows[:40], logits[:40]  # behind these all rows come again, and are as likely
    begun = towers.IDS[family][:9].tolist()
    ids = jnp.asarray([*begun, *[0] * 23], jnp.int32)
    made, count = go_on(config, params, table, ids, jnp.int32(9), jnp.zeros(len(table[0]), bool))
    assert int(count) == 32 and made[:9].tolist() == begun
    last = jax.jit(partial(every_state, config))(params, table[0][made][None])[-1, 0]
    np.testing.assert_array_equal(made[9:], jnp.argmax(last @ table[1].T, axis=-1)[8:-1])
    # A token that ends the text is the last one.
    ends = jnp.zeros(len(table[0]), bool).at[made[12]].set(True)
    stopped, count = go_on(config, params, table, ids, jnp.int32(9), ends)
    place = made[9:].tolist().index(int(made[12])) + 9
    assert int(count) == place + 1
    np.testing.assert_array_equal(stopped[: place + 1], made[: place + 1])


@pytest.mark.parametrize("kind", towers.pieces())
def test_ids_are_turned_back_into_their_text(kind):
    vocabulary = tokenizer_json.of_json(towers.pieces()[kind]["tokenizer"], "tokenizer.json")
    for text in ("a red seven moves  right", "红色的七向右移动", "naïve café: 🦆", "a\nb"):
        assert vocabulary.decode(vocabulary.encode(text)).removeprefix(" " * vocabulary.leading_space) == text
    control = [*vocabulary.begin, *vocabulary.control.values()]
    assert vocabulary.decode([*control, *vocabulary.encode("a")]).strip() == "a"


def test_a_matrix_for_the_logits_alone_is_read_where_there_is_one(gemma, tmp_path):
    other = tower_files.folder(tmp_path / "untied", "gemma3")
    tensors = load_file(other / "model.safetensors")
    table = tensors["model.embed_tokens.weight"]
    save_file(tensors | {"lm_head.weight": table[::-1].copy()}, other / "model.safetensors")
    found = source.opened(other)
    rows, logits = read_table(found.config, found.tensors, found.names)
    np.testing.assert_array_equal(rows, table)
    np.testing.assert_array_equal(logits, table[::-1])
    save_file(tensors | {"lm_head.weight": table[1:].copy()}, other / "model.safetensors")
    found = source.opened(other)
    with pytest.raises(RequestError, match=r"lm_head.weight is \[449, 24\]; the table of embeddings is \[450, 24\]"):
        read_table(found.config, found.tensors, found.names)


def test_a_prompt_stands_in_the_template_of_its_folder(gemma, tmp_path):
    plain = Writer(gemma)
    assert plain.template.count("{}") == 1 and plain.hash != Writer(point(gemma, tmp_path / "a", template="a {}")).hash
    writer = Writer(point(gemma, tmp_path / "b", layer=-1, template="a dog = {} ="))
    line = writer.write("a plane")
    assert line == Writer(tmp_path / "b").write("a plane") != Writer(tmp_path / "a").write("a plane")
    assert line.isprintable() and line == line.strip()
    assert Writer(point(gemma, tmp_path / "d")).template == plain.template


def test_what_a_writer_cannot_do_is_said_in_a_line(gemma, tmp_path, capsys):
    pointed = point(gemma, tmp_path / "pointed", template="{} =")
    with pytest.raises(RequestError, match=r"take \d+ tokens; this language model reads 448"):
        Writer(pointed).write("0123456789" * 60)
    copied = tower_files.folder(tmp_path / "copied", "gemma3")
    other = point(copied, tmp_path / "other", template="{} =")
    (copied / "config.json").write_text((copied / "config.json").read_text() + " ")
    with pytest.raises(RequestError, match="config.json is another file than .* names"):
        Writer(other).write("a dog")
    line = ["generate", "a dog", "-o", str(tmp_path / "a.webp"), "--enhance", str(tmp_path / "absent")]
    assert main(line) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


class Says(Writer):
    """A writer of known lines: what a random net writes says nothing."""

    def __init__(self, lines: dict[str, str]):
        self._lines, self.hash = lines, "0" * 64

    def write(self, prompt: str) -> str:
        return self._lines[prompt]


def test_a_model_reads_what_is_written_unless_it_does_not_fit(tiny_model, gemma, tmp_path):
    long = "a red seven moves right " * 20
    model = replace(tiny_model, writer=Says({"七": "a red seven", "long": long, "": "", "nothing": ""}))
    assert [model.read_as(words) for words in ("七", "long", "", "nothing")] == ["a red seven", "long", "", "nothing"]
    made = model.generate("七", negative_prompt="a red eight", num_frames=5, cfg_scale=2.0)
    plain = tiny_model.generate("a red seven", negative_prompt="a red eight", num_frames=5, cfg_scale=2.0)
    np.testing.assert_array_equal(made.video, plain.video)
    assert made.info["prompt"] == "七" and made.info["read_as"] == "a red seven" and made.info["writer"] == "0" * 64
    tiny_model.save(tmp_path / "m")
    writer = reelm.load(str(tmp_path / "m"), enhance=gemma).writer
    assert writer is not None and writer.hash == Writer(gemma).hash
    assert reelm.load(str(tmp_path / "m")).writer is None


@pytest.mark.slow
def test_a_clip_says_what_was_written_and_is_made_again_for_another_writer(tiny_model, gemma, tmp_path, capsys):
    tiny_model.save(tmp_path / "m")
    writer = point(gemma, tmp_path / "w", template="{} =")
    line = ["generate", "a dog", "-o", str(tmp_path / "a.webp"), "--model", str(tmp_path / "m"), "--num-frames", "1"]
    assert main([*line, "--enhance", str(writer)]) == 0
    shown = capsys.readouterr().err
    info = reelm.Clip.open(tmp_path / "a.webp").info
    assert info["prompt"] == "a dog" and (info["read_as"] == "a dog" or f'is read as "{info["read_as"]}"' in shown)
    assert main([*line, "--enhance", str(writer), "--resume"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*line, "--resume"]) == 0
    assert "a.webp" in capsys.readouterr().out and "writer" not in reelm.Clip.open(tmp_path / "a.webp").info


@pytest.mark.long
@pytest.mark.parametrize("name", towers.GREEDY)
def test_real_models_go_on_as_in_transformers(name):
    if "TOWERS" not in os.environ:
        pytest.skip("TOWERS names no folder with the GGUF files of `towers.GREEDY`")
    found = source.opened(Path(os.environ["TOWERS"]) / name)
    params = read_params(found.config, found.tensors, found.names, found.config.layers)
    table = read_table(found.config, found.tensors, found.names)
    for prompt, expected in zip(towers.BEGUN, towers.greedy(name), strict=True):
        ids, new = expected["ids"], expected["new"]
        assert [*found.vocabulary.begin, *found.vocabulary.encode(prompt)] == ids, prompt
        started = time.monotonic()
        begun = jnp.asarray([*ids, *[0] * (64 - len(ids))], jnp.int32)
        made, _ = go_on(found.config, params, table, begun, jnp.int32(len(ids)), jnp.zeros(len(table[0]), bool))
        assert made[len(ids) :][: len(new)].tolist() == new, prompt
        print(f"{prompt}: {time.monotonic() - started:.2f} s")
