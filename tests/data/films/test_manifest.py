"""What a folder holds: each file once, with the words that were given for it."""

import json
import os
import unicodedata
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
    assert "does not exist" in found["gone.mp4"].fault
    elsewhere = tmp_path / f"mine{Path(name).suffix}"
    (tmp_path / name).rename(elsewhere)
    assert {source.name: source for source in sources(tmp_path, elsewhere)} == found


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("m.csv", "path,caption\na.mp4,x\n", "file_name"),
        ("m.csv", "file_name\na.mp4\na.mp4\n", "second time"),
        ("m.jsonl", '{"file_name": "../a.mp4"}', "outside"),
        ("m.jsonl", '{"file_name": "\\ud800.mp4"}', "not the name of a file"),
        ("m.jsonl", "{", "cannot be read"),
        ("m.jsonl", "[" * 200_000, "deep"),
        ("m.csv", "file_name\na\0.mp4\n", "cannot be read|not the name"),
        ("m.txt", "a.mp4", "not a manifest"),
        ("m.csv", "file_name\n", "holds no files"),
        ("m.csv", "file_name,prompt\na.mp4,a dog\n", 'words in "prompt"; call that column "caption"'),
        ("m.csv", "file_name,Caption\na.mp4,a dog\n", 'words in "Caption"'),
        ("m.csv", "file_name,fps, caption\na.mp4,8,a dog\n", 'words in " caption"'),
        ("m.csv", "file_name,videoDescription\na.mp4,a dog\n", 'words in "videoDescription"'),
        ("m.csv", "file_name,描述\na.mp4,一只狗\n", 'words in "描述"'),
        ("m.jsonl", '{"file_name": "a.mp4", "captions": ["a dog"]}', 'words in "captions"'),
        ("m.csv", "file_name,caption\na.mp4,a dog, running\n", "more cells than the header"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path, name, text, words):
    fill(tmp_path, a_mp4="")
    (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=words) as refused:
        sources(tmp_path, tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name, text",
    [
        ("metadata.csv", "file_name,text,fps\na.mp4,a dog,8\nb.mp4,,8\n"),
        ("METADATA.CSV", "file_name,text,caption\na.mp4,no words of ours,a dog\nb.mp4,,\n"),
        ("metadata.jsonl", '{"file_name": "a.mp4", "text": "a dog"}\n{"file_name": "b.mp4", "caption_id": "x"}\n'),
    ],
)
def test_words_may_stand_in_text_as_hugging_face_has_it(tmp_path, name, text):
    fill(tmp_path, a_mp4="", b_mp4="")
    (tmp_path / name).write_text(text)
    assert sources(tmp_path) == [Source("a.mp4", ("a dog",)), Source("b.mp4")]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"], ids=ascii)
def test_only_a_line_feed_ends_a_row(tmp_path, separator):
    fill(tmp_path, a_mp4="", b_mp4="")
    words = f"a dog{separator}runs"
    rows = [{"file_name": "a.mp4", "caption": words}, {"file_name": "b.mp4", "caption": "a cat"}]
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "metadata.jsonl").write_text(lines, newline="")
    assert sources(tmp_path) == [Source("a.mp4", (words,)), Source("b.mp4", ("a cat",))]


def test_words_in_another_field_beside_a_file_cost_it(tmp_path):
    a, b = sources(fill(tmp_path, a_mp4="", a_json='{"prompt": "a dog"}', b_mp4="", b_json='{"text": "a cat"}'))
    assert a.fault == 'its caption a.json: its words are in "prompt"; they are read from "caption" or "text"'
    assert b == Source("b.mp4", ("a cat",))


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_a_table_in_another_encoding_is_told_the_right_one(tmp_path, encoding):
    fill(tmp_path, a_mp4="")
    (tmp_path / "metadata.csv").write_text("file_name,caption\na.mp4,一只狗\n", encoding=encoding)
    with pytest.raises(RequestError, match="save it in that encoding, a table of a spreadsheet as CSV UTF-8"):
        sources(tmp_path)


@pytest.mark.parametrize("disk, table", [("NFD", "NFC"), ("NFC", "NFD")])
def test_letters_with_accents_are_found_however_they_are_written(tmp_path, disk, table):
    there, named = (unicodedata.normalize(form, "été/café.mp4") for form in (disk, table))
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).touch()
    (tmp_path / "metadata.csv").write_text(f"file_name,caption\n{named},a cup\n", encoding="utf-8")
    assert sources(tmp_path) == [Source(there, ("a cup",))]
    (tmp_path / "metadata.csv").write_text(f"file_name\n{named}\n{there}\n", encoding="utf-8")
    with pytest.raises(RequestError, match="a second time"):
        sources(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / there).with_name(unicodedata.normalize(table, "café.txt")).write_text("a cup")
    assert sources(tmp_path) == [Source(there, ("a cup",))]


def test_of_two_ways_to_write_a_name_the_exact_one_is_taken(tmp_path):
    names = [unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD")]
    for name in names:
        (tmp_path / name).touch()
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("one file here")
    (tmp_path / "m.csv").write_text(f"file_name,caption\n{names[0]},c\n{names[1]},d\n", encoding="utf-8")
    assert {source.name: source.captions for source in sources(tmp_path, tmp_path / "m.csv")} == {
        names[0]: ("c",),
        names[1]: ("d",),
    }


def test_suffixes_of_words_may_be_capitals(tmp_path):
    fill(
        tmp_path, D_MP4="", D_TXT="a dog", e_mp4="", e_JSON='{"caption": "a cat"}', f_mp4="", f_txt="small", f_TXT="no"
    )
    assert sources(tmp_path) == [
        Source("D.MP4", ("a dog",)),
        Source("e.mp4", ("a cat",)),
        Source("f.mp4", ("small",)),
    ]


def test_linked_folders_are_read_once_and_links_in_a_circle_end(tmp_path):
    fill(tmp_path, own__c_mp4="", pets__dogs__a_mp4="", pets__dogs__a_txt="a dog")
    (tmp_path / "dogs").symlink_to("pets/dogs")
    (tmp_path / "own" / "up").symlink_to("..")
    (tmp_path / "gone.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "d.mp4").symlink_to("pets/dogs/a.mp4")
    found = {source.name: source for source in sources(tmp_path)}
    good = {name for name, source in found.items() if not source.fault}
    assert good == {"own/c.mp4", "d.mp4", "pets/dogs/a.mp4"}
    assert found["pets/dogs/a.mp4"].captions == ("a dog",)
    assert {name: found[name].fault for name in found.keys() - good} == {
        "dogs": "it is a link to a folder that is read as 'pets/dogs'",
        "own/up": "it is a link to a folder that is read as '.'",
        "gone.mp4": "it is a link to nothing",
        "self": "it is a link to nothing",
    }


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path):
    fill(tmp_path / "secrets", key_txt="a secret", film_mp4="")
    fill(tmp_path / "films", a_mp4="", b_mp4="", c_mp4="")
    films = tmp_path / "films"
    (films / "a.txt").symlink_to("../secrets/key.txt")
    (films / "d.mp4").symlink_to(tmp_path / "secrets" / "film.mp4")
    (films / "e").symlink_to(tmp_path / "secrets")
    found = {source.name: source for source in sources(films)}
    assert "a secret" not in str(found)
    assert {name for name, source in found.items() if "leads out of" in source.fault} == {
        *("a.mp4", "a.txt", "d.mp4", "e")
    }
    for name in ("d.mp4", "e/film.mp4"):
        (films / "metadata.csv").write_text(f"file_name\n{name}\n")
        with pytest.raises(RequestError, match="lies outside of"):
            sources(films)


def test_a_name_that_no_file_can_have_is_left_out(tmp_path):
    fill(tmp_path, a_mp4="")
    (tmp_path / "m.csv").write_text(f"file_name\na.mp4\n{'x' * 300}.mp4\n")
    assert [source.fault for source in sources(tmp_path, tmp_path / "m.csv")] == [
        "",
        "the manifest names it, but it does not exist",
    ]


def test_folders_without_files_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(RequestError, match="folder"):
            sources(folder)


def test_a_share_stays_when_other_files_come_and_suffixes_change():
    shares = [Source(f"{number}.mp4").share() for number in range(400)]
    assert all(0 <= share < 1 for share in shares) and 0.4 < sum(shares) / 400 < 0.6
    assert Source("7.webm").share() == shares[7]
