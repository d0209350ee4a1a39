"""The claims: every figure of the documents' tables is the one that a command printed, and may not decay."""

import copy
import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reelm.cli.parse import parse
from reelm.errors import RequestError
from reelm.sampling.folder import shipped
from reelm.sampling.model import Model

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
claims = importlib.import_module("claims")

RECORD: dict[str, dict[str, Any]] = json.loads(claims.RECORD.read_text())
DOCUMENTS = [*claims.documents()]
FIELDS = [claims.field(match) for text in claims.tables().values() for match in claims._FIELD.finditer(text)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_shows_the_figures_of_the_record(path):
    assert path.read_text() == claims.written(path.read_text(), RECORD), "run benchmarks/claims.py --write"


def test_every_table_has_one_place_and_every_figure_a_command():
    shown = [name for path in DOCUMENTS for _, name, _ in claims._PLACE.findall(path.read_text())]
    assert sorted(shown) == sorted(claims.tables())
    assert all("{" not in claims._FIELD.sub("", text) for text in claims.tables().values())
    assert {each.figure.partition("/")[0] for each in FIELDS} == RECORD.keys()
    assert {"README.md", "results.md"} < {path.name for path in DOCUMENTS}


@pytest.mark.parametrize("name", RECORD)
def test_every_row_is_a_command_whose_figures_are_shown(name):
    assert parse([*RECORD[name]["command"].split()[1:], "--json"]) and RECORD[name]["model"] in shipped.names()
    assert {f"{name}/{path}" for path in RECORD[name]["figures"]} <= {each.figure for each in FIELDS}


@pytest.mark.parametrize("page", ["README.md", "docs/zh/README.md", "docs/results.md"])
def test_figures_of_quality_stand_in_tables(page):
    text = re.sub(r"```.*?```", "", claims._PLACE.sub("", (ROOT / page).read_text()), flags=re.DOTALL)
    assert not re.search(r"\d\s?(%|dB)", text.replace("95% interval", ""))


def test_another_record_makes_another_document():
    record = copy.deepcopy(RECORD)
    record["sound"]["figures"]["two/all_right"] = [0.635, 200]
    del record["films"]["figures"]["all/psnr"]
    text = (ROOT / "README.md").read_text()
    after = claims.written(text, record)
    assert "two digits, both right | 63.5% [56.6, 69.9] |" in after and "not measured dB | H.264" in after
    assert claims.written(after, RECORD) == text


def test_figures_are_found_in_what_a_command_prints():
    row = {"value": 0.5, "n": 40}
    result = {"clips": 8, "tokenizer": {"tiles": row, "kinds": row, "psnr": row}, "one step": {}, "clips_of": 3}
    for step in ("tiles", "moved", "blocked", "turned", "do tree", "do stone", "do water"):
        result["one step"][step] = row
    result["delta psnr"] = {f"step {step}": row for step in (1, 5, 10, 20)}
    result["textures"] = {f"step {step}": row for step in (1, 10, 100, 1000)}
    found = claims.figures("world", result)
    assert found["one step/moved/value"] == [0.5, 40] and found["delta psnr/step 5/value"] == 0.5
    assert found.keys() == RECORD["world"]["figures"].keys()
    assert claims.figures("likelihood", {"still": None, "still_nats": 0.1}) == {"still": None, "still_nats": 0.1}


def test_a_few_clips_fail_only_what_is_improbable():
    claimed = [0.88, 200]
    assert claims.improbable(claimed, [0.1, 24]) and claims.improbable(claimed, [11 / 24, 24])
    assert not claims.improbable(claimed, [17 / 24, 24]) and not claims.improbable(claimed, [1.0, 24])
    assert claims.improbable([0.1, 200], [0.9, 24])  # what became better is to be said, too
    assert not claims.improbable(claimed, [0.0, 0]) and not claims.improbable(claimed, None)
    assert not claims.improbable(25.5, 3.0)  # a mean is only recorded


@pytest.fixture
def measured(monkeypatch, tmp_path) -> dict[str, Any]:
    """What the one evaluation of a record prints; the commands that ran are under "ran"."""
    prints: dict[str, Any] = {"clips": 24, "still": 0.8, "still_nats": 0.1, "ran": []}

    def measure(command: str, footage: Path | None) -> dict[str, Any]:
        prints["ran"].append(command)
        return prints

    row = {"model": "demo", "command": "reelm evaluate generation --clips 200", "held_at": "old"}
    (tmp_path / "claims.json").write_text(json.dumps({"likelihood": row | {"figures": {"still": [0.8, 200]}}}))
    monkeypatch.setattr(claims, "RECORD", tmp_path / "claims.json")
    monkeypatch.setattr(claims, "documents", lambda: [])
    monkeypatch.setattr(claims, "measure", measure)
    monkeypatch.setattr(claims, "digest", lambda model: "new")
    return prints


def row() -> dict[str, Any]:
    return json.loads(claims.RECORD.read_text())["likelihood"]


def test_what_held_is_not_run_again(measured, monkeypatch):
    monkeypatch.setattr(claims, "figures", lambda name, result: {"still": [result["still"], 24]})
    before, measured["still"] = row(), 0.1
    assert claims.main(["--fast", "--if-changed"]) == 1
    assert row() == before  # neither its figures nor with which model they held
    measured["still"] = 0.7
    assert claims.main(["--fast", "--if-changed"]) == 0
    assert row() == before | {"held_at": "new"}
    assert claims.main(["--fast", "--if-changed"]) == 0
    assert measured["ran"] == ["reelm evaluate generation --clips 24"] * 2
    assert claims.main([]) == 0
    assert row()["figures"] == {"still": [0.7, 24]} and measured["ran"][-1].endswith("--clips 200")


def test_what_is_not_here_is_left_out_of_a_fast_run_alone(measured, monkeypatch, capsys):
    def measure(command: str, footage: Path | None) -> dict[str, Any]:
        raise RequestError("fetch it")

    monkeypatch.setattr(claims, "measure", measure)
    before = row()
    assert claims.main(["--fast"]) == 0 and claims.main([]) == 1
    assert "likelihood: left out: fetch it" in capsys.readouterr().out and row() == before


def test_other_weights_and_other_draws_are_another_digest(tiny_model, tmp_path, monkeypatch):
    short = replace(tiny_model, defaults=replace(tiny_model.defaults, num_frames=1))
    monkeypatch.setattr(claims.shipped, "folder", lambda name: tmp_path)
    seen = set()
    for model, weights in ((tiny_model, "a"), (tiny_model, "b"), (short, "b")):
        monkeypatch.setattr(claims.reelm, "load", lambda name, model=model: model)
        (tmp_path / "lm.safetensors").write_text(weights)
        seen.add(claims.digest.__wrapped__("tiny"))
    (tmp_path / "README.md").write_text("a card")
    assert len(seen) == 3 and claims.digest.__wrapped__("tiny") in seen


@pytest.mark.long
@pytest.mark.slow
def test_decoding_that_draws_black_clips_fails_the_fast_run(tmp_path, capsys, monkeypatch):
    # What is likeliest at first is black: who draws nothing else never sees a digit.
    drawn = Model.generate
    monkeypatch.setattr(Model, "generate", lambda *arguments, **asked: drawn(*arguments, **asked, temperature=0.0))
    (tmp_path / "claims.json").write_text(claims.RECORD.read_text())
    monkeypatch.setattr(claims, "RECORD", tmp_path / "claims.json")
    monkeypatch.setattr(claims, "documents", lambda: [])
    assert claims.main(["--fast", "--only", "audio-to-video"]) == 1
    assert "digit is" in capsys.readouterr().out
