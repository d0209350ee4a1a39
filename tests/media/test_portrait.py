"""A subject is found wherever its picture has it, however large, and shown wherever it is asked for."""

import numpy as np
import pytest

from reelm.media.portrait import portrait

SHAPE = np.zeros((24, 16, 3), np.uint8)  # an L, red on blue
SHAPE[:, :6] = SHAPE[-6:] = (250, 20, 20)


def picture(shape: np.ndarray, y: int, x: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    made = np.zeros((*size, 3), np.uint8)
    made[:, :, 2] = 60
    inside = made[y : y + shape.shape[0], x : x + shape.shape[1]]
    inside[shape.any(axis=-1)] = shape[shape.any(axis=-1)]
    return made


def test_the_subject_fills_the_frame_wherever_it_was():
    one, other = (portrait(picture(SHAPE, *place), 32, 32) for place in ((3, 80), (70, 7)))
    np.testing.assert_array_equal(one, other)
    red = one[:, :, 0] > 120
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (rows[0], rows[-1]) == (2, 29)  # a margin of a sixteenth
    assert abs(columns[0] - (31 - columns[-1])) <= 1  # in the middle
    assert (one[0] == [0, 0, 60]).all()  # on its background


def test_a_subject_twice_as_large_looks_much_the_same():
    small, large = (portrait(picture(SHAPE.repeat(n, 0).repeat(n, 1), 5, 9), 32, 32).astype(int) for n in (1, 2))
    assert np.abs(small - large).mean() < 4


@pytest.mark.parametrize("value", [0, 200])
def test_a_picture_without_a_subject_is_shown_whole(value):
    np.testing.assert_array_equal(
        portrait(np.full((40, 20, 3), value, np.uint8), 24, 32), np.full((24, 32, 3), value, np.uint8)
    )
