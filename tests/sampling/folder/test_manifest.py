"""model.json from elsewhere: each field and each tensor is what it must be, or the folder is refused in a line."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.strategies import changed, one_line

import reelm
from reelm.errors import RequestError
from reelm.sampling.folder import shapes, shipped
from reelm.sampling.folder.manifest import LM_FILE, MANIFEST, read_manifest
from reelm.storage.tensors import pack, unpack


@pytest.fixture(scope="module")
def saved(tiny_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny_model.save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "model")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads((folder / MANIFEST).read_text())
    change(fields)
    (folder / MANIFEST).write_text(json.dumps(fields))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("parts"), "no field 'parts'"),
        (lambda m: m.pop("record"), "no field 'record'"),
        (lambda m: m.update(defaults=None), "'defaults' is None"),
        (lambda m: m.update(files=["lm.safetensors"]), "'files' is"),
        (lambda m: m["files"].update({"/etc/hostname": "0"}), "'/etc/hostname', which no model has"),
        (lambda m: m["files"].update({"../text.model": "0"}), "'../text.model', which no model has"),
        (lambda m: m["files"].pop("lm.safetensors"), "does not name the file lm.safetensors"),
        (lambda m: m["parts"]["lm"].pop("config"), "no field 'parts.lm.config'"),
        (lambda m: m["parts"]["lm"].update(tasks="t2v"), "'parts.lm.tasks' is 't2v'; it must be a list"),
        (lambda m: m["parts"]["lm"].update(tasks=["sings"]), "must be one of t2v"),
        (lambda m: m["parts"]["lm"]["config"].update(heads="2"), "'parts.lm.config.heads' is '2'"),
        (lambda m: m["parts"]["lm"]["config"].update(kv_heads=0), "parts.lm.config that cannot be used"),
        (lambda m: m["parts"]["lm"]["config"].update(frames=0), "frames is 0"),
        (lambda m: m["parts"]["lm"]["config"].update(prefix=0), "prefix is "),
        (lambda m: m["parts"]["lm"]["config"].update(rope_base=0), "rope_base is 0"),
        (lambda m: m["parts"]["describer"]["config"]["usual"].__setitem__(0, -7), "usual shares lie in 0 to 1"),
        (lambda m: m["parts"]["lm"]["config"].update(later=1), "'parts.lm.config.later', which this version"),
        (lambda m: m["parts"]["video_tokenizer"].update(hash=3), "'parts.video_tokenizer.hash' is 3"),
        (lambda m: m["defaults"].update(fps=0), "fps is 0; it must be 0.01 or more"),
        (lambda m: m["defaults"].update(cfg_scale=float("nan")), "'defaults.cfg_scale' is nan"),
        (lambda m: m["defaults"].update(height=17), "nearest valid"),
        (lambda m: m["defaults"].update(lookahead=0), "lookahead is 0"),
        (lambda m: m["parts"]["describer"]["config"].update(bits=9), "the describer knows codes of 9 bits"),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_named(folder, monkeypatch, change, words):
    monkeypatch.setattr("reelm.sampling.folder.read.check_shapes", lambda *_: None)  # tried below
    edit(folder, change)
    with pytest.raises(RequestError, match=words) as refused:
        reelm.load(str(folder))
    assert "\n" not in str(refused.value)


def tensors(folder: Path, name: str, change: Callable[[dict], object]) -> None:
    """Change the tensors of a file, and the digest that says they are right."""
    params = unpack((folder / name).read_bytes(), name)
    change(params)
    data = pack(params, "float32")
    (folder / name).write_bytes(data)
    edit(folder, lambda m: m["files"].update({name: hashlib.sha256(data).hexdigest()}))


def narrow(params: dict) -> None:
    params["encoder"] = {name: _cut(leaf) for name, leaf in params["encoder"].items()}


def _cut(leaf: Any) -> Any:
    return {name: _cut(each) for name, each in leaf.items()} if isinstance(leaf, dict) else leaf[..., :1]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("video_tokenizer.safetensors", narrow, r"the tensor encoder/.* is \[.*1\], the configuration asks for"),
        ("video_tokenizer.safetensors", lambda p: p.pop("decoder"), "the tensor decoder/.* is absent"),
        ("describer.safetensors", lambda p: p.update(more=np.ones(1)), "the tensor more is .*, .* asks for absent"),
    ],
)
def test_tensors_that_do_not_fit_their_configuration_are_refused(folder, name, change, words):
    tensors(folder, name, change)
    with pytest.raises(RequestError, match=words):
        reelm.load(str(folder))


@pytest.mark.parametrize(
    ("part", "field", "value", "words"),
    [
        ("video_tokenizer", "encoder_blocks", 1000, "encoder_blocks of 1000, more than the file has tensors"),
        ("video_tokenizer", "encoder_channels", [10**12], "between 1 and 4194304"),
        ("lm", "width", 33, "tensor"),
        ("lm", "head_width", -2, "describes no net|cannot be used"),
    ],
)
def test_a_configuration_of_another_net_is_refused(folder, part, field, value, words):
    edit(folder, lambda m: m["parts"][part]["config"].update({field: value}))
    with pytest.raises(RequestError, match=words):
        reelm.load(str(folder))


def test_numbers_that_are_none_are_refused(folder):
    tensors(folder, "describer.safetensors", lambda p: p.update(more=np.full(1, np.nan)))
    with pytest.raises(RequestError, match="describer.safetensors .*more holds NaN"):
        reelm.load(str(folder))


# The last has a piece of invalid UTF-8 twice, which SentencePiece quotes when it complains.
@pytest.mark.parametrize("data", [b"words", b"", 2 * b"\x0a\x04\x0a\x02\xde\xde"])
def test_a_vocabulary_that_is_none_is_refused(folder, data):
    (folder / "text.model").write_bytes(data)
    edit(folder, lambda m: m["files"].update({"text.model": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(RequestError, match="text.model is not a vocabulary"):
        reelm.load(str(folder))


def test_a_folder_that_was_found_right_is_not_asked_again(folder, monkeypatch):
    edit(folder, lambda m: m["record"].update(steps=2))
    reelm.load(str(folder))
    monkeypatch.setattr(shapes, "_check", lambda *_: pytest.fail("it was asked again"))
    reelm.load(str(folder))


@pytest.mark.long
@pytest.mark.parametrize("name", shipped.names())
def test_the_tensors_of_shipped_models_fit_their_configurations(name):
    folder = shipped.folder(name)
    manifest = read_manifest(folder)
    files = {name: (folder / name).read_bytes() for name in manifest.files if name.endswith(".safetensors")}
    base = unpack(files[LM_FILE], LM_FILE) if LM_FILE in files else None
    shapes.check_shapes(folder, manifest, {name: unpack(data, name, base=base) for name, data in files.items()})
    written = json.loads((folder / MANIFEST).read_text())
    assert json.loads(json.dumps(asdict(manifest.defaults))) == written["defaults"]


@given(data=st.data())
@settings(max_examples=50)
def test_whatever_a_manifest_says_it_is_read_or_refused_in_a_line(saved, tmp_path_factory, data):
    folder = shutil.copytree(saved, tmp_path_factory.mktemp("any") / "model")
    fields = data.draw(changed(json.loads((folder / MANIFEST).read_text())))
    (folder / MANIFEST).write_text(json.dumps(fields))
    try:
        reelm.load(folder).info()
    except RequestError as error:
        one_line(error)
