"""Files in: what cannot be read rightly is refused in one line that names it."""

import struct
import warnings

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.media import encode, greys, levels, quarters, refused, tone
from made.strategies import damaged as any_damage
from made.strategies import one_line
from PIL import Image

from reelm import Clip
from reelm.errors import RequestError
from reelm.media.formats.mp4 import write_video
from reelm.media.read import read_image, read_note, read_video


def test_a_path_without_a_file_is_refused(tmp_path):
    refused(tmp_path / "missing.mp4", "does not exist")
    refused(tmp_path, "not a regular file")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "empty")
    with pytest.raises(RequestError, match="does not exist"):
        read_video("a\0b.mp4")
    with pytest.raises(RequestError, match=r"one\\nline.mp4' does not exist"):
        read_video("one\nline.mp4")


def test_text_under_another_name_is_refused(tmp_path):
    for index, text in enumerate(
        ["hello\n" * 99, "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", "GIF89a", "\x89PNG\r\n"]
    ):
        path = tmp_path / f"{index}.mp4"
        path.write_text(text, encoding="latin1")
        refused(path)
        with pytest.raises(RequestError):
            read_image(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n"),
        ("a.mp4", "ffconcat version 1.0\nfile film.mp4\n"),
    ],
)
def test_a_list_of_other_files_is_refused(tmp_path, name, text):
    film = tmp_path / "film.mp4"
    write_video(film, greys(3), fps=8)
    (tmp_path / name).write_text(text.format(film=film))
    refused(tmp_path / name, "cannot be read as a video")


def test_sound_only_and_no_frames_are_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1, 16000).T.copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    refused(tmp_path / "sound.mp4", "sound but no video")
    encode(tmp_path / "none.mkv", greys(1)[:0])
    refused(tmp_path / "none.mkv")


def test_a_header_that_the_decoder_refuses_is_no_damage_after_a_frame(tmp_path):
    path = encode(tmp_path / "a.mkv", greys(2), level=3)
    with av.open(str(path)) as container:
        header = container.streams.video[0].codec_context.extradata
    assert header is not None
    path.write_bytes(path.read_bytes().replace(header, bytes(len(header))))
    refused(path, "cannot be decoded here")


def damaged(data, at, xor=0xFF):
    changed = bytearray(data)
    for place in at:
        changed[place] ^= xor
    return bytes(changed)


def test_a_cut_file_is_refused_and_not_read_short(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "whole.mp4", noise, fps=8)  # the index lies in front, so a cut file opens
    data = (tmp_path / "whole.mp4").read_bytes()
    for share in (0.02, 0.3, 0.6, 0.99):
        (tmp_path / "cut.mp4").write_bytes(data[: int(share * len(data))])
        refused(tmp_path / "cut.mp4")


def test_damage_within_frames_is_refused(tmp_path):
    moving = np.stack([np.roll(quarters(), 3 * shift, axis=1) for shift in range(16)])
    write_video(tmp_path / "whole.mp4", moving, fps=8)
    data = (tmp_path / "whole.mp4").read_bytes()
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    (tmp_path / "flipped.mp4").write_bytes(damaged(data, range(middle, middle + 64)))
    refused(tmp_path / "flipped.mp4", "damaged")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """Files of five greys or of one picture, by suffix; the film has sound."""
    folder, clip = tmp_path_factory.mktemp("whole"), Clip(video=greys(5), fps=8.0)
    write_video(folder / "a.mp4", greys(5), fps=8, audio=tone(0.6, 16000), sample_rate=16000, comment="{}")
    for suffix in ("gif", "webp"):
        clip.save(folder / f"a.{suffix}")
    encode(folder / "a.mkv", greys(5))
    for suffix in ("png", "jpg", "avif"):
        Image.fromarray(quarters()).save(folder / f"a.{suffix}")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@given(data=st.data())
@settings(max_examples=200)
def test_no_damage_anywhere_ends_in_another_error(whole, tmp_path_factory, data):
    suffix = data.draw(st.sampled_from(sorted(whole)))
    path = tmp_path_factory.mktemp("any") / f"damaged{suffix}"
    path.write_bytes(data.draw(any_damage(whole[suffix])))
    try:
        assert Clip.open(path, budget_bytes=2**24).video.ndim == 4
    except RequestError as error:
        one_line(error)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_a_picture_cut_at_any_byte_is_read_or_refused(whole, suffix, tmp_path):
    path = tmp_path / f"cut{suffix}"
    for length in range(len(whole[suffix])):
        path.write_bytes(whole[suffix][:length])
        try:
            assert Clip.open(path).video.ndim == 4
        except RequestError as error:
            one_line(error)


def test_a_bomb_is_refused_by_its_header(tmp_path):
    size = 8192
    with av.open(str(tmp_path / "bomb.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        stream.height = stream.width = size
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame(size, size, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    refused(tmp_path / "bomb.mp4", "67 megapixels", "at most 64")  # decoding it would be refused as damage


def test_a_clip_over_the_memory_budget_is_refused(tmp_path):
    frame_bytes = 3 * 32 * 48
    mp4 = encode(tmp_path / "a.mp4", greys(9), codec="libx264", pixels="yuv420p")
    mkv = encode(tmp_path / "a.mkv", greys(9))  # whose header does not tell the count
    for path in (mp4, mkv):
        refused(path, "budget", "8 frames", budget_bytes=9 * frame_bytes - 1)
        assert len(read_video(path, budget_bytes=9 * frame_bytes).video) == 9
        assert len(read_video(path, budget_bytes=4 * frame_bytes, max_frames=4).video) == 4
        refused(path, "budget", fps=16, budget_bytes=9 * frame_bytes)


def test_impossible_arguments_are_refused(tmp_path):
    path = encode(tmp_path / "a.mkv", greys(2))
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(RequestError, match="fps"):
            read_video(path, fps=fps)
    with pytest.raises(RequestError, match="max_frames"):
        read_video(path, max_frames=0)


def test_names_that_look_like_protocols_and_metadata_that_is_no_text_do_no_harm(tmp_path):
    path = tmp_path / "a:b %03d ünï 視頻 🎬.mp4"
    write_video(path, greys(3), fps=8, comment="plain text")
    path.write_bytes(path.read_bytes().replace(b"plain", b"\xff\xfe\xff\xfe\xff"))
    assert levels(read_video(path).video) == [0, 1, 2]
    assert (read_note(path) or "").endswith(" text")


def test_pictures_too_large_or_damaged_are_refused(tmp_path):
    for side in (8192, 20000):  # below and above what Pillow itself refuses
        header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", side, side, 8, 2, 0, 0, 0) + bytes(4)
        (tmp_path / "large.png").write_bytes(header)
        for read in (read_image, read_video):
            with pytest.raises(RequestError) as caught:
                read(tmp_path / "large.png")
            assert "large.png" in str(caught.value)
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(3)]
    for suffix in ("png", "jpg", "gif", "webp"):
        path = tmp_path / f"a.{suffix}"
        images[0].save(path, **({} if suffix == "jpg" else {"save_all": True, "append_images": images[1:]}))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        for read in (read_image, read_video):
            try:
                read(path)
            except RequestError as error:
                assert path.name in str(error) and "\n" not in str(error)
        for _ in range(30):
            path.write_bytes(damaged(data, random.integers(0, len(data), 3)))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read_video(path, budget_bytes=2**24)
            except RequestError as error:
                assert "\n" not in str(error)
