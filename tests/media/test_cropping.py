"""What a container says is not shown is not read: pixel crops of Matroska, clean apertures of mp4 and mov."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.read import read_video, stream_video

HEIGHT, WIDTH = 48, 80


def film(path: Path, turned: int = 0) -> Path:
    """Three frames in bands of grey, one for each 8 rows and columns, in a codec that loses little."""
    rows, columns = np.arange(HEIGHT) // 8, np.arange(WIDTH) // 8
    grey = (20 + 30 * rows[:, None] + 6 * columns).astype(np.uint8)
    # The sums would not fit the elements that are put in.
    with av.open(path, "w", options={"write_crc32": "0"} if path.suffix == ".mkv" else {}) as container:
        stream = container.add_stream("libx264", rate=8, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv444p"
        if turned:
            stream.set_display_rotation(turned)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, -1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def element(kind: bytes, content: bytes) -> bytes:
    return kind + b"\x01" + len(content).to_bytes(7, "big") + content


def with_children(data: bytes, kind: bytes, change) -> bytes:
    """Return EBML data in which the first element of a kind has the content that `change` makes of it."""
    at = 0
    while at < len(data):
        wide = 9 - data[at].bit_length()
        sized = 9 - data[at + wide].bit_length()
        size = int.from_bytes(data[at + wide : at + wide + sized], "big") & ((1 << 7 * sized) - 1)
        begin = at + wide + sized
        end = len(data) if size == (1 << 7 * sized) - 1 else begin + size
        if data[at : at + wide] == kind:
            return data[:at] + element(kind, change(data[begin:end])) + data[end:]
        at = end
    raise AssertionError(f"no element {kind.hex()}")


def crop_matroska(path: Path, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0) -> None:
    crops = zip((b"\x54\xcc", b"\x54\xbb", b"\x54\xdd", b"\x54\xaa"), (left, top, right, bottom), strict=True)
    more = b"".join(element(kind, pixels.to_bytes(2, "big")) for kind, pixels in crops if pixels)
    change = lambda video: video + more  # noqa: E731
    for kind in (b"\xe0", b"\xae", b"\x16\x54\xae\x6b", b"\x18\x53\x80\x67"):
        change = lambda data, kind=kind, inner=change: with_children(data, kind, inner)  # noqa: E731
    # The list of places is made void: they move.
    path.write_bytes(change(path.read_bytes().replace(b"\x11\x4d\x9b\x74\xba", b"\xec\x10\x00\x00\x3a")))


def crop_mp4(path: Path, width: int, height: int, right: Fraction, down: Fraction) -> None:
    numbers = (width, 1, height, 1, right.numerator, right.denominator, down.numerator, down.denominator)
    clap = struct.pack(">I4s", 40, b"clap") + struct.pack(">IIIIiIiI", *numbers)
    data = path.read_bytes()
    at = data.index(b"avc1", data.index(b"stsd")) - 4
    data = data[: at + 86] + clap + data[at + 86 :]
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        begin = data.index(kind, 0 if kind != b"avc1" else data.index(b"stsd")) - 4
        size = int.from_bytes(data[begin : begin + 4], "big") + len(clap)
        data = data[:begin] + size.to_bytes(4, "big") + data[begin + 4 :]
    path.write_bytes(data)


def seen(path: Path) -> np.ndarray:
    video = read_video(path).video
    streamed = [frame.pixels for frame in stream_video(path)]
    np.testing.assert_array_equal(np.stack(streamed), video)
    assert len(video) == 3
    return video[0, ..., 0].astype(int)


EDGES = [(8, 0, 0, 0), (0, 8, 0, 0), (0, 0, 16, 0), (0, 0, 0, 24), (8, 16, 24, 8), (3, 5, 7, 9)]


@pytest.mark.parametrize(("left", "top", "right", "bottom"), EDGES)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_what_players_do_not_show_is_not_read(tmp_path, suffix, left, top, right, bottom):
    path = film(tmp_path / f"film{suffix}")
    whole = seen(path)
    if suffix == ".mkv":
        crop_matroska(path, left, top, right, bottom)
    else:
        moved = Fraction(left - right, 2), Fraction(top - bottom, 2)
        crop_mp4(path, WIDTH - left - right, HEIGHT - top - bottom, *moved)
    expected = whole[top : HEIGHT - bottom, left : WIDTH - right]
    assert seen(path).shape == expected.shape
    assert np.abs(seen(path) - expected).max() <= 2


def test_a_frame_is_cut_before_it_is_turned(tmp_path):
    path = film(tmp_path / "film.mp4", turned=90)
    whole = seen(path)
    assert whole.shape == (WIDTH, HEIGHT)
    crop_mp4(path, WIDTH - 16, HEIGHT, Fraction(8), Fraction(0))
    assert np.abs(seen(path) - whole[: WIDTH - 16]).max() <= 2


def test_a_crop_that_leaves_nothing_is_said(tmp_path, caplog):
    path = film(tmp_path / "film.mp4")
    crop_mp4(path, 0, HEIGHT, Fraction(0), Fraction(0))
    assert seen(path).shape == (HEIGHT, WIDTH) and "nothing of its frames is shown" in caplog.text


@pytest.mark.parametrize("cut", range(60, 2_000, 97))
def test_a_damaged_head_is_read_or_refused(tmp_path, cut):
    for suffix in (".mkv", ".mp4"):
        path = film(tmp_path / f"film{suffix}")
        data = bytearray(path.read_bytes())
        rng = np.random.default_rng(cut)
        for at in rng.integers(0, min(len(data), 2 * cut), 8):
            data[at] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            read_video(path)
        except RequestError as error:
            assert "\n" not in str(error)
