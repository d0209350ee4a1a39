"""Given sound comes back as it was, at its own rate and channels, wherever none is drawn; in every way in and out."""

import wave
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reelm.media.clip import Clip
from reelm.media.read import read_video
from reelm.media.sound import samples_for

FPS, FRAMES = 8.0, 13
# What is asked, and the seconds that are drawn for it.
ASKED = {
    "retake": {"retake": (0.5, 1.0)},
    "retake the end": {"retake": (1.25, 1.625)},
    "continue": {"num_frames": FRAMES + 12},
    "mask": {"mask": np.eye(16, dtype=bool)},
}
DRAWN = {"retake": [(0.5, 1.0)], "retake the end": [(1.25, 1.625)], "continue": [(FRAMES / FPS, 9)], "mask": []}


def noise(rate: int, channels: int, frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """float32 [S, C], each channel another sound."""
    count = samples_for(frames, FPS, rate)
    return np.random.default_rng(seed).uniform(-0.8, 0.8, (count, channels)).astype(np.float32)


def film(sound: np.ndarray | None, rate: int | None, frames: int = FRAMES) -> Any:
    video = np.random.default_rng(1).integers(0, 256, (frames, 16, 16, 3), np.uint8)
    return Clip(video=video, fps=FPS, audio=sound, sample_rate=rate)


def is_drawn(how: str, clip: Clip) -> np.ndarray:
    """bool [S], True at samples that are drawn."""
    assert clip.audio is not None and clip.sample_rate is not None
    found = np.zeros(len(clip.audio), bool)
    for begin, end in DRAWN[how]:
        found[slice(*(samples_for(round(second * FPS), FPS, clip.sample_rate) for second in (begin, end)))] = True
    return found


@pytest.fixture(scope="module")
def model(tiny_sound_model):
    return replace(tiny_sound_model, defaults=replace(tiny_sound_model.defaults, height=16, width=16))


@pytest.fixture(scope="module")
def silent_model(tiny_model):
    return replace(tiny_model, defaults=replace(tiny_model.defaults, height=16, width=16))


@pytest.mark.parametrize("how", ASKED)
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 2), (2_000, 1), (11_025, 1)])
def test_sound_that_is_kept_is_kept_sample_by_sample(model, how, rate, channels):
    given = film(noise(rate, channels), rate)
    made = model.generate("red", video=given, seed=3, **ASKED[how])
    assert made.sample_rate == rate and made.audio.shape == (samples_for(len(made.video), FPS, rate), channels)
    drawn = is_drawn(how, made)
    np.testing.assert_array_equal(made.audio[~drawn], given.audio[: len(made.audio)][~drawn[: len(given.audio)]])
    if drawn.any():
        silent = model.generate("red", video=replace(given, audio=None, sample_rate=None), seed=3, **ASKED[how])
        # Silence around what is drawn: it comes back in one channel, at the rate of the model.
        assert silent.audio[is_drawn(how, silent)].any() and not silent.audio[~is_drawn(how, silent)].any()


@pytest.mark.parametrize("how", ASKED)
def test_a_stream_has_the_sound_of_the_clip(model, how):
    given = film(noise(44_100, 2), 44_100)
    whole = model.generate("red", video=given, seed=3, **ASKED[how])
    pieces = list(model.stream("red", video=given, seed=3, **({"num_frames": FRAMES} | ASKED[how])))
    assert len(pieces) > 1 and all(piece.sample_rate == 44_100 for piece in pieces)
    np.testing.assert_array_equal(Clip.join(pieces).audio, whole.audio)


@pytest.mark.parametrize("how", ASKED)
def test_a_model_without_sound_leaves_it_alone(silent_model, how):
    given = film(noise(44_100, 2), 44_100)
    made = silent_model.generate("red", video=given, seed=3, **ASKED[how])
    assert made.sample_rate == 44_100
    np.testing.assert_array_equal(made.audio[: len(given.audio)], given.audio)
    assert not made.audio[len(given.audio) + 300 :].any()  # after five milliseconds that fade out


def test_a_clip_made_for_a_sound_has_that_sound(model, tmp_path):
    sound = np.round(noise(48_000, 2) * 32767)
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((2, 2, 48_000, len(sound), "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    sound = (sound / 32768).astype(np.float32)
    ways = [tmp_path / "sound.wav", (sound, 48_000), (sound.astype(np.float64), 48_000), film(sound, 48_000)]
    for way in ways:
        made = model.generate("red", audio=way, num_frames=FRAMES)
        assert made.sample_rate == 48_000
        np.testing.assert_array_equal(made.audio, sound)
    # Also where it is heard with another film, and where it is shorter than the film.
    silent, begins = film(noise(2_000, 1), 2_000), sound[:20_000]
    made = model.generate("red", video=silent, audio=(begins, 48_000), num_frames=FRAMES + 4)
    np.testing.assert_array_equal(made.audio[:20_000], begins)
    assert made.audio.shape == ((FRAMES + 4) * 6_000, 2) and not made.audio[20_000:].any()


def test_what_is_drawn_meets_what_is_kept_without_a_click(model):
    rate = 48_000
    given = film(np.full((samples_for(FRAMES, FPS, rate), 2), 0.7, np.float32), rate)
    made = model.generate("red", video=given, retake=(0.5, 1.0), seed=3)
    begin, end = round(0.5 * rate), round(1.0 * rate)
    assert np.abs(made.audio[[begin, end - 1]] - 0.7).max() < 0.01
    assert np.abs(made.audio[begin + 480 : end - 480] - 0.7).max() > 0.3  # no longer bent


def test_a_soundtrack_of_a_silent_film_is_drawn_whole(model):
    made = model.generate("red", video=film(None, None), num_frames=FRAMES, seed=3)
    assert made.sample_rate == 2_000
    for seconds in np.array_split(made.audio, 4):
        assert seconds.any()


def test_a_film_is_kept_through_files_and_rounds(model, tmp_path):
    rate = 48_000
    ticks = np.zeros((samples_for(FRAMES, FPS, rate), 2), np.float32)
    at = [round(second * rate) for second in (0.13, 0.4, 1.31)]
    for begin in at:
        ticks[begin : begin + 480] = 0.6 * np.hanning(480)[:, None] * np.sin(np.arange(480) / 4)[:, None]
    film(ticks, rate).save(tmp_path / "0.mp4")
    for turn in range(5):
        made = model.generate("red", video=tmp_path / f"{turn}.mp4", retake=(0.75, 1.0), seed=turn)
        made.save(tmp_path / f"{turn + 1}.mp4")
        kept = read_video(tmp_path / f"{turn + 1}.mp4").audio
        assert kept is not None
        for begin in at:
            level = [np.sqrt(np.mean(each[begin : begin + 480] ** 2)) for each in (kept, ticks)]
            assert abs(20 * np.log10(level[0] / level[1])) < 1
