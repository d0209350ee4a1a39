"""The source that names a program: a room that it may depend on cannot be left out."""

from pathlib import Path

import pytest

from reelm.programs.source import rooms_behind, source_of

FILES = {
    "programs/compiling.py": "OPTIONS = 1\n",
    "drawing/windows.py": "def draw():\n    from reelm.net.layers import layer\n",
    "net/deep/layers.py": "from reelm import (\n    checks,\n    numbers,\n)\n",
    "checks.py": "import reelm.numbers.real\n",
    "numbers/real.py": "",
    "pages/page.py": "from reelm.drawing.windows import draw\n",
}


def package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_rooms_behind_a_module_are_all_that_its_room_imports(tmp_path):
    there = package(tmp_path, FILES)
    assert rooms_behind("reelm.drawing.windows", there) == ["checks", "drawing", "net", "numbers", "programs"]
    assert rooms_behind("reelm.checks", there) == ["checks", "numbers", "programs"]
    assert rooms_behind("of_a_user.net", there) == ["programs"]


@pytest.mark.parametrize("changed", FILES)
def test_what_is_imported_names_a_program_and_the_rest_does_not(tmp_path, changed):
    before = source_of("reelm.drawing.windows", package(tmp_path / "before", FILES))
    files = FILES | {changed: FILES[changed] + "# another line\n"}
    after = source_of("reelm.drawing.windows", package(tmp_path / "after", files))
    assert (before != after) == (changed != "pages/page.py")


def test_a_change_of_the_source_makes_another_file(tmp_path, monkeypatch):
    from reelm.programs import kept

    monkeypatch.setattr(kept, "_folder", tmp_path)
    place = kept.place("reelm.sampling.decoding.windows", "draw", ())
    monkeypatch.setattr(kept, "source_of", lambda module: "of another version")
    assert place != kept.place("reelm.sampling.decoding.windows", "draw", ())
