"""What the language model is trained on: the prefix of each task, and codes that fit it."""

import numpy as np
import pytest

from reelm.data.tokens.sample import TokenSample
from reelm.lm.net.config import LMConfig
from reelm.lm.specials import FILLER, Given
from reelm.lm.tasks import Task
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.train.lm.samples import ToSample


@pytest.fixture(scope="module")
def text() -> TextTokenizer:
    return TextTokenizer.train(["a red seven moves right"] * 9, 280)


@pytest.fixture(scope="module")
def sample() -> TokenSample:
    frames = np.array([32, 16, 5, 0], np.int32)
    return TokenSample(
        video=np.arange(9 * 6, dtype=np.int32).reshape(9, 2, 3),
        captions=("a red seven moves right",),
        stills=1000 + np.broadcast_to(frames[:, None, None], (4, 2, 3)).astype(np.int32),
        still_frames=frames,
        sound=np.arange((2 + 8 * 8) * 3, dtype=np.int32).reshape(-1, 3),
    )


def draws(text: TextTokenizer, sample: TokenSample, task: Task, frames: int, count: int = 60) -> list:
    model = LMConfig(prefix=32, sound_levels=3, sound_frames=(2, 8))
    to_sample = ToSample(text, model, task=task, frames=frames, fps=8.0, stride=4, drop_text=0.0)
    return [to_sample.random_map(sample, np.random.default_rng(i)) for i in range(count)]


def test_a_clip_that_begins_has_its_words_alone(text, sample):
    (one, *_) = draws(text, sample, "begins", 5)
    np.testing.assert_array_equal(one["codes"].video, sample["video"][:5])
    assert one["prefix"].kinds.shape == (0, 2, 3) and one["prefix"].words[4] != FILLER


def test_windows_come_from_everywhere_but_the_beginning(text, sample):
    made = draws(text, sample, "continues", 5)
    firsts = {int(each["codes"].video[0, 0, 0]) // 6 for each in made}
    assert firsts == {1, 2, 3, 4}
    begins = draws(text, sample, "begins", 5)[0]["prefix"].words
    for each in made:
        assert each["codes"].video.shape == (5, 2, 3)
        np.testing.assert_array_equal(each["prefix"].codes, sample["video"][:1])
        assert (each["prefix"].kinds == Given.ANCHOR).all()
        assert (each["prefix"].words != begins).sum() == 1  # it says that it continues


def test_given_frames_lie_inside_the_clip_at_their_times(text, sample):
    made = draws(text, sample, "frames", 5)
    seen = set()
    for each in made:
        prefix = each["prefix"]
        there = prefix.kinds[:, 0, 0] == Given.FRAME
        assert there.any() and (prefix.kinds[~there] == Given.NOTHING).all()
        np.testing.assert_array_equal(prefix.codes[there][:, 0, 0], 1000 + 4 * prefix.times[there])
        seen |= set(prefix.times[there])
    assert seen == {4.0, 1.25}  # frames 16 and 5; frame 0 is the first code itself, frame 32 lies beyond


def test_gaps_are_boxes_or_all_around_them(text, sample):
    made = draws(text, sample, "fills", 3, 200)
    shares = []
    for each in made:
        prefix = each["prefix"]
        np.testing.assert_array_equal(prefix.codes, each["codes"].video)
        np.testing.assert_array_equal(prefix.times, [0, 1, 2])
        unknown = prefix.kinds == Given.UNKNOWN
        assert unknown.any() and set(np.unique(prefix.kinds)) <= {Given.KNOWN, Given.UNKNOWN}
        np.testing.assert_array_equal(unknown[1:], unknown[:-1])
        shares.append(unknown.mean())
    assert min(shares) < 0.3 and max(shares) == 1


def test_sound_is_that_beside_the_pictures(text, sample):
    (one, *_) = draws(text, sample, "begins", 3)
    np.testing.assert_array_equal(one["codes"].sound, sample["sound"][: 2 + 8 + 8])
    for each in draws(text, sample, "continues", 3, 10):
        first = int(each["codes"].video[0, 0, 0]) // 6
        begin = 2 + 8 * (first - 1)
        np.testing.assert_array_equal(each["codes"].sound, sample["sound"][begin : begin + 24])


def test_sound_is_heard_before_the_pictures_in_its_own_task_alone(text, sample):
    heard = draws(text, sample, "hears", 3)
    for each in heard:
        np.testing.assert_array_equal(each["prefix"].sound, each["codes"].sound)
    assert 0.3 < np.mean([each["prefix"].words[4] == FILLER for each in heard]) < 0.7  # words would give it away
    assert draws(text, sample, "begins", 3, 1)[0]["prefix"].sound.shape == (0, 3)


def test_frames_are_often_all_that_is_asked_for(text, sample):
    words = [each["prefix"].words[4] != FILLER for each in draws(text, sample, "frames", 5)]
    assert 0.3 < np.mean(words) < 0.7


def test_a_clip_without_a_track_says_so(text, sample):
    silent = TokenSample(**(sample | {"sound": np.zeros((0, 3), np.int32)}))  # type: ignore[typeddict-item]
    (one, *_) = draws(text, silent, "begins", 3)
    assert one["codes"].sound.shape == (18, 3) and (one["codes"].sound == -1).all()
