"""Only formats that are named reach a decoder, whatever a file calls itself."""

import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from reelm.errors import RequestError
from reelm.media.formats import allowed
from reelm.media.read import read_image, read_note, read_sound, read_video

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
OTHERS = ("EPS", "PPM", "TGA", "PCX", "SGI", "ICO", "ICNS", "JPEG2000", "DDS", "XBM", "QOI", "MSP", "BLP")
MODES = {"XBM": "1", "MSP": "1", "BLP": "P"}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_pictures_are_refused_and_nothing_is_started(tmp_path, monkeypatch, kind):
    ran = tmp_path / "ran"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "image.png"
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    Image.fromarray(PIXELS).convert(MODES.get(kind, "RGB")).save(path, format=kind)
    for read in (read_image, read_video, read_note, read_sound):
        with pytest.raises(RequestError) as refused:
            read(path)
        assert "\n" not in str(refused.value)
    assert not ran.exists()


def film(path: Path, container: str, codec: str, pixels: str = "yuv420p") -> Path:
    with av.open(path, "w", format=container) as written:
        stream: Any = written.add_stream(codec, rate=8)
        stream.height, stream.width, stream.pix_fmt = *PIXELS.shape[:2], pixels
        for _ in range(3):
            written.mux(stream.encode(av.VideoFrame.from_ndarray(PIXELS, format="rgb24")))
        written.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("container", "codec"), [("wtv", "mpeg2video"), ("swf", "flv")])
def test_other_containers_are_refused(tmp_path, container, codec):
    with pytest.raises(RequestError, match="cannot be read as a video"):
        read_video(film(tmp_path / "film.mp4", container, codec))


OTHER_CODECS = [("zmbv", "bgr0"), ("flashsv", "bgr24"), ("asv1", "yuv420p"), ("snow", "yuv420p")]


@pytest.mark.parametrize(("codec", "pixels"), OTHER_CODECS)
def test_other_codecs_are_refused(tmp_path, codec, pixels):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    with pytest.raises(RequestError, match="holds a video of a kind that is not read"):
        read_video(film(tmp_path / "film.avi", "avi", codec, pixels))


def test_a_film_keeps_the_picture_where_its_sound_is_of_another_codec(tmp_path, caplog):
    path = tmp_path / "film.flv"
    with av.open(path, "w") as written:
        video: Any
        audio: Any
        video, audio = written.add_stream("flv", rate=8), written.add_stream("adpcm_swf", rate=22050, layout="mono")
        video.height, video.width, video.pix_fmt = *PIXELS.shape[:2], "yuv420p"
        for _ in range(3):
            written.mux(video.encode(av.VideoFrame.from_ndarray(PIXELS, format="rgb24")))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        sound.sample_rate = 22050
        written.mux([*audio.encode(sound), *audio.encode(None), *video.encode(None)])
    assert read_video(path).audio is None and "is left out" in caplog.text


def test_every_name_is_one_that_this_ffmpeg_knows():
    known = {name for names in av.formats_available for name in names.split(",")}
    assert not {*allowed.CONTAINERS} - known - {"mpegvideo", "m4a", "3gp", "3g2", "mj2", "webm", "mov"}
    assert len({*allowed.DECODERS} & {*av.codecs_available}) > 80
