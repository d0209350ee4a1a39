"""Data sets by name: the set on disk holds the very clips that are drawn on demand, and wrong requests are refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.moving_digits import scenes
from reelm.errors import RequestError


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("datasets")
    catalog.build("moving_digits", data_dir, "tiny")
    catalog.build("moving_digits_sound", data_dir, "tiny")
    return data_dir


def test_names_are_described() -> None:
    assert "moving_digits" in catalog.names()
    assert all(catalog.describe(name) and "\n" not in catalog.describe(name) for name in catalog.names())


def test_drawn_clips_are_the_examples() -> None:
    clips = catalog.open_clips("moving_digits", "test", num_frames=5, num_clips=4)
    assert len(clips) == 4
    for index in range(4):
        clip = clips[index]
        expected = scenes.example("test", index, 5)
        np.testing.assert_array_equal(clip["video"], expected["video"])
        assert clip["captions"] == expected["captions"] and clip["fps"] == 8.0
    for outside in (-1, 4):
        with pytest.raises(IndexError):
            clips[outside]


@pytest.mark.parametrize("split", scenes.SPLITS)
def test_built_set_holds_the_very_same_clips(built: Path, split: str) -> None:
    read = catalog.open_clips("moving_digits", split, num_frames=9, data_dir=built, config="tiny")
    drawn = catalog.open_clips("moving_digits", split, num_frames=9, num_clips=len(read))
    assert len(read) == (20 if split == "train" else 5)
    assert read.description == drawn.description
    for index in range(len(read)):
        from_disk, from_index = read[index], drawn[index]
        np.testing.assert_array_equal(from_disk["video"], from_index["video"])
        assert from_disk["video"].dtype == np.uint8
        assert (from_disk["captions"], from_disk["fps"]) == (from_index["captions"], from_index["fps"])


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_built_sound_is_the_very_same_sound(built: Path, split: str) -> None:
    read = catalog.open_clips("moving_digits_sound", split, num_frames=5, data_dir=built, config="tiny")
    drawn = catalog.open_clips("moving_digits_sound", split, num_frames=5, num_clips=len(read))
    assert read.description == drawn.description and read.description["voices"].startswith("voices/")
    for index in range(len(read)):
        from_disk, from_index = dict(read[index]), dict(drawn[index])
        assert from_disk.keys() == from_index.keys() - {"tracks"} >= {"audio", "sample_rate"}
        for name, value in from_disk.items():
            value = from_index[name]
            np.testing.assert_array_equal(from_disk[name], value)
            assert np.asarray(from_disk[name]).dtype == np.asarray(value).dtype
        assert np.shape(from_disk["audio"]) == (5 * 2000, 1)


def test_built_records_hold_the_whole_scene(built: Path) -> None:
    from reelm.data.moving_digits.tfds import open_built

    for index, record in enumerate(open_built("moving_digits", built, "tiny", "held_out")):
        movers = record["movers"]
        scene = scenes.Scene(
            tuple(
                scenes.Mover(
                    digit=int(movers["digit"][i]),
                    colour=list(scenes.COLOURS)[movers["colour"][i]],
                    direction=scenes.DIRECTIONS[movers["direction"][i]],
                    slow=bool(movers["slow"][i]),
                    image=int(movers["image"][i]),
                    start=(int(movers["start"][i][0]), int(movers["start"][i][1])),
                )
                for i in range(len(movers["digit"]))
            )
        )
        assert scene == scenes.example("held_out", index, 9)["scene"]


def test_building_again_changes_nothing(built: Path) -> None:
    folder = catalog.build("moving_digits", built, "tiny")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert catalog.build("moving_digits", built, "tiny") == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_wrong_requests_name_what_would_be_right(built: Path, tmp_path: Path) -> None:
    requests = [
        (lambda: catalog.open_clips("moving_digit", "train"), "moving_digits"),
        (lambda: catalog.build("emoji", tmp_path), "moving_digits"),
        (lambda: catalog.describe("emoji"), "moving_digits"),
        (lambda: catalog.open_clips("moving_digits", "validation"), "train, test, held_out"),
        (lambda: catalog.open_clips("moving_digits", "train", num_frames=0), "at least 1"),
        (lambda: catalog.open_clips("moving_digits", "train", num_clips=0), "at least 1"),
        (lambda: catalog.open_clips("moving_digits", "train", data_dir=tmp_path), "build it"),
        (lambda: catalog.build("moving_digits", tmp_path, "large"), "full, small, tiny"),
        (lambda: catalog.open_clips("moving_digits", "train", data_dir=built, config="tiny"), "9 frames"),
        (
            lambda: catalog.open_clips(
                "moving_digits", "test", num_frames=9, num_clips=6, data_dir=built, config="tiny"
            ),
            "5 clips",
        ),
    ]
    for request, right in requests:
        with pytest.raises(RequestError, match=right) as refused:
            request()
        assert "\n" not in str(refused.value)


def test_drawing_needs_no_tfds_and_building_no_tensorflow() -> None:
    program = """
import sys
from reelm.data import catalog
catalog.open_clips("moving_digits", "train")[0]
assert "tensorflow_datasets" not in sys.modules and "jax" not in sys.modules
import reelm.data.moving_digits.tfds
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
