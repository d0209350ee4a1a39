"""Models that are shared: the card beside the weights, and loading by an id of the Hugging Face hub."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.sampling.folder import shipped
from reelm.sampling.folder.card import card

RECORD = {
    "lm": {"config": {"batch_size": 8}, "steps": 30, "last_metrics": {"step": 30, "seconds": 7200.0, "loss": 1.25}}
}
TITLES = ("Intended use", "Limits", "Data and licence", "Evaluation", "Training")
# Stands where the real package would, and gives what is in a folder as it gives what it fetched.
STAND_IN = """
import pathlib
def snapshot_download(repo_id, revision, allow_patterns):
    folder = pathlib.Path(__file__).parent / ("repositories" if revision is None else revision) / repo_id
    if not folder.is_dir():
        raise OSError(f"404: no repository\\n{repo_id}")
    assert {"*.json", "*.safetensors", "*.model"} <= set(allow_patterns)
    return str(folder)
"""


@pytest.fixture
def hub(tmp_path: Path, tiny_model, monkeypatch) -> Iterator[Path]:
    (tmp_path / "huggingface_hub.py").write_text(STAND_IN)
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    tiny_model.save(tmp_path / "repositories" / "someone" / "tiny")
    yield tmp_path
    sys.modules.pop("huggingface_hub", None)


def test_a_card_tells_how_the_model_was_trained(tiny_model, tmp_path):
    dataclasses.replace(tiny_model, record=RECORD).save(tmp_path / "mine")
    page = (tmp_path / "mine" / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: reelm\n") and "\n# mine\n" in page
    assert "30 steps, 2.00 hours" in page and "| loss | 1.25 |" in page
    assert json.loads(page.split("```json")[-1].split("```")[0]) == {"batch_size": 8}
    assert tiny_model.video_tokenizer.hash in page
    reelm.load(str(tmp_path / "mine"))


def test_a_card_says_what_a_model_is_for_on_what_it_was_trained_and_how_good_it_is(tiny_model):
    on_mine = {"video_tokenizer": {"config": {"data": {"dataset": "mine"}}}}
    about = dataclasses.replace(tiny_model, record=RECORD | on_mine)
    page = card(about.info(), {"PSNR (`reelm evaluate reconstruction`)": "26.0 dB"})
    places = [page.index(f"\n## {title}\n") for title in TITLES]
    assert places == sorted(places)
    assert "| mine | state it before you share the model |" in page and "| 26.0 dB |" in page
    assert "reelm evaluate generation" in card(about.info())


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_model_has_its_card(name):
    page = (shipped.folder(name) / "README.md").read_text()
    assert all(f"\n## {title}\n" in page for title in TITLES) and "Not measured" not in page
    assert reelm.load(name).video_tokenizer.hash in page


def test_a_model_is_loaded_by_its_id(hub, tiny_model):
    model = reelm.load("someone/tiny")
    assert model.name == "someone/tiny"
    codes = np.zeros((1, 2, 2, 2), np.int32)
    np.testing.assert_array_equal(model.video_tokenizer.decode(codes), tiny_model.video_tokenizer.decode(codes))


def test_a_revision_is_fetched_by_its_name(hub, tiny_model):
    tiny_model.save(hub / "v1" / "someone" / "tiny")
    assert reelm.load("someone/tiny@v1").name == "someone/tiny@v1"
    with pytest.raises(RequestError, match="404"):
        reelm.load("someone/tiny@v2")


def test_an_id_without_a_repository_is_refused_in_one_line(hub):
    with pytest.raises(RequestError, match="someone/else is not a folder .* 404: no repository someone/else"):
        reelm.load("someone/else")


def test_without_the_hub_package_its_name_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RequestError, match="no folder someone/tiny; .* `make env EXTRAS=hub`"):
        reelm.load("someone/tiny")
    assert main(["generate", "a", "-o", "a.mp4", "--model", "someone/tiny"]) == 2
    assert "pip install 'reelm[hub]'" in capsys.readouterr().err


def test_a_folder_comes_before_an_id(hub, tiny_model, monkeypatch):
    monkeypatch.chdir(hub / "repositories")
    (hub / "repositories" / "someone" / "tiny" / "model.json").unlink()
    with pytest.raises(RequestError, match="not a model folder"):
        reelm.load("someone/tiny")
