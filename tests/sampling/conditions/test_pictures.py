"""A picture is the same whether its path or an image of Pillow is given."""

import gc
import io
import os

import numpy as np
import pytest
from made.colours import display_p3
from PIL import Image

from reelm.errors import RequestError
from reelm.media.read import read_image
from reelm.sampling.conditions.pictures import read_source

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)


def transparent_palette() -> Image.Image:
    image = Image.fromarray(COLOURS[..., :3]).quantize(8)
    image.info["transparency"] = 0
    return image


def upside(turn: int) -> dict:
    exif = Image.Exif()
    exif[0x0112] = turn
    return {"exif": exif}


PICTURES = {
    "rgba": (Image.fromarray(COLOURS), "png", {}),
    "grey with transparency": (Image.fromarray(COLOURS[..., :2]), "png", {}),
    "palette with transparency": (transparent_palette(), "png", {}),
    "16 bits": (Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 257), "png", {}),
    "cmyk": (Image.fromarray(COLOURS[..., :3]).convert("CMYK"), "jpg", {}),
    "upside down": (Image.fromarray(COLOURS[..., :3]), "png", upside(3)),
    "turned": (Image.fromarray(COLOURS[..., :3]), "png", upside(6)),
    "wide colours": (Image.fromarray(COLOURS[..., :3]), "png", {"icc_profile": display_p3()}),
    "an animation": (
        Image.fromarray(COLOURS),
        "webp",
        {"save_all": True, "append_images": [Image.new("RGBA", (8, 6))]},
    ),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_the_same_by_its_path_and_by_pillow(kind, tmp_path):
    image, suffix, options = PICTURES[kind]
    image.save(tmp_path / f"a.{suffix}", **options)
    with Image.open(tmp_path / f"a.{suffix}") as opened:
        found = read_source("image", opened)
    np.testing.assert_array_equal(found, read_image(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("kind", PICTURES)
def test_the_bytes_of_a_file_are_the_file(kind, tmp_path):
    image, suffix, options = PICTURES[kind]
    path = tmp_path / f"a.{suffix}"
    image.save(path, **options)
    content = path.read_bytes()
    for given in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
        np.testing.assert_array_equal(read_image(read_source("image", given)), read_image(path))
    with path.open("rb") as file:
        held = read_source("image", file)
    np.testing.assert_array_equal(read_image(held), read_image(path))
    where = os.fspath(held)
    del held
    gc.collect()
    assert not os.path.exists(where)


def test_films_and_sounds_are_given_by_their_bytes(tiny_sound_model, tmp_path):
    made = tiny_sound_model.generate("red", num_frames=5)
    made.save(tmp_path / "film.mp4")
    content = (tmp_path / "film.mp4").read_bytes()
    for field in ("video", "audio"):
        ways = (tmp_path / "film.mp4", content)
        by_path, by_bytes = (tiny_sound_model.generate("red", **{field: way}, num_frames=9) for way in ways)
        np.testing.assert_array_equal(by_path.video, by_bytes.video)
        np.testing.assert_array_equal(by_path.audio, by_bytes.audio)
        assert by_bytes.info[field] == f"{len(content)} bytes" and by_bytes.info["sha256"] == by_path.info["sha256"]
    with pytest.raises(RequestError, match="cannot be read as a video|not a picture|no video"):
        tiny_sound_model.generate("red", video=b"nothing", num_frames=9)


def test_an_image_that_was_never_a_file_is_shown_over_black():
    found = read_source("image", Image.fromarray(COLOURS))
    np.testing.assert_allclose(found, COLOURS[..., :3] * (COLOURS[..., 3:] / 255), atol=1)


def test_a_damaged_image_is_refused_in_a_line(tmp_path):
    Image.fromarray(COLOURS[..., :3]).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-40])
    with Image.open(tmp_path / "a.png") as opened, pytest.raises(RequestError, match="^image is damaged"):
        read_source("image", opened)


def test_numbers_from_0_to_1_are_doubted(tiny_model, caplog):
    dark = np.linspace(0, 1, 16 * 24 * 3).reshape(16, 24, 3)
    tiny_model.generate("red", image=dark, num_frames=1)
    assert "give 2 * x - 1" in caplog.text
    caplog.clear()
    for fine in (2 * dark - 1, (255 * dark).astype(np.uint8), np.ones((16, 24, 3))):
        tiny_model.generate("red", image=fine, num_frames=1)
    assert not caplog.records


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 4), (16, 24, 1), (3, 16, 24), (1, 16, 24, 3)])
def test_an_array_that_is_no_picture_is_told_its_shape(tiny_model, shape):
    with pytest.raises(RequestError, match=r"an image has the shape \[H, W, 3\], not "):
        tiny_model.generate("red", image=np.zeros(shape, np.uint8), num_frames=1)
