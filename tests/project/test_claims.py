"""The claims: every figure of the documents is measured by a command, is the one that came out, and may not decay."""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from reelm.cli.parse import parse
from reelm.sampling.model import Model

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

claims, bounds, digests, documents, evaluations, passages, record, table = (
    importlib.import_module(name)
    for name in (
        "claims",
        *(f"ledger.{part}" for part in "bounds digest documents evaluations passages record table".split()),
    )
)
RESULTS = "docs/results.md"
# Prose of all other pages holds no figure of quality; benchmarks.md holds those of speed.
OTHERS = sorted({p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")} - {*passages.PASSAGES})


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return record.read()


@pytest.mark.parametrize("document", passages.PASSAGES)
def test_every_figure_of_a_document_is_a_claim_and_as_measured(document, kept):
    assert not documents.faults(document, (ROOT / document).read_text(), kept)


def test_every_page_with_figures_of_quality_is_held():
    assert {"README.md", RESULTS, "docs/zh/README.md"} < {*passages.PASSAGES}
    assert {p.relative_to(ROOT).as_posix() for p in (ROOT / "docs/models").glob("*.md")} < {*passages.PASSAGES}
    assert {p.relative_to(ROOT).as_posix() for p in ROOT.glob("src/reelm/weights/*/README.md")} < {*passages.PASSAGES}
    for page in set(OTHERS) - {"docs/benchmarks.md"}:
        assert not re.search(r"\d\s?(%|dB)", (ROOT / page).read_text()), page


def test_every_claim_is_stated_and_every_statement_has_its_claim():
    assert documents.claimed().keys() == table.CLAIMS.keys() and len(table.CLAIMS) >= 40
    assert {claim.evaluation for claim in table.CLAIMS.values()} == evaluations.EVALUATIONS.keys()
    for lines in passages.PASSAGES.values():
        assert not re.search(r"\d\s?(%|dB)", lines), "a figure stands in a passage instead of a claim"


def test_every_exception_still_has_its_place():
    for document, heading in passages.NO_CLAIMS:
        assert re.search(rf"^#+ {re.escape(heading)}$", (ROOT / document).read_text(), re.MULTILINE)
    for document, parts in passages.NO_CLAIM_LINES.items():
        assert all(part in (ROOT / document).read_text() for part in parts)


def test_every_evaluation_is_a_command(kept, tmp_path):
    for name, evaluation in evaluations.EVALUATIONS.items():
        assert parse([*evaluation.arguments(evaluation.clips, tmp_path), "--json"])
        assert evaluation.fast <= 24
        if name in kept:
            assert kept[name]["command"] == f"reelm {evaluation.command} --clips {evaluation.clips}"
            names = {f"{name}/{path}" for path in kept[name]["claims"]}
            assert names <= table.CLAIMS.keys()


@pytest.mark.parametrize(
    ("stood", "stands", "fault"),
    [
        ("SSIM | ", "SSIM | 0.9", "stands as"),
        ("## natural", "| bright clips | 88.5% |\n\n## natural", "no claim"),
        ("## natural", "Nearly all, 88.5%, are right.\n\n## natural", "no claim"),
        ("same colour", "right colour", "has 0 passages"),
    ],
)
def test_a_document_that_says_something_else_is_refused(stood, stands, fault, kept):
    text = (ROOT / RESULTS).read_text()
    changed = re.sub(r"SSIM \| [\d.]+", "SSIM | 0.123", text) if "SSIM" in stood else text.replace(stood, stands)
    found = documents.faults(RESULTS, changed, kept)
    assert len(found) >= 1 and any(fault in each for each in found)


def test_figures_are_written_where_they_stand(kept):
    changed = json.loads(json.dumps(kept))
    changed["sound"]["claims"]["two/all_right"] = {"value": 0.635, "n": 200, "interval": [0.566, 0.699]}
    del changed["pictures"]["claims"]["psnr"]
    for document in passages.PASSAGES:
        text = (ROOT / document).read_text()
        after = documents.rewritten(document, text, changed)
        assert not documents.faults(document, after, changed)
        assert documents.rewritten(document, after, kept) == text
    assert "two digits, both right | 63.5% [56.6, 69.9]" in documents.rewritten(
        "README.md", (ROOT / "README.md").read_text(), changed
    )


def outcome(name: str, value: float, n: int) -> Any:
    return bounds.Outcome(value, n, None)


def test_a_few_clips_fail_only_what_is_improbable():
    claim = table.CLAIMS["audio-to-video-of-8/digit"]
    assert "is 0.100 of 24" in bounds.broken(claim, outcome(claim.name, 0.1, 24), fast=True)
    assert bounds.broken(claim, outcome(claim.name, 13 / 24, 24), fast=True)
    assert not bounds.broken(claim, outcome(claim.name, 14 / 24, 24), fast=True)
    assert bounds.broken(claim, outcome(claim.name, 14 / 24, 24), fast=False)
    black = table.CLAIMS["audio-to-video/black"]
    assert bounds.broken(black, outcome(black.name, 20 / 24, 24), fast=True)
    assert not bounds.broken(black, outcome(black.name, 3 / 24, 24), fast=True)
    psnr = table.CLAIMS["pictures/psnr"]
    assert bounds.broken(psnr, outcome(psnr.name, 24.0, 24), fast=True)
    assert not bounds.broken(psnr, outcome(psnr.name, 25.5, 24), fast=True)
    assert bounds.broken(psnr, outcome(psnr.name, 25.5, 200), fast=False)
    # Nothing that can be counted says nothing to a fast run, and what is not a number never holds.
    silence = table.CLAIMS["tracks/silence"]
    none = bounds.outcome(silence, {"clips": 3, "silence": None})
    assert not bounds.broken(silence, none, fast=True) and bounds.broken(silence, none, fast=False)
    ticks = table.CLAIMS["audio-to-video/ticks"]
    assert not bounds.broken(ticks, outcome(ticks.name, 0.0, 0), fast=True)
    assert bounds.broken(psnr, outcome(psnr.name, float("nan"), 24), fast=True)


SHOWN = {"clips": 24, "described": 1.0, "digit": 1.0, "black": 0.0, "bounces": 40, "ticks": 0.5}
BLACK = SHOWN | {"digit": 0.1, "black": 1.0}


@pytest.fixture
def ran(monkeypatch) -> list[tuple[str, int]]:
    """Clips of each evaluation that is run; audio-to-video gives `SHOWN`."""
    asked: list[tuple[str, int]] = []

    def measure(evaluation: Any, clips: int, footage: Any) -> dict[str, Any]:
        asked.append((evaluation.command, clips))
        return dict(SHOWN)

    monkeypatch.setattr(claims, "measure", measure)
    return asked


def test_a_run_records_what_held_and_does_not_run_again(ran, tmp_path, monkeypatch, capsys):
    kept = str(tmp_path / "claims.json")
    command = ["--record", kept, "--only", "audio-to-video"]
    assert claims.main(command) == 0
    (row,) = json.loads(Path(kept).read_text()).values()
    assert row["held_at"] == row["measured_at"] == digests.digest("demo")
    assert row["claims"]["digit"]["value"] == 1 and row["claims"]["ticks"]["n"] == 40 and row["digits"]
    assert claims.main([*command, "--fast", "--if-changed"]) == 0 and len(ran) == 1
    monkeypatch.setattr(claims, "digest", lambda model: "other")
    monkeypatch.setattr(claims, "measure", lambda *asked: dict(BLACK))
    assert claims.main([*command, "--fast", "--if-changed"]) == 1
    assert "audio-to-video/digit is 0.100 of 24" in capsys.readouterr().out
    assert json.loads(Path(kept).read_text())["audio-to-video"] == row  # neither its values nor what held
    monkeypatch.setattr(claims, "measure", lambda *asked: dict(SHOWN))
    assert claims.main([*command, "--fast", "--if-changed"]) == 0
    assert json.loads(Path(kept).read_text())["audio-to-video"] == row | {"held_at": "other"}


def test_what_is_not_here_is_left_out_of_a_fast_run_alone(ran, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REELM_HOME", str(tmp_path))
    monkeypatch.delenv("FOOTAGE", raising=False)
    command = ["--record", str(tmp_path / "claims.json"), "--only", "films", "emoji/trained/emoji"]
    assert claims.main([*command, "--fast"]) == 0
    said = capsys.readouterr().out
    assert "films: left out: --footage" in said and "emoji: left out" in said and not ran
    assert claims.main(command) == 1 and not ran


def test_another_byte_of_a_source_is_another_digest(tmp_path):
    for room in digests.SOURCES:
        (tmp_path / room).mkdir()
    weights = tmp_path / "src/reelm/weights/demo"
    weights.mkdir(parents=True)
    seen = set()
    for path in (tmp_path / "lm/net.py", tmp_path / "evaluation/judge.safetensors", weights / "model.json"):
        path.write_text("a")
        seen.add(digests.digest.__wrapped__("demo", tmp_path))
        path.write_text("b")
        seen.add(digests.digest.__wrapped__("demo", tmp_path))
    assert len(seen) == 6
    (weights / "README.md").write_text("a card")
    assert digests.digest.__wrapped__("demo", tmp_path) in seen


@pytest.mark.long
@pytest.mark.slow
def test_decoding_that_draws_black_clips_fails_the_fast_run(tmp_path, capsys, monkeypatch):
    # What is likeliest at first is black: who draws nothing else never sees a digit.
    drawn = Model.generate
    monkeypatch.setattr(Model, "generate", lambda *arguments, **asked: drawn(*arguments, **asked, temperature=0.0))
    command = ["--record", str(tmp_path / "claims.json"), "--fast", "--only", "audio-to-video"]
    assert claims.main(command) == 1
    said = capsys.readouterr().out
    assert "audio-to-video/digit is" in said and "audio-to-video/black is" in said
