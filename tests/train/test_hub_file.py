"""Tests of fetching files of weights from the Hugging Face hub: revisions and sha256."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made import vidtok_reference as reference

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.storage.digests import sha256_of
from reelm.train.conversion import hub_file

PLACE = "someone/nets/weights/tiny.ckpt"
PINNED = "microsoft/VidTok/checkpoints/vidtok_fsq_causal_488_262144.ckpt"
# Stands where the real package would, and gives what is in a folder as it gives what it fetched.
STAND_IN = """
import pathlib, types
def hf_hub_download(repo_id, filename, revision):
    file = pathlib.Path(__file__).parent / (revision or "main") / repo_id / filename
    if not file.is_file():
        raise OSError(f"404: no file\\n{filename} of {revision}")
    return str(file)
def hf_hub_url(repo_id, filename, revision):
    return (repo_id, filename, revision)
def get_hf_file_metadata(url):
    return types.SimpleNamespace(etag=pathlib.Path(hf_hub_download(*url)).with_suffix(".sha256").read_text())
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    (tmp_path / "huggingface_hub.py").write_text(STAND_IN)
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "main", PLACE)
    yield tmp_path
    sys.modules.pop("huggingface_hub", None)


def put(hub: Path, revision: str, place: str) -> Path:
    """Put the tiny checkpoint on a fake hub, with the sha256 that the hub lists for it."""
    file = hub / revision / place
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(reference.CHECKPOINT, file)
    file.with_suffix(".sha256").write_text(sha256_of(file))
    return file


def test_a_file_is_converted_by_its_place(hub):
    assert main(["convert", PLACE, "-o", "tiny"]) == 0
    assert reelm.load("tiny").info()["record"]["video_tokenizer"]["sha256"] == sha256_of(reference.CHECKPOINT)


def test_a_revision_is_fetched_by_its_name(hub):
    file = put(hub, "v1", PLACE)
    assert hub_file.fetch(f"{PLACE}@v1") == file
    with pytest.raises(RequestError, match="cannot be fetched from the Hugging Face hub: 404: no file .* of v2"):
        hub_file.fetch(f"{PLACE}@v2")


def test_a_file_that_is_not_what_the_hub_has_is_refused(hub):
    (hub / "main" / PLACE).with_suffix(".sha256").write_text("0" * 64)
    with pytest.raises(RequestError, match=f"its sha256 is {sha256_of(reference.CHECKPOINT)}, not {'0' * 64}"):
        hub_file.fetch(PLACE)


@pytest.mark.parametrize("place", hub_file._PINNED)
def test_a_known_file_is_pinned(hub, place):
    pinned = hub_file._PINNED[place]
    put(hub, "main", place)
    with pytest.raises(RequestError, match=f"{pinned.path} of {pinned.revision}; {place}@main is the newest"):
        hub_file.fetch(place)
    put(hub, pinned.revision, f"microsoft/VidTok/{pinned.path}")
    with pytest.raises(RequestError, match=f"not {pinned.sha256}; fetch it again"):
        hub_file.fetch(place)
    assert hub_file.fetch(f"{place}@main") == hub / "main" / place


def test_without_the_hub_package_its_name_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    assert main(["convert", PINNED, "-o", "vidtok"]) == 2
    assert "there is no file microsoft/VidTok" in (said := capsys.readouterr().err) and "reelm[hub]" in said


@pytest.mark.parametrize("name", ["tiny.ckpt", "/tmp/nets/tiny.ckpt", "../nets/x/tiny.ckpt", "a/../b/tiny.ckpt", "a/b"])
def test_a_local_path_is_not_a_hub_file(name):
    assert not hub_file.is_place(name)
