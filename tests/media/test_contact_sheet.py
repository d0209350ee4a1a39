"""The contact sheet: every frame in its place, no file half written."""

import imageio.v3 as iio
import numpy as np
import pytest

from reelm.media.contact_sheet import contact_sheet, sheet


def clip(*colours: int, side: int = 4) -> np.ndarray:
    """One flat frame a colour: uint8 [T,side,side,3]."""
    return np.stack([np.full((side, side, 3), colour, np.uint8) for colour in colours])


def test_rows_are_clips_and_columns_are_frames():
    picture = sheet([clip(10, 20), clip(30, 40)], scale=3)
    step = 4 * 3 + 2
    assert picture.shape == (2 + 2 * step, 2 + 2 * step, 3)
    assert [[picture[2 + r * step, 2 + c * step, 0] for c in (0, 1)] for r in (0, 1)] == [[10, 20], [30, 40]]


def test_columns_spread_from_the_first_frame_to_the_last():
    picture = sheet([clip(*range(100, 117))], columns=3, scale=1)
    assert picture[3, 3::6, 0].tolist() == [100, 108, 116]


def test_clips_of_other_sizes_and_lengths_stand_on_grey():
    picture = sheet([clip(10, 20), clip(30, side=6)], scale=1)
    assert picture.shape == (2 + 2 * 8, 2 + 2 * 8, 3)
    assert picture[10, 10, 0] == 64


def test_the_file_holds_the_picture(tmp_path):
    contact_sheet([clip(10, 20)], tmp_path / "a.png", scale=2)
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.png"), sheet([clip(10, 20)], scale=2))


def test_a_bad_clip_leaves_the_older_file_alone(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"older")
    with pytest.raises(ValueError, match="uint8"):
        contact_sheet([clip(10).astype(float)], path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
