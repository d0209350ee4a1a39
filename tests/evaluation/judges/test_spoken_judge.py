"""The judge of spoken digits: right on speakers it never heard, silent where nothing is said, and not to be fooled."""

import wave
from functools import cache

import numpy as np
import pytest

from reelm.data.moving_digits.make_voices import FSDD
from reelm.data.moving_digits.make_voices import read as read_recording
from reelm.data.moving_digits.mnist import load as load_digits
from reelm.data.moving_digits.more_voices import FLITE, VARIANTS
from reelm.data.moving_digits.soundtracks import SAMPLE_RATE, SoundingExample, example, tick
from reelm.data.moving_digits.voices import VOICES_RATE, load
from reelm.errors import RequestError
from reelm.evaluation.judges.spoken_digits import BLANK, collapse, read


@cache
def clips() -> list[SoundingExample]:
    digits = load_digits("test", "compact")
    made = [example("test", index, 17, digits) for index in range(60)]
    return [clip for clip in made if clip["audio"].any()]


def names(clip: SoundingExample) -> tuple[int, ...]:
    return tuple(mover.digit for mover in clip["scene"].movers)


def test_repetitions_are_one_and_blanks_part_equal_digits():
    moments = np.array([BLANK, 5, 5, BLANK, BLANK, 5, 3, 3, BLANK])
    assert collapse(moments) == (5, 5, 3)
    assert collapse(np.array([BLANK, BLANK])) == () and collapse(np.array([7])) == (7,)


@pytest.mark.slow
def test_names_said_by_strangers_are_heard():
    right = [read(clip["audio"], SAMPLE_RATE) == names(clip) for clip in clips()]
    assert np.mean(right) >= 0.9
    two = [heard for heard, clip in zip(right, clips(), strict=True) if len(names(clip)) == 2]
    assert np.mean(two) >= 0.8


def test_nobody_who_speaks_in_test_clips_is_learned_from():
    espeak = {variant.replace("female", "f").replace("male", "m") for variant in VARIANTS}
    learned = {f"fsdd-{speaker}" for speaker in FSDD["train"]} | {f"flite-{voice}" for voice in FLITE}
    for name in load("test").names:
        assert name not in learned and name.split("+")[-1] not in espeak


def test_a_wrong_name_is_not_taken_for_the_right_one():
    said = [names(clip) for clip in clips()]
    heard = [read(clip["audio"], SAMPLE_RATE) for clip in clips()[:30]]
    shifted = said[1:] + said[:1]
    assert np.mean([a == b for a, b in zip(heard, shifted, strict=False)]) < 0.25


def test_nothing_is_heard_where_nothing_is_said():
    ticks = np.zeros((34_000, 1), np.float32)
    for frame in (9, 15):
        ticks[frame * 2000 : frame * 2000 + 480, 0] = tick()
    assert read(ticks, SAMPLE_RATE) == ()
    assert read(np.zeros((34_000, 1), np.float32), SAMPLE_RATE) == ()


def test_loudness_channels_and_rate_do_not_matter():
    clip = clips()[0]
    expected = read(clip["audio"], SAMPLE_RATE)
    assert read(0.2 * clip["audio"], SAMPLE_RATE) == expected
    assert read(np.repeat(clip["audio"], 2, axis=1), SAMPLE_RATE) == expected
    with pytest.raises(RequestError):
        read(clip["audio"] * np.nan, SAMPLE_RATE)


def test_a_recording_is_trimmed_to_its_word_and_of_one_loudness(tmp_path):
    sound = np.zeros(16_000)
    sound[5_000:9_000] = 0.02 * np.sin(2 * np.pi * 440 * np.arange(4_000) / 16_000)
    with wave.open(str(tmp_path / "word.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, len(sound), "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    word = read_recording(tmp_path / "word.wav")
    assert 0.25 < len(word) / VOICES_RATE < 0.33
    assert np.sqrt(np.mean(np.square(word[400:1600]))) == pytest.approx(0.1, rel=0.2)
    assert abs(word[0]) < 1e-3 and abs(word[-1]) < 1e-3


def test_shipped_recordings_hold_whole_words():
    for split in ("train", "test"):
        voices = load(split)
        lengths = np.diff(voices.ends, prepend=0) / VOICES_RATE
        assert (lengths > 0.12).all() and (lengths <= 0.91).all()
        loudness = [np.sqrt(np.mean(np.square(voices.recording(i)))) for i in range(0, len(voices), 7)]
        assert 0.03 < min(loudness) and max(loudness) < 0.13
