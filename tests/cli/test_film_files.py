"""Films through `reelm reconstruct` and `reelm tokenize`, file to file: as they are seen, and in time."""

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made.media import encode, greys, quarters, tone
from made.models import tiny_upscaler
from PIL import Image

from reelm.cli.main import main
from reelm.media.clip import Clip
from reelm.media.read import read_sound, read_video, stream_video

MILLISECONDS = [0, 40, 120, 500, 520, 1400]  # at which frames of an uneven film begin


@pytest.fixture(scope="module")
def model_folder(tiny_model, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny_model.save(folder)
    return str(folder)


def uneven_film(path: Path) -> Path:
    """Six frames at `MILLISECONDS` from second 3 on; beside the last a tone of half a second begins with it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=1000)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for start, frame in zip(MILLISECONDS, greys(6), strict=True):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(format="bgr0")
            picture.pts, picture.time_base = 3000 + start, Fraction(1, 1000)
            container.mux(video.encode(picture))
        sound = np.concatenate([np.zeros((22400, 1), np.float32), tone(0.5, 16000)])
        frame = av.AudioFrame.from_ndarray((sound.T * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), 3 * 16000
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def starts(path: Path) -> list[float]:
    return [frame.start for frame in stream_video(path)]


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_frames_of_an_uneven_film_keep_their_times(model_folder, tmp_path, suffix):
    film, out = uneven_film(tmp_path / "in.mkv"), tmp_path / f"out{suffix}"
    assert main(["reconstruct", str(film), "-o", str(out), "--model", model_folder]) == 0
    unit = 0.01 if suffix == ".gif" else 0.001
    assert starts(out) == pytest.approx(np.array(MILLISECONDS) / 1000, abs=unit)


def test_an_uneven_film_is_in_step_with_its_sound(model_folder, tmp_path):
    film, out, tokens = uneven_film(tmp_path / "in.mkv"), tmp_path / "out.mp4", tmp_path / "tokens.npz"
    assert main(["reconstruct", str(film), "-o", str(out), "--model", model_folder]) == 0
    sound = read_sound(out, sample_rate=16000, channels=1).samples
    # The tone begins with the last frame, on the clock that both share.
    assert np.flatnonzero(np.abs(sound[:, 0]) > 0.1)[0] / 16000 == pytest.approx(1.4, abs=0.01)
    assert main(["tokenize", str(film), "-o", str(tokens), "--model", model_folder]) == 0
    assert main(["detokenize", str(tokens), "-o", str(tmp_path / "again.mp4")]) == 0
    assert starts(tmp_path / "again.mp4") == starts(out)


@pytest.mark.parametrize("command", ["reconstruct", "tokenize"])
@pytest.mark.parametrize("gaps", [[1, 365 * 86400], [1, *[86000] * 40], [1, *[125] * 800]])
def test_a_film_that_stands_still_for_more_than_a_day_is_refused_before_a_frame_is_read(
    model_folder, tmp_path, capsys, monkeypatch, command, gaps
):
    film = encode(tmp_path / "in.mkv", greys(1 + len(gaps)), times=np.cumsum([0, *gaps]).tolist(), base=Fraction(1, 1))
    monkeypatch.setattr("reelm.media.film.stream_video", lambda *_: pytest.fail("a frame is read"))
    out = tmp_path / ("out.mp4" if command == "reconstruct" else "out.npz")
    assert main([command, str(film), "-o", str(out), "--model", model_folder]) == 2
    assert "at most a day" in capsys.readouterr().err and not out.exists()


def test_animations_keep_their_pace(model_folder, tmp_path):
    images = [Image.fromarray(frame) for frame in greys(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 20, 900], loop=0)
    for name in ("b.mp4", "b.gif"):
        assert main(["reconstruct", str(tmp_path / "a.gif"), "-o", str(tmp_path / name), "--model", model_folder]) == 0
        assert starts(tmp_path / name) == pytest.approx([0, 0.1, 0.4, 0.42], abs=0.001)
        assert [frame.end for frame in stream_video(tmp_path / name)][-1] == pytest.approx(1.32, abs=0.001)


def turned(folder: Path) -> Path:
    path = encode(folder / "phone.mp4", np.stack([quarters()] * 6), codec="libx264", pixels="yuv444p")
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # 90 clockwise
    path.write_bytes(data)
    return path


def see_through(folder: Path) -> Path:
    rgba = np.full((6, 32, 48, 4), 200, np.uint8)
    rgba[:, :, :24, 3], rgba[:, :, 24:, 3] = 0, 128
    return encode(folder / "a.mkv", rgba, pixels="bgra", source="rgba")


FILMS = {
    "turned": turned,
    "10 bits": lambda folder: encode(folder / "a.mp4", greys(6), codec="libx264", pixels="yuv420p10le"),
    "odd size": lambda folder: encode(folder / "a.mkv", greys(6, 33, 47)),
    "see-through": see_through,
    "grey": lambda folder: encode(folder / "a.mkv", greys(6), pixels="gray"),
    "one frame": lambda folder: encode(folder / "a.mkv", greys(1)),
}


@pytest.mark.parametrize("kind", FILMS)
def test_every_kind_of_film_is_rebuilt_as_it_is_seen(tiny_model, model_folder, tmp_path, kind):
    film = FILMS[kind](tmp_path)
    seen = read_video(film).video
    if kind == "turned":
        assert seen.shape[1:] == (96, 64, 3)
    expected = tiny_model.video_tokenizer.reconstruct(seen)
    for suffix in (".webp", ".mp4"):
        out, same = tmp_path / f"out{suffix}", tmp_path / f"same{suffix}"
        assert main(["reconstruct", str(film), "-o", str(out), "--model", model_folder]) == 0
        Clip(expected, 8).save(same)  # an mp4 loses what it loses
        rebuilt = Clip.open(out)
        assert rebuilt.video.shape == expected.shape and rebuilt.fps == pytest.approx(8)
        assert np.abs(rebuilt.video.astype(int) - Clip.open(same).video).max() <= 1


def test_an_enlarged_film_keeps_its_times_and_its_sound(tiny_model, tmp_path):
    model = replace(tiny_model, upscaler=tiny_upscaler())
    model.save(tmp_path / "larger")
    film, out = uneven_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    assert main(["upscale", str(film), "-o", str(out), "--model", str(tmp_path / "larger")]) == 0
    assert starts(out) == pytest.approx(np.array(MILLISECONDS) / 1000, abs=0.001)
    assert read_video(out).video.shape == (6, 64, 96, 3)
    sound = read_sound(out, sample_rate=16000, channels=1).samples[:, 0]  # a tone begins with the last frame
    assert np.abs(sound[: int(1.3 * 16000)]).max() < 0.01 < np.abs(sound[-200:]).max()
