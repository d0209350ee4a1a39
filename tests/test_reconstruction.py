"""Reconstruction measured: a folder of footage to figures, a table and a picture."""

import json

import imageio.v3 as iio
import jax
import numpy as np
import pytest

import reelm
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig, init_params
from reelm.train import footage
from reelm.train.evaluate import table
from reelm.train.moving_digits import example
from reelm.train.reconstruction import of_footage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two films, one wide and in a folder of its own, one shorter than a clip; and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    wide = np.concatenate([example("test", i, 23)["video"] for i in (0, 1)], axis=2)
    (folder / "wide").mkdir()
    reelm.Clip(video=wide, fps=8.0).save(folder / "wide" / "digits.mp4")
    reelm.Clip(video=example("test", 2, 4)["video"], fps=8.0).save(folder / "short.mp4")
    (folder / "notes.txt").write_text("no film")
    (folder / "torn.mp4").write_bytes(b"named as a film, and none")  # left out
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    config = VideoTokenizerConfig(encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1)
    tokenizer, seen = VideoTokenizer(config, init_params(config, jax.random.key(0))), []
    sheet = folder / "sheet.png"
    result = of_footage(
        tokenizer, folder, clips=4, num_frames=9, side=32, sheet=sheet, progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 3), (2, 3)]
    return result, iio.imread(sheet)


def test_films_are_square_clips_of_one_size(folder):
    short, wide = footage.films(folder, clips=4, frames=9, side=32)
    assert (short.name, wide.name) == ("short.mp4", "wide/digits.mp4")
    assert short.clips.shape == (1, 9, 32, 32, 3) and wide.clips.shape == (2, 9, 32, 32, 3)
    np.testing.assert_array_equal(short.clips[0, 3], short.clips[0, 8])  # continued by its last frame


def test_the_middle_is_kept():
    video = np.zeros((1, 8, 24, 3), np.uint8)
    video[:, :, 8:16] = 200
    np.testing.assert_array_equal(footage.square(video, 8), 200)
    np.testing.assert_array_equal(footage.square(video, 4), 200)


def test_figures_of_all_and_of_each_film(measured):
    result, _ = measured
    assert list(result) == ["all", "short.mp4", "wide/digits.mp4"]
    total = result["all"]
    assert (total["clips"], total["frames"]) == (3, 9)
    # It paints black: the error of a film stands still only where nothing moves.
    assert 5 < total["psnr"] < 30 and total["flicker"] > 0
    assert total["bits_per_pixel"] == 18 * 3 * 4 * 4 / (9 * 32 * 32)
    for name in ("psnr", "psnr_h264", "ssim", "ssim_h264"):
        assert total[name] == pytest.approx((result["short.mp4"][name] + 2 * result["wide/digits.mp4"][name]) / 3)
    assert total["codes_used"] >= result["short.mp4"]["codes_used"]
    assert total["frames_per_second"] > 0


def test_figures_are_json_and_a_table(measured):
    result, _ = measured
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    lines = table(result).splitlines()
    assert lines[0].split()[:3] == ["clips", "frames", "psnr"] and lines[1].startswith("all")


def test_the_sheet_shows_original_rebuilt_and_difference(measured):
    _, picture = measured
    assert picture.shape == (3 * 3 * 34 + 2, 5 * 34 + 2, 3)
    original, rebuilt, difference = (picture[2 + row * 34 : 34 + row * 34, 2:34].astype(int) for row in range(3))
    np.testing.assert_array_equal(difference, np.minimum(4 * np.abs(original - rebuilt), 255))


def test_a_folder_without_films_is_named(tmp_path):
    with pytest.raises(RequestError, match="holds no video"):
        footage.files(tmp_path)
    (tmp_path / "torn.mp4").write_bytes(b"no film at all")
    with pytest.raises(RequestError, match="none of the 1 videos"):
        list(footage.films(tmp_path, clips=1, frames=9, side=32))
