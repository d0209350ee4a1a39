"""Tests of the evaluation of reconstruction: from a folder of footage to figures, a table and a picture."""

import json
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import jax
import numpy as np
import pytest
from made.media import encode

import reelm
from reelm.cli.main import main
from reelm.cli.table import table
from reelm.data import footage
from reelm.data.moving_digits.scenes import example
from reelm.errors import RequestError
from reelm.evaluation.features import i3d
from reelm.evaluation.reconstruction import of_footage
from reelm.evaluation.scores.frechet import frechet_distance
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params


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
def tokenizer():
    config = VideoTokenizerConfig(encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1)
    return VideoTokenizer(config, init_params(config, jax.random.key(0)))


@pytest.fixture(scope="module")
def measured(folder, tokenizer):
    seen = []
    sheet = folder / "sheet.png"
    result = of_footage(
        tokenizer, folder, clips=4, num_frames=9, side=32, sheet=sheet, progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 3), (2, 3)]
    return result, iio.imread(sheet)


def test_films_behind_links_are_found_once(tmp_path):
    for name in ("films/a.mp4", "films/.hidden/B.MP4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    films = tmp_path / "films"
    (films / "more").symlink_to(".hidden")
    (films / "back").symlink_to(".")
    (films / "out").symlink_to(tmp_path)
    assert footage.files(films) == [films / "a.mp4", films / "more" / "B.MP4"]


def test_films_are_square_clips_of_one_size(folder):
    short, wide = footage.square_clips(folder, clips=4, frames=9, side=32)
    assert (short.name, wide.name) == ("short.mp4", "wide/digits.mp4")
    assert short.clips.shape == (1, 9, 32, 32, 3) and wide.clips.shape == (2, 9, 32, 32, 3)
    np.testing.assert_array_equal(short.clips[0, 3], short.clips[0, 8])  # continued by its last frame


def test_the_middle_is_kept():
    frame = np.zeros((8, 24, 3), np.uint8)
    frame[:, 8:16] = 200
    np.testing.assert_array_equal(footage.square(frame, 8), 200)
    np.testing.assert_array_equal(footage.square(frame, 4), 200)


def test_clips_are_spread_over_the_whole_film_and_do_not_overlap(tmp_path):
    numbers = np.arange(700)
    colours = np.stack([numbers % 256, numbers // 256, 0 * numbers], -1).astype(np.uint8)
    film = encode(tmp_path / "long.mkv", np.broadcast_to(colours[:, None, None], (700, 8, 12, 3)))
    for clips in (1, 5, 300):
        read = footage.clips_of(film, clips=clips, frames=9, side=8)
        at = read[:, :, 0, 0, 0] + 256 * read[:, :, 0, 0, 1].astype(int)
        assert len(at) == min(clips, 77) and at[0, 0] == 0
        assert (np.diff(at, axis=1) == 1).all() and len(np.unique(at)) == at.size
        if clips > 1:
            assert at[-1, -1] == 699 and np.ptp(np.diff(at[:, 0])) <= 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing says a process's own peak")
def test_a_film_is_not_held_while_it_is_read(tmp_path):
    """The peak of a process grows by far less between a few frames and many than these take."""
    films = []
    for frames in (9, 150):
        grey = np.broadcast_to(np.uint8(90), (frames, 360, 640, 3))
        films.append(encode(tmp_path / f"{frames}.mp4", grey, codec="libx264", pixels="yuv420p", preset="ultrafast"))
    code = (
        "import re, sys; from pathlib import Path; from reelm.data import footage\n"
        "for film in sys.argv[1:]:\n"
        "    assert footage.clips_of(Path(film), clips=3, frames=9, side=32).shape[1:] == (9, 32, 32, 3)\n"
        "    print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    ran = subprocess.run([sys.executable, "-c", code, *films], check=True, capture_output=True, text=True)
    few, many = (1024 * int(line) for line in ran.stdout.split())
    assert many - few < 0.3 * 150 * 360 * 640 * 3


@pytest.mark.slow
def test_films_are_measured_through_the_tokenizer_of_films(folder, capsys):
    figures = {}
    for model in ([], ["--model", "natural"], ["--model", "demo"]):
        line = ["evaluate", "reconstruction", "--data", str(folder), "--clips", "2", "--num-frames", "5"]
        line += ["--size", "32"]
        assert main([*line, "--json", *model]) == 0
        total = json.loads(capsys.readouterr().out)["all"]
        figures[model[-1] if model else None] = {name: value for name, value in total.items() if "second" not in name}
    assert figures[None] == figures["natural"] != figures["demo"]


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


@pytest.fixture
def small_i3d(i3d_tensors, monkeypatch):
    """Weights of I3D, which sees clips at 64 x 64 meanwhile: at 224 x 224 it is slow without LLVM's optimizations."""
    monkeypatch.setattr(i3d, "SIDE", 64)
    yield i3d.convert(i3d_tensors)
    jax.clear_caches()  # which hold it at that size


@pytest.mark.long
@pytest.mark.slow
def test_fvd_is_between_the_features_of_original_and_rebuilt_clips(folder, tokenizer, measured, small_i3d, tmp_path):
    result = of_footage(tokenizer, folder, clips=4, num_frames=9, side=32, i3d_params=small_i3d)
    assert set(result["all"]) - set(measured[0]["all"]) == {"fvd"} and "fvd" not in result["short.mp4"]
    originals = np.concatenate([film.clips for film in footage.square_clips(folder, clips=4, frames=9, side=32)])
    pairs = [np.stack([clip, tokenizer.reconstruct(clip)]) for clip in originals]
    features = np.stack([i3d.features(small_i3d, pair) for pair in pairs])
    assert result["all"]["clips"] == len(features) == 3
    assert result["all"]["fvd"] == pytest.approx(frechet_distance(features[:, 0], features[:, 1]), rel=1e-3)
    (tmp_path / "short.mp4").write_bytes((folder / "short.mp4").read_bytes())
    with pytest.raises(RequestError, match="two clips"):
        of_footage(tokenizer, tmp_path, num_frames=9, side=32, i3d_params=small_i3d)


def test_fvd_of_clips_too_short_for_i3d_is_refused(folder, tokenizer):
    with pytest.raises(RequestError, match="9 frames or more, not of 5"):
        of_footage(tokenizer, folder, num_frames=5, side=32, i3d_params={})


def test_a_folder_without_films_is_named(tmp_path):
    with pytest.raises(RequestError, match="holds no video"):
        footage.files(tmp_path)
    (tmp_path / "torn.mp4").write_bytes(b"no film at all")
    with pytest.raises(RequestError, match="none of the 1 videos"):
        list(footage.square_clips(tmp_path, clips=1, frames=9, side=32))
