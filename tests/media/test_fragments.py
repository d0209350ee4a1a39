"""A video that is written piece by piece is the video written whole: its pictures and its sound keep their times."""

import numpy as np
import pytest

from reelm.media.clip import Clip
from reelm.media.formats.fragments import FragmentedVideo

FPS, FRAMES = 8, 13
TICKS = (0.2, 0.6, 1.2)  # seconds


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 2)])
def test_sound_is_heard_at_its_time(tmp_path, rate, channels):
    sound = np.zeros((FRAMES * rate // FPS, channels), np.float32)
    for tick in TICKS:
        sound[round(tick * rate) : round((tick + 0.01) * rate)] = 0.7
    frames = np.random.default_rng(0).integers(0, 256, (FRAMES, 16, 24, 3), np.uint8)
    video, written = FragmentedVideo(fps=FPS, sample_rate=rate, channels=channels), b""
    for begin, end in ((0, 1), (1, 5), (5, 9), (9, FRAMES)):
        written += video.add(frames[begin:end], sound[begin * rate // FPS : end * rate // FPS])
    (tmp_path / "pieces.mp4").write_bytes(written + video.finish())
    clip = Clip.open(tmp_path / "pieces.mp4")
    assert clip.fps == FPS and clip.video.shape == frames.shape
    assert clip.audio is not None and clip.audio.shape == sound.shape
    loud = np.abs(clip.audio[:, 0]) > 0.35
    begins = np.flatnonzero(loud[1:] & ~loud[:-1]) / rate
    assert begins == pytest.approx(TICKS, abs=0.002)
