"""What a folder holds: each file once, with the words that were given for it."""

import os
from pathlib import Path

import pytest

from reelm.data.films.manifest import Source, sources
from reelm.errors import RequestError


def fill(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_captions_stand_beside_the_files(tmp_path):
    fill(tmp_path, b_mp4="", a_mp4="", a_txt="\ufeff a dog\n runs \n", deep__c_webm="", deep__c_json='{"caption": "é"}')
    assert sources(tmp_path) == [Source("a.mp4", ("a dog\n runs",)), Source("b.mp4"), Source("deep/c.webm", ("é",))]


def test_a_caption_may_be_said_in_several_ways(tmp_path):
    fill(tmp_path, a_mp4="", a_json='{"caption": ["a dog runs ", "a running dog"]}')
    assert sources(tmp_path) == [Source("a.mp4", ("a dog runs", "a running dog"))]
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.mp4", "caption": ["it runs", "it hurries"]}')
    assert sources(tmp_path) == [Source("a.mp4", ("it runs", "it hurries"))]


def test_hidden_files_are_none(tmp_path):
    fill(tmp_path, a_mp4="")
    (tmp_path / ".cache").mkdir()
    fill(tmp_path / ".cache", b_mp4="")
    (tmp_path / ".DS_Store").touch()
    assert sources(tmp_path) == [Source("a.mp4")]


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "{", "[]", '{"caption": 3}', '{"caption": []}', '{"caption": ["a", 3]}', '{"caption": "\\ud800"}'],
)
def test_a_caption_that_cannot_be_read_costs_its_file(tmp_path, text):
    a, b = sources(fill(tmp_path, a_mp4="", a_json=text, b_mp4=""))
    assert "a.json" in a.fault and "\n" not in a.fault and not b.fault


def test_a_name_that_is_no_text_costs_its_file(tmp_path):
    fill(tmp_path, b_mp4="")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).touch()
    assert [bool(source.fault) for source in sources(tmp_path)] == [False, True]


@pytest.mark.parametrize(
    "name, text",
    [
        ("metadata.csv", 'file_name,caption,more\nb.mp4,"two, words",1\nsub/a.mp4,,\ngone.mp4,x,\n'),
        (
            "metadata.jsonl",
            '{"file_name": "b.mp4", "caption": "two, words"}\n\n{"file_name": "sub/a.mp4"}\n'
            '{"file_name": "gone.mp4"}\n',
        ),
    ],
)
def test_a_manifest_names_the_files(tmp_path, name, text):
    fill(tmp_path, b_mp4="", sub__a_mp4="", other_mp4="")
    (tmp_path / name).write_text(text)
    found = {source.name: source for source in sources(tmp_path)}
    assert list(found) == ["b.mp4", "gone.mp4", "sub/a.mp4"]
    assert found["b.mp4"].captions == ("two, words",) and not found["b.mp4"].fault
    assert found["sub/a.mp4"].captions == ("",)
    assert "not there" in found["gone.mp4"].fault
    elsewhere = tmp_path / f"mine{Path(name).suffix}"
    (tmp_path / name).rename(elsewhere)
    assert {source.name: source for source in sources(tmp_path, elsewhere)} == found


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("m.csv", "path,caption\na.mp4,x\n", "file_name"),
        ("m.csv", "file_name\na.mp4\na.mp4\n", "second time"),
        ("m.jsonl", '{"file_name": "../a.mp4"}', "outside"),
        ("m.jsonl", '{"file_name": "\\ud800.mp4"}', "no name of a file"),
        ("m.jsonl", "{", "cannot be read"),
        ("m.jsonl", "[" * 200_000, "deep"),
        ("m.csv", "file_name\na\0.mp4\n", "cannot be read|no name"),
        ("m.txt", "a.mp4", "no manifest"),
        ("m.csv", "file_name\n", "holds no files"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path, name, text, words):
    fill(tmp_path, a_mp4="")
    (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=words) as refused:
        sources(tmp_path, tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_name_that_no_file_can_have_is_left_out(tmp_path):
    fill(tmp_path, a_mp4="")
    (tmp_path / "m.csv").write_text(f"file_name\na.mp4\n{'x' * 300}.mp4\n")
    assert [source.fault for source in sources(tmp_path, tmp_path / "m.csv")] == [
        "",
        "the manifest names it and it is not there",
    ]


def test_folders_without_files_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(RequestError, match="folder"):
            sources(folder)


def test_a_share_stays_when_other_files_come_and_suffixes_change():
    shares = [Source(f"{number}.mp4").share() for number in range(400)]
    assert all(0 <= share < 1 for share in shares) and 0.4 < sum(shares) / 400 < 0.6
    assert Source("7.webm").share() == shares[7]
