"""Clips out and in again: pixels, pace, sound and what the clip was made from survive the file."""

import base64
import errno
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import av
import numpy as np
import pytest
from made.media import moving, reopened

from reelm.data import stored_clip
from reelm.errors import RequestError
from reelm.media import file_info
from reelm.media.clip import SUFFIXES, Clip
from reelm.media.file_info import FileLayout, to_comment
from reelm.storage.atomic import replacing

INFO = {
    "prompt": 'a red "seven" moves right → 🎬\n',
    "seed": 7,
    "settings": {"temperature": 1.0, "top_k": 0, "cfg_scale": 2.5, "keyframes": [0, 4]},
    "model": {"name": "demo", "hash": "00ff"},
}


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9))


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp"])
@pytest.mark.parametrize(("height", "width", "scale"), [(33, 47, 3), (1, 1, 1), (128, 224, 1)])
def test_a_clip_comes_back_with_its_size_rate_and_info(tmp_path, suffix, height, width, scale):
    clip = Clip(moving(9, height, width), fps=8, info=INFO)
    back = reopened(clip, tmp_path / f"a.{suffix}", scale=scale)
    assert back.video.shape == clip.video.shape and back.video.dtype == np.uint8
    assert back.fps == 8 and back.info == INFO and back.audio is None and back.tokens is None


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_formats_without_loss_give_the_very_pixels(tmp_path, suffix):
    clip = Clip(moving(1 if suffix == "png" else 9, colour=(255, 0, 255)), fps=8)
    assert np.array_equal(reopened(clip, tmp_path / f"a.{suffix}").video, clip.video)
    assert np.array_equal(reopened(clip, tmp_path / f"a.{suffix}", scale=2).video, clip.video)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("fps", [12.5, 30000 / 1001, 50])
def test_equal_neighbours_and_uneven_rates_keep_every_frame(tmp_path, suffix, fps):
    video = moving(6)[[0, 0, 0, 1, 2, 2, 3, 4, 5, 5, 5, 5]]
    for frames in (video, video[:1], video[:3]):  # the last two become a still picture
        back = reopened(Clip(frames, fps=fps), tmp_path / f"a.{suffix}")
        assert np.array_equal(back.video, frames) and back.fps == fps


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 0, 0), (0, 0, 255), (255, 255, 0)])
def test_mp4_keeps_small_clips_crisp(tmp_path, colour):
    """White ink shows the codec's loss; coloured ink the loss of 4:2:0, which blocks of 4 x 4 take away."""
    clip = Clip(moving(9, colour=colour), fps=8)
    plain = psnr(clip.video, reopened(clip, tmp_path / "a.mp4").video)
    blocks = psnr(clip.video, reopened(clip, tmp_path / "b.mp4", scale=4).video)
    assert plain > (45 if colour == (255, 255, 255) else 28)
    assert blocks > 45


def test_mp4_is_what_players_take(tmp_path):
    clip = Clip(moving(17, 33, 47), fps=8, audio=np.zeros((34000, 2), np.float32), sample_rate=16000, info=INFO)
    clip.save(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it is whole
    with av.open(str(tmp_path / "a.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.frames) == (48, 34, 17)
        assert (audio.codec_context.name, audio.codec_context.sample_rate, audio.codec_context.channels) == (
            "aac",
            16000,
            2,
        )
        assert video.codec_context.colorspace == 6 and video.codec_context.color_range == 1
        assert [frame.time for frame in container.decode(video)] == [index / 8 for index in range(17)]
        stored = json.loads(container.metadata["comment"])
    assert stored["prompt"] == INFO["prompt"] and stored["seed"] == 7 and stored["settings"] == INFO["settings"]


def test_quality_is_a_choice(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    clip = Clip(noise, fps=8)
    sizes, scores = [], []
    for crf in (1, None, 30, 51):
        scores.append(psnr(noise, reopened(clip, tmp_path / "a.mp4", crf=crf).video))
        sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert sizes == sorted(sizes, reverse=True) and scores == sorted(scores, reverse=True)


def test_the_same_clip_gives_the_same_file(tmp_path):
    clip = Clip(moving(), fps=8, audio=np.zeros((9000, 1), np.float32), sample_rate=8000, info=INFO)
    for suffix in ("mp4", "gif", "webp"):
        clip.save(tmp_path / f"a.{suffix}")
        clip.save(tmp_path / f"b.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_small_pictures_give_the_same_file_whatever_memory_holds(tmp_path):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (15, 12, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    wide = np.stack([blocks[t // 2 : t // 2 + 96] for t in range(9)])
    files, stored = set(), set()
    for _ in range(150):
        _memory = [rng.bytes(int(size)) for size in rng.integers(1, 300_000, 4)]  # FFmpeg's buffers come to lie in it
        Clip(wide, fps=8).save(tmp_path / "a.mp4")
        files.add((tmp_path / "a.mp4").read_bytes())
        stored.add(stored_clip.encode(wide[:, :16, :16], 8.0))
    assert (len(files), len(stored)) == (1, 1)


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp"])
def test_any_text_survives_as_info(tmp_path, suffix):
    for prompt in ("", "x" * 10_000, "\0", "\ud800", "🎬", "עברית", "<bos>{}", '"\\'):
        back = reopened(Clip(moving(2), fps=8, info={"prompt": prompt}), tmp_path / f"a.{suffix}")
        assert back.info == {"prompt": prompt}


def test_info_of_arrays_and_numpy_numbers_is_stored_plainly(tmp_path):
    info = {"seed": np.int64(3), "scale": np.float32(0.5), "sizes": np.arange(2), "image": tmp_path}
    back = reopened(Clip(moving(2), fps=8, info=info), tmp_path / "a.mp4")
    assert back.info == {"seed": 3, "scale": 0.5, "sizes": [0, 1], "image": str(tmp_path)}
    with pytest.raises(RequestError, match="JSON"):
        Clip(moving(2), fps=8, info={"model": object()}).save(tmp_path / "b.mp4")
    assert os.listdir(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    "comment", ["", "a holiday", "[]", "7", "{}", '{"reelm": 1}', '{"reelm": {"height": -1}}', "[" * 9999]
)
def test_files_of_others_open_without_info(tmp_path, comment):
    from reelm.media.formats.mp4 import write_video

    write_video(tmp_path / "a.mp4", moving(3, 33, 47), fps=8, comment=comment)
    back = Clip.open(tmp_path / "a.mp4")
    assert back.info == {} and back.video.shape == (3, 34, 48, 3)


def test_a_file_resized_by_others_keeps_its_new_size(tmp_path):
    from reelm.media.formats.mp4 import write_video

    comment = to_comment(FileLayout(height=64, width=64, scale=1, fps=8.0), INFO)
    write_video(tmp_path / "a.mp4", moving(3, 32, 32), fps=8, comment=comment)
    back = Clip.open(tmp_path / "a.mp4")
    assert back.info == INFO and back.video.shape == (3, 32, 32, 3)


# Sound


@pytest.mark.parametrize(
    "video",
    [moving(2).astype(np.float32), moving(2)[0], moving(2)[..., :1], moving(2)[:0], moving(2).tolist(), None],
    ids=["float", "one frame", "one channel", "no frames", "a list", "nothing"],
)
def test_video_of_another_kind_is_refused(video):
    with pytest.raises(RequestError, match="video"):
        Clip(video, fps=8)


@pytest.mark.parametrize("fps", [0, -8, float("nan"), float("inf"), 1e6])
def test_impossible_rates_are_refused(fps):
    with pytest.raises(RequestError, match="fps"):
        Clip(moving(2), fps=fps)


@pytest.mark.parametrize(
    ("name", "shape", "fps", "scale", "words"),
    [
        ("a.webp", (1, 8, 16_384), 8.0, 1, "at most 16383 pixels a side"),
        ("a.gif", (1, 8, 65_536), 8.0, 1, "at most 65535 pixels a side"),
        ("a.gif", (1, 64, 64), 8.0, 5000, "pixels a side"),
        ("a.png", (1, 64, 64), 8.0, 5000, "megapixels"),
        ("a.gif", (7, 8, 8), 0.01, 1, ".gif cannot hold this clip"),
        ("a.webp", (400, 800, 800), 8.0, 10, "over the budget"),
    ],
)
def test_what_a_format_cannot_say_is_refused(tmp_path, name, shape, fps, scale, words):
    video = np.broadcast_to(np.zeros(3, np.uint8), (*shape, 3))
    with pytest.raises(RequestError, match=words):
        Clip(video, fps).save(tmp_path / name, scale=scale)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, r"\.mp4, \.gif"),
        ("a", {}, r"\.mp4, \.gif"),
        ("a.mp4", {"crf": 0}, "crf"),
        ("a.mp4", {"crf": 99}, "crf"),
        ("a.gif", {"crf": 20}, "crf"),
        ("a.mp4", {"scale": 0}, "scale"),
        ("a.gif", {"scale": 1.5}, "scale"),
        ("a.mp4", {"scale": 1000}, "too large"),
        ("a.png", {}, "one frame"),
        ("missing/a.mp4", {}, "does not exist"),
        ("missing/a.gif", {}, "does not exist"),
    ],
)
def test_a_save_that_cannot_be_leaves_nothing(tmp_path, name, options, words):
    with pytest.raises(RequestError, match=words) as caught:
        Clip(moving(2), fps=8).save(tmp_path / name, **options)
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == []


def test_a_gif_of_many_colours_stays_near(tmp_path):
    rows, columns = np.mgrid[:64, :64]
    clip = Clip(np.stack([4 * rows, 4 * columns, 2 * (rows + columns)], -1).astype(np.uint8)[None], fps=8)
    assert psnr(clip.video, reopened(clip, tmp_path / "a.gif").video) > 25


def test_a_gif_too_fast_to_be_shown_is_refused(tmp_path):
    with pytest.raises(RequestError, match="50 frames"):
        Clip(moving(2), fps=60).save(tmp_path / "a.gif")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp"])
def test_an_existing_file_is_replaced_whole(tmp_path, suffix):
    path = tmp_path / f"ünï 視頻 🎬.{suffix.upper()}"
    path.write_bytes(bytes(10**6))
    clip = Clip(moving(3), fps=8)
    assert reopened(clip, path).video.shape == clip.video.shape
    assert path.stat().st_size < 10**5 and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_of_every_format_passes_one_step_when_it_is_complete(tmp_path, suffix, monkeypatch):
    @contextmanager
    def marked(path):
        with replacing(path) as temporary:
            yield temporary
            assert Clip.open(temporary).fps == 8 or suffix == ".png"
            with temporary.open("ab") as file:
                file.write(b"a mark")

    monkeypatch.setattr(file_info, "replacing", marked)
    Clip(moving(1 if suffix == ".png" else 3), fps=8).save(tmp_path / f"a{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes().endswith(b"a mark")


DISK_FULL = """
import os, resource, sys
import numpy as np
from reelm.media.clip import Clip
noise = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
clip = Clip(noise, fps=8, audio=np.zeros((18000, 1), np.float32), sample_rate=16000)
sys.dont_write_bytecode = True  # of a module that is compiled under the limit, a part would be kept
for name in sys.argv[1:]:
    for limit in (0, 500, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            clip.save(name)
            print("saved", name, limit)
        except OSError as error:
            print("OSError", error.errno)
"""


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for the full disk: writes fail at that byte."""
    names = ["a.mp4", "a.gif", "a.webp"]
    for name in names:
        (tmp_path / name).write_bytes(b"before")
    command = [sys.executable, "-c", DISK_FULL, *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == [f"OSError {errno.EFBIG}"] * 9
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert all((tmp_path / name).read_bytes() == b"before" for name in names)


# In a notebook, in a terminal, at import


def test_a_notebook_shows_a_player_with_the_video_inside():
    clip = Clip(moving(5), fps=8, audio=np.zeros((10000, 1), np.float32), sample_rate=16000, info=INFO)
    bundle = clip._repr_mimebundle_()
    assert bundle["text/plain"] == repr(clip)
    found = re.search('src="data:video/mp4;base64,([^"]+)"', bundle["text/html"])
    assert found is not None
    data = base64.b64decode(found[1])
    assert data[4:8] == b"ftyp" and "autoplay" not in bundle["text/html"]
    assert 'width="256" height="256"' in bundle["text/html"]
    assert "autoplay loop muted" in Clip(moving(5), fps=8)._repr_mimebundle_()["text/html"]


def test_a_notebook_links_what_is_too_large_to_embed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reelm.media.clip._EMBED_BYTES", 1000)
    clip = Clip(moving(5), fps=8)
    html = clip._repr_mimebundle_()["text/html"]
    (name,) = os.listdir(tmp_path)
    assert f'src="{name}"' in html and len(html) < 500
    assert clip._repr_mimebundle_()["text/html"] == html and os.listdir(tmp_path) == [name]


def test_a_clip_prints_as_one_short_line():
    clip = Clip(moving(17), fps=8, audio=np.zeros((34000, 2), np.float32), sample_rate=16000, info=INFO)
    assert "17 frames of 64x64, 8 fps, 2.12 s, sound of 2 channels at 16000 Hz" in repr(clip)
    assert "seed 7" in repr(clip) and "\n" not in repr(clip)


def test_importing_clips_loads_no_codec_and_no_jax():
    code = "import sys, reelm.media.clip; print([m for m in ('jax', 'av', 'PIL', 'imageio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
