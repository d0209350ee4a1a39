"""A view of a picture shows what its numbers say."""

import numpy as np

from reelm.media.view import seen


def spot(size: int = 128) -> np.ndarray:
    """A picture with a bright spot at (x, y) = (0.75, 0.25)."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    bright = np.exp(-((x - 0.75) ** 2 + (y - 0.25) ** 2) / 0.004)
    return np.round(255 * bright[..., None].repeat(3, axis=-1)).astype(np.uint8)[None]


def place(picture: np.ndarray) -> np.ndarray:
    """Where the spot is, (x, y) in shares."""
    ink = picture[..., 0].astype(float)
    y, x = (np.mgrid[: len(ink), : len(ink)] + 0.5) / len(ink)
    return np.array([(ink * x).sum(), (ink * y).sum()]) / ink.sum()


def test_the_first_view_is_the_whole_picture():
    np.testing.assert_allclose(place(seen(spot(), np.zeros((1, 3)), (64, 64))[0]), (0.75, 0.25), atol=0.005)


def test_a_pan_to_the_right_moves_things_to_the_left():
    np.testing.assert_allclose(place(seen(spot(), np.array([[0.2, -0.1, 0]]), (64, 64))[0]), (0.55, 0.35), atol=0.005)


def test_zoom_moves_things_from_the_middle_and_makes_them_larger():
    picture = seen(spot(), np.array([[0.1, -0.1, 0.5]]), (64, 64))[0]
    np.testing.assert_allclose(place(picture), 0.5 + np.array([0.15, -0.15]) * 2**0.5, atol=0.01)
    grown = picture.sum() / seen(spot(), np.zeros((1, 3)), (64, 64)).sum()
    assert 1.9 < grown < 2.1


def test_beyond_the_picture_is_its_edge():
    picture = np.full((1, 128, 128, 3), (10, 200, 30), np.uint8)
    np.testing.assert_array_equal(seen(picture, np.array([[0.3, 0.3, -1]]), (64, 64))[0], picture[0, :64, :64])
