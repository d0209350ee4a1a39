"""Sound of moving digits: names, a tick at every bounce, silence on request; pictures and words stay as they are."""

import hashlib

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.moving_digits import scenes
from reelm.data.moving_digits.make_voices import Take, packed
from reelm.data.moving_digits.mnist import load as load_digits
from reelm.data.moving_digits.scenes import DIGIT_SIZE, FPS, SIZE, SPLITS, Mover, Scene
from reelm.data.moving_digits.soundtracks import (
    SILENT_WORDS,
    _microphone,
    _through,
    bounces,
    example,
    soundtrack,
    tick,
    voices_for,
)
from reelm.data.moving_digits.voices import VOICES_RATE, from_mu_law, load, more_voices_file, to_mu_law
from reelm.storage.arrays import write_arrays

DIGITS = load_digits("train", "compact")
CLIPS = [example("train", index, 33, DIGITS) for index in range(30)]


def mover(digit: int, direction: str = "right", start: tuple[int, int] = (10, 10), slow: bool = False) -> Mover:
    return Mover(digit=digit, colour="red", direction=direction, slow=slow, image=0, start=start)


def test_pictures_and_words_are_those_of_the_silent_set():
    for index, clip in enumerate(CLIPS):
        silent = scenes.example("train", index, 33, DIGITS)
        np.testing.assert_array_equal(clip["video"], silent["video"])
        assert tuple(caption.removesuffix(SILENT_WORDS) for caption in clip["captions"]) == silent["captions"]
        assert clip["scene"] == silent["scene"]


def test_a_track_is_as_long_as_its_clip_and_a_longer_one_continues_it():
    for index, clip in enumerate(CLIPS[:8]):
        assert clip["audio"].shape == (33 * 2000, 1) and clip["audio"].dtype == np.float32
        short = example("train", index, 9, DIGITS)["audio"]
        # A tick at the seam is cut at the end of the shorter clip.
        np.testing.assert_array_equal(short, clip["audio"][: len(short)])


def test_captions_ask_for_silence_and_get_it():
    silent = [clip for clip in CLIPS if clip["captions"][0].endswith(SILENT_WORDS)]
    assert 1 <= len(silent) <= 8
    for clip in CLIPS:
        assert {caption.endswith(SILENT_WORDS) for caption in clip["captions"]} == {not clip["audio"].any()}


@pytest.mark.parametrize("split", SPLITS)
def test_speakers_of_training_are_heard_nowhere_else(split):
    train, here = set(load("train").names), set(voices_for(split).names)
    assert here == train if split == "train" else not here & train
    for voices in (load("train"), load("test")):
        assert all(len(takes) for takes in voices.takes.values())
        assert all((voices.digits[takes] == digit).all() for (_, digit), takes in voices.takes.items())


def test_more_voices_are_heard_in_training_alone_where_they_were_gathered(tmp_path, monkeypatch):
    monkeypatch.setenv("REELM_HOME", str(tmp_path))
    clips = lambda split, name="moving_digits_voices": catalog.open_clips(name, split, num_frames=9, num_clips=8)  # noqa: E731
    usual = clips("train", "moving_digits_sound")
    assert clips("train").description["voices"] == usual.description["voices"]
    takes = [Take("stranger", digit, np.sin(np.arange(2_000) * (digit + 1) / 9)) for digit in range(10)]
    write_arrays(more_voices_file(), packed(takes, "train"))
    assert clips("train").description["voices"] == "more_voices/train"
    assert clips("test").description["voices"] == clips("test", "moving_digits_sound").description["voices"]
    more = clips("train")
    for heard, as_usual in ((more[index], usual[index]) for index in range(8)):
        np.testing.assert_array_equal(heard["video"], as_usual["video"])
        assert heard["captions"] == as_usual["captions"]
        audio = heard.get("audio", np.zeros(1))
        assert np.array_equal(audio, as_usual.get("audio", audio)) == (not audio.any())


def test_a_bounce_is_the_first_frame_at_the_edge_or_turned_back():
    room = SIZE - DIGIT_SIZE
    at_edge = Scene((mover(3, start=(5, room - 18)),))  # 9 steps of 2 pixels end on the edge
    assert bounces(at_edge, 40) == [9, 27]
    between = Scene((mover(3, start=(5, room - 17)),))  # the edge is crossed between frames 8 and 9
    assert bounces(between, 40) == [9, 27]
    assert bounces(Scene((mover(3, "left", (5, 8), slow=True),)), 60) == [8, 44]
    assert bounces(Scene((mover(3, "up", (8, 0), slow=True), mover(4, "up", (16, 30)))), 20) == [8]
    assert bounces(Scene((mover(3, "down", (0, 5)),)), 18) == []


def test_every_turn_of_the_picture_is_a_bounce():
    for clip in CLIPS:
        way = clip["scene"].trajectory(33)
        # A mover speeds up or down at the edge alone: in the frame there, or in both frames around it.
        turned = {1 + int(t) for t in np.flatnonzero(np.diff(way, 2, axis=1).any((0, 2)))}
        heard = set(bounces(clip["scene"], 32))
        assert heard <= turned
        assert turned <= heard | {t - 1 for t in bounces(clip["scene"], 33)}


def test_ticks_sound_at_the_frames_of_the_bounces_and_names_before():
    clip = next(c for c in CLIPS if c["audio"].any() and len(c["scene"].movers) == 1 and bounces(c["scene"], 30))
    audio, frame = clip["audio"][:, 0], bounces(clip["scene"], 30)[0]
    at = frame * 16_000 // FPS
    np.testing.assert_allclose(audio[at : at + 400], tick()[:400], atol=1e-4)
    assert not audio[at - 800 : at].any() and not audio[at + 600 : at + 1200].any()
    assert audio[: 16_000 // 2].std() > 0.01


def test_two_names_come_in_the_order_of_the_caption():
    voices = load("train")
    rng = lambda: np.random.default_rng(5)  # noqa: E731
    both = soundtrack(Scene((mover(7, "down", (0, 5)), mover(2, "down", (0, 30)))), 16, voices, rng())
    first = soundtrack(Scene((mover(7, "down", (0, 5)),)), 16, voices, rng())
    length = np.flatnonzero(first)[-1] + 1
    np.testing.assert_array_equal(both[:length], first[:length])
    gap = np.flatnonzero(both[length:])[0]
    assert 0.06 < gap / 16_000 < 0.12 and both[length + gap :].std() > 0.01


def test_a_track_at_another_rate_is_the_same_sound():
    clip = next(index for index, each in enumerate(CLIPS) if each["audio"].any())
    high = example("train", clip, 9, DIGITS, sample_rate=48_000)["audio"][:, 0]
    low = example("train", clip, 9, DIGITS, sample_rate=16_000)["audio"][:, 0]
    assert len(high) == 3 * len(low)
    spectrum = lambda x: np.abs(np.fft.rfft(x))[: 3000 * len(low) // 16_000] / len(x)  # noqa: E731
    np.testing.assert_allclose(spectrum(high), spectrum(low), atol=1e-4)


def test_tracks_lie_on_the_grid_of_16_bits():
    audio = CLIPS[0]["audio"] * 32768
    np.testing.assert_array_equal(audio, np.round(audio))
    assert np.abs(audio).max() < 32768


def test_mu_law_keeps_samples_within_its_steps():
    samples = np.linspace(-1, 1, 999)
    error = np.abs(from_mu_law(to_mu_law(samples)) - samples)
    assert (error <= 0.022 * np.abs(samples) + 1e-4).all()
    assert VOICES_RATE == 8000


def test_clips_never_change_between_releases():
    clip = example("held_out", 3, 9, load_digits("test", "compact"))
    track, said = (clip["audio"] * 32768).astype(np.int16), "\n".join(clip["captions"])
    digest = hashlib.sha256(track.tobytes() + said.encode()).hexdigest()
    assert digest[:16] == "82d2fdbe049a0b8f"


def test_a_microphone_weighs_frequencies_and_nothing_else():
    recording = load("train").recording(0).astype(float)
    np.testing.assert_allclose(_through(np.ones(256), recording), recording, atol=1e-9)
    tone = np.sin(2 * np.pi * 1_000 * np.arange(4_000) / 8_000)  # a quarter of the way up to 4 kHz
    gains = np.linspace(0.5, 2.5, 256)
    np.testing.assert_allclose(_through(gains, tone)[500:-500], tone[500:-500], atol=0.02)
    assert np.ptp(20 * np.log10(_microphone(np.random.default_rng(0)))) > 3


@pytest.mark.parametrize("split", SPLITS)
def test_training_alone_varies_its_voices(split):
    index = next(i for i in range(9) if SILENT_WORDS not in example(split, i, 1)["captions"][0])
    clip, rng = example(split, index, 9), np.random.default_rng([1, SPLITS.index(split), index])
    rng.random()  # decided whether it is silent
    sound = soundtrack(clip["scene"], 9, voices_for(split), rng, varied=split == "train")
    np.testing.assert_array_equal(clip["audio"], sound)
