"""Colours of wide gamuts and high dynamic ranges are seen as on an ordinary screen; profiles of pictures count."""

import os
import struct
import zlib

import numpy as np
import pytest
from av import VideoFrame
from made.colours import BARS, TO_BT2020, display_p3, drawn, hlg, in_profile, pq, seen, wide_film
from PIL import Image, ImageCms, features

from reelm.media.clip import Clip
from reelm.media.formats.frame_pixels import rgb_of
from reelm.media.read import read_image, stream_video
from reelm.media.wide_colour import BT2020, PQ, SRGB, to_srgb

LIGHT = (BARS / 255) ** 2.2 @ TO_BT2020.T  # white is 1


def check_bars(found, near=8):
    """Codecs are not exact, and the smallest channels of colours at the edge of BT.709 show it most."""
    assert found[0].min() >= 235  # white, below the highlights
    assert np.abs(found[1:] - BARS[1:]).max() <= 24
    assert np.abs(found[1:] - BARS[1:])[BARS[1:] > 0].max() <= near


@pytest.mark.parametrize(("kind", "code", "transfer"), [("PQ", pq, 16), ("HLG", hlg, 18)])
def test_a_high_dynamic_range_is_tone_mapped(tmp_path, caplog, kind, code, transfer):
    path = wide_film(tmp_path / "phone.mp4", code(LIGHT), transfer, qp="0")
    check_bars(seen(Clip.open(path).video[1]))
    assert len(caplog.records) == 1 and kind in caplog.text and "phone.mp4" in caplog.text
    check_bars(seen(next(stream_video(path, fit=lambda height, width: (height // 2, width))).pixels))


def test_tags_of_any_codec_and_container_count(tmp_path):
    check_bars(seen(Clip.open(wide_film(tmp_path / "a.mkv", pq(LIGHT), 16, codec="ffv1")).video[0]))
    check_bars(seen(Clip.open(wide_film(tmp_path / "a.ts", pq(LIGHT), 16, qp="0")).video[0]))


def test_a_wide_gamut_keeps_its_greys_and_its_colours(tmp_path, caplog):
    film = Clip.open(wide_film(tmp_path / "a.mkv", ((BARS / 255) ** 2.4 @ TO_BT2020.T) ** (1 / 2.4), 14, codec="ffv1"))
    assert np.abs(seen(film.video[0]) - BARS).max() <= 24 and not caplog.records
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    for transfer in (1, SRGB):
        assert np.abs(to_srgb(greys, transfer, BT2020).astype(int) - greys).max() <= 1


@pytest.mark.parametrize("stored", ["yuv420p", "yuv420p10le", "yuva420p", "yuv444p"])
@pytest.mark.parametrize("width", [62, 63])
def test_colours_of_odd_widths_are_those_of_even_ones(stored, width):
    plain = np.full((59, width, 3), (200, 180, 0), np.uint8)
    frame = VideoFrame.from_ndarray(plain, format="rgb24").reformat(format=stored)
    frame.color_primaries, frame.color_trc = BT2020, 14
    wanted = to_srgb(plain, 14, BT2020)[0, 0]
    for see_through in (False, True):
        assert np.abs(rgb_of(frame, see_through=see_through)[2:-2, 2:-2, :3].astype(int) - wanted).max() <= 8


def test_brighter_stays_brighter_up_to_a_thousand_nits():
    nits = np.array([0, 1, 50, 100, 150, 203, 300, 500])
    greys = np.round(65535 * pq(nits / 203)[:, None].repeat(3, 1)).astype(np.uint16)
    found = to_srgb(greys, PQ, BT2020)[:, 0].astype(int)
    assert found[0] == 0 and (np.diff(found) > 0).all() and found[5] >= 235
    assert to_srgb(np.full((1, 3), 65535, np.uint16), PQ, BT2020).min() == 255


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_pictures_are_seen_by_their_profile(tmp_path, caplog, suffix):
    profile = display_p3()
    image = in_profile(drawn(BARS).astype(np.uint8), profile)
    assert np.abs(seen(np.asarray(image))[5] - (183, 38, 25)).max() <= 3  # what is stored for red
    image.save(tmp_path / f"p3.{suffix}", icc_profile=profile, quality=98, lossless=True)
    for read in (read_image, lambda path: Clip.open(path).video[0], lambda path: next(stream_video(path)).pixels):
        assert np.abs(seen(read(tmp_path / f"p3.{suffix}"))[5] - (200, 0, 0)).max() <= 3
    assert not caplog.records


def test_profiles_reach_palettes_transparency_and_all_frames(tmp_path):
    profile = display_p3()
    image = in_profile(drawn(BARS).astype(np.uint8), profile)
    image.quantize(8).save(tmp_path / "palette.png", icc_profile=profile)
    clear = image.copy()
    clear.putalpha(128)
    clear.save(tmp_path / "clear.png", icc_profile=profile)
    moving = {"save_all": True, "append_images": [image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)], "lossless": True}
    image.save(tmp_path / "moving.webp", icc_profile=profile, **moving)
    image.convert("L").save(tmp_path / "grey.png", icc_profile=profile)
    assert np.abs(seen(read_image(tmp_path / "palette.png")) - BARS).max() <= 3
    assert np.abs(seen(read_image(tmp_path / "clear.png")) - BARS * 128 / 255).max() <= 3
    assert all(np.abs(seen(frame) - BARS).max() <= 3 for frame in Clip.open(tmp_path / "moving.webp").video)
    assert np.array_equal(read_image(tmp_path / "grey.png")[..., 0], np.asarray(image.convert("L")))


def test_a_profile_of_srgb_changes_nothing(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("profile", [b"no profile at all", display_p3()[:900], b""])
def test_a_profile_that_cannot_be_used_is_a_warning(tmp_path, caplog, profile):
    picture = drawn(BARS).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    assert ("colour profile" in caplog.text) == bool(profile)
    caplog.clear()
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg", icc_profile=display_p3(), quality=98)
    assert np.abs(seen(read_image(tmp_path / "a.jpg")) - BARS).max() <= 3  # a profile of RGB, a picture of inks
    assert "RGB" in caplog.text and "CMYK" in caplog.text


def test_codes_in_a_png_count(tmp_path, caplog):
    values = drawn(np.round(255 * pq(LIGHT))).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    data, content = (tmp_path / "a.png").read_bytes(), b"cICP" + bytes([9, 16, 0, 1])
    chunk = struct.pack(">I", 4) + content + struct.pack(">I", zlib.crc32(content))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])  # behind the header
    check_bars(seen(read_image(tmp_path / "a.png")))
    assert "PQ" in caplog.text


def ordinary_priority():
    """Undo what SVT-AV1 does where root encodes: a process of real-time priority starves all others."""
    if hasattr(os, "sched_setscheduler"):
        for thread in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_a_still_of_high_dynamic_range_is_tone_mapped(tmp_path, caplog):
    path = wide_film(tmp_path / "a.avif", pq(LIGHT), 16, codec="libsvtav1", frames=1, preset="8", crf="5")
    ordinary_priority()
    check_bars(seen(read_image(path)), near=20)
    assert "PQ" in caplog.text
