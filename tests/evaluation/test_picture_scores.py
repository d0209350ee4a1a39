"""PSNR and SSIM against scikit-image, the Wilson interval against published values."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reelm.evaluation.scores.frechet import frechet_distance
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.evaluation.scores.pictures import flicker, psnr, ssim


def pair(*shape: int, noise: float = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A picture of soft shapes, and the same with noise: uint8 of the given shape."""
    rng = np.random.default_rng(seed)
    original = 127 + 100 * np.sin(np.linspace(0, 20, int(np.prod(shape)))).reshape(shape)
    noisy = original + noise * rng.normal(size=shape)
    return original.astype(np.uint8), noisy.clip(0, 255).astype(np.uint8)


def test_psnr_equals_scikit_image():
    a, b = pair(3, 24, 40, 3)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)


def test_psnr_of_equal_videos_is_infinite_and_of_opposite_ones_zero():
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    assert psnr(black, black) == float("inf")
    assert psnr(black, white) == pytest.approx(0)


@pytest.mark.parametrize("noise", [2, 20, 90])
def test_ssim_equals_scikit_image_frame_by_frame(noise):
    a, b = pair(3, 24, 40, 3, noise=noise)
    wang: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    frames = zip(a, b, strict=True)
    expected = np.mean([structural_similarity(x, y, channel_axis=-1, data_range=255, **wang) for x, y in frames])
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_symmetric_one_for_equals_and_falls_with_noise():
    a, b = pair(2, 16, 16, 3, noise=10)
    _, worse = pair(2, 16, 16, 3, noise=60)
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, worse) < ssim(a, b) < 1


@pytest.mark.parametrize("side", [1, 2, 10, 11])
def test_ssim_knows_frames_smaller_than_its_window(side):
    a, b = pair(2, side, 32, 3)
    assert -1 <= ssim(a, b) < 1
    assert ssim(a, a) == pytest.approx(1)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_unlike_pairs_are_refused(score):
    a, b = pair(2, 16, 16, 3)
    with pytest.raises(ValueError, match="one shape"):
        score(a, b[:1])
    with pytest.raises(ValueError, match="uint8"):
        score(a, b.astype(np.float32))


def test_flicker_counts_only_errors_that_change():
    original, _ = pair(4, 8, 8, 3)
    original = original // 2
    assert flicker(original, original + np.uint8(9)) == 0
    blinking = original.copy()
    blinking[1::2] += 6
    assert flicker(original, blinking) == 36
    assert flicker(original[:1], blinking[1:2]) == 0


def test_frechet_distance_is_that_of_the_two_gaussians():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 1
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(covariances[0] @ covariances[1]))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    # Singular covariances have a distance too.
    assert frechet_distance(a[:3], a[:3] + 2) == pytest.approx(5 * 4)
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(a[:1], b)


# Newcombe 1998, table I, method 3 (Wilson, no continuity correction).
@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_interval_equals_published_values(successes, n, expected):
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=5e-5)


@given(n=st.integers(1, 500), data=st.data())
def test_wilson_interval_holds_the_share_and_mirrors(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low))


def test_the_interval_of_no_trials_is_0_to_1():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"0\.\.3"):
        wilson_interval(4, 3)
