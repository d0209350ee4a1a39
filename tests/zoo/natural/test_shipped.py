"""The shipped tokenizer of real footage: any film goes through it, and it says that it cannot generate."""

import numpy as np
import pytest

import reelm
from reelm.errors import RequestError
from reelm.evaluation.scores.pictures import psnr
from reelm.sampling.folder import shipped


def hills(frames: int, height: int, width: int) -> np.ndarray:
    """A disc that wanders over soft hills in the muted colours of footage, uint8 [T, H, W, 3]."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [np.sin((x * a + y * b + t) / 15.0) for a, b in ((1.0, 0.3), (0.2, 1.0), (0.7, 0.7))]
    picture = 120 + 50 * waves[0][..., None] + 20 * np.stack(waves, axis=-1)
    disc = np.hypot(y - height / 2, x - width / 4 - 2 * t) < height / 6
    return np.where(disc[..., None], [180.0, 120.0, 90.0], picture).astype(np.uint8)


@pytest.mark.slow
def test_a_film_of_any_size_comes_back():
    film = hills(22, 70, 92)
    model = reelm.load("natural")
    rebuilt = model.video_tokenizer.reconstruct(film)
    assert rebuilt.shape == film.shape and rebuilt.dtype == np.uint8
    assert psnr(film, rebuilt) > 25
    # No drift: the end is about as good as the beginning.
    assert psnr(film[-4:], rebuilt[-4:]) > psnr(film[:5], rebuilt[:5]) - 3


def test_it_is_no_generator_and_says_so():
    assert "natural" in shipped.names()
    with pytest.raises(RequestError, match="without a language model"):
        reelm.load("natural").generate("a red seven moves right")
