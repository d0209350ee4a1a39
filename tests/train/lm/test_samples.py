"""Tests of training samples of the language model: the prefix of each task, and its codes."""

import numpy as np
import pytest

from reelm.data.tokens.sample import TokenSample
from reelm.lm.control.field import of_source
from reelm.lm.control.sources import SPATIAL
from reelm.lm.net.config import LMConfig
from reelm.lm.specials import CONTINUES, CUT, CUT_FROM, FILLER, NAMES, PictureKind
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


@pytest.fixture(scope="module")
def story(sample: TokenSample) -> TokenSample:
    """Return a clip with two references, codes 2001 and 2002, and its next shot with the second one."""
    return {
        **sample,
        "references": np.broadcast_to(np.array([2001, 2002], np.int32)[:, None, None], (2, 1, 2)),
        "reference_captions": ("a red <1> moves up and a blue <2> moves left", "a red <1>"),
        "next_video": 3000 + sample["video"],
        "next_sound": 3000 + sample["sound"],
        "next_captions": ("a blue seven moves",),
        "next_reference_captions": ("a blue <2> moves",),
    }


def draws(
    text: TextTokenizer,
    sample: TokenSample,
    task: Task,
    frames: int,
    count: int = 60,
    caption_dropout: float = 0.0,
    **more,
) -> list:
    model = LMConfig(prefix=48, sound_levels=3, sound_frames=(2, 8), picture_kinds=6)
    to_sample = ToSample(
        text, model, task=task, frames=frames, fps=8.0, stride=4, caption_dropout=caption_dropout, **more
    )
    return [to_sample.random_map(sample, np.random.default_rng(i)) for i in range(count)]


def test_a_clip_that_begins_has_its_words_alone(text, sample):
    (one, *_) = draws(text, sample, "t2v", 5)
    np.testing.assert_array_equal(one["codes"].video, sample["video"][:5])
    assert one["prefix"].kinds.shape == (0, 2, 3) and one["prefix"].words[4] != FILLER


def test_windows_come_from_everywhere_but_the_beginning(text, sample):
    made = draws(text, sample, "continuation", 5)
    firsts = {int(each["codes"].video[0, 0, 0]) // 6 for each in made}
    assert firsts == {1, 2, 3, 4}
    begins = draws(text, sample, "t2v", 5)[0]["prefix"].words
    for each in made:
        assert each["codes"].video.shape == (5, 2, 3)
        np.testing.assert_array_equal(each["prefix"].codes, sample["video"][:1])
        assert (each["prefix"].kinds == PictureKind.ANCHOR).all()
        assert (each["prefix"].words != begins).sum() == 1  # it says that it continues


def test_given_frames_lie_inside_the_clip_at_their_times(text, sample):
    made = draws(text, sample, "keyframes", 5)
    seen = set()
    for each in made:
        prefix = each["prefix"]
        there = prefix.kinds[:, 0, 0] == PictureKind.FRAME
        assert there.any() and (prefix.kinds[~there] == PictureKind.NOTHING).all()
        np.testing.assert_array_equal(prefix.codes[there][:, 0, 0], 1000 + 4 * prefix.times[there])
        seen |= set(prefix.times[there])
    assert seen == {4.0, 1.25}  # frames 16 and 5; frame 0 is the first code itself, frame 32 lies beyond


def test_gaps_are_boxes_or_all_around_them(text, sample):
    made = draws(text, sample, "inpainting", 3, 200)
    shares = []
    for each in made:
        prefix = each["prefix"]
        np.testing.assert_array_equal(prefix.codes, each["codes"].video)
        np.testing.assert_array_equal(prefix.times, [0, 1, 2])
        unknown = prefix.kinds == PictureKind.UNKNOWN
        assert unknown.any() and set(np.unique(prefix.kinds)) <= {PictureKind.KNOWN, PictureKind.UNKNOWN}
        np.testing.assert_array_equal(unknown[1:], unknown[:-1])
        shares.append(unknown.mean())
    assert min(shares) < 0.3 and max(shares) == 1


def test_sound_is_that_beside_the_pictures(text, sample):
    (one, *_) = draws(text, sample, "t2v", 3)
    np.testing.assert_array_equal(one["codes"].sound, sample["sound"][: 2 + 8 + 8])
    for each in draws(text, sample, "continuation", 3, 10):
        first = int(each["codes"].video[0, 0, 0]) // 6
        begin = 2 + 8 * (first - 1)
        np.testing.assert_array_equal(each["codes"].sound, sample["sound"][begin : begin + 24])


def test_sound_is_heard_before_the_pictures_in_its_own_task_alone(text, sample):
    heard = draws(text, sample, "a2v", 3)
    for each in heard:
        np.testing.assert_array_equal(each["prefix"].sound, each["codes"].sound)
    assert 0.3 < np.mean([each["prefix"].words[4] == FILLER for each in heard]) < 0.7  # words would give it away
    assert draws(text, sample, "t2v", 3, 1)[0]["prefix"].sound.shape == (0, 3)


def test_frames_are_often_all_that_is_asked_for(text, sample):
    words = [each["prefix"].words[4] != FILLER for each in draws(text, sample, "keyframes", 5)]
    assert 0.3 < np.mean(words) < 0.7


def test_a_clip_without_a_track_says_so(text, sample):
    silent = TokenSample(**(sample | {"sound": np.zeros((0, 3), np.int32)}))  # type: ignore[typeddict-item]
    (one, *_) = draws(text, silent, "t2v", 3)
    assert one["codes"].sound.shape == (18, 3) and (one["codes"].sound == -1).all()


def shown(prefix) -> dict[int, int]:
    """Codes of the references of a prefix by their numbers."""
    there = prefix.numbers > 0
    return dict(zip(prefix.numbers[there].tolist(), prefix.references[there][:, 0, 0].tolist(), strict=True))


def named(prefix) -> list[int]:
    return [int(each) - NAMES for each in prefix.words if NAMES < each <= NAMES + 4]


def test_words_name_the_references_that_are_given(text, story):
    made = [each["prefix"] for each in draws(text, story, "reference", 5, 200, references=1.0)]
    seen, orders = [], set()
    for prefix in made:
        assert prefix.references.shape == (2, 1, 2) and len(named(prefix)) in (1, 2)
        seen.append(shown(prefix))
        orders.add(tuple(named(prefix)))
        if shown(prefix):
            assert [shown(prefix)[number] for number in named(prefix)] == [2001, 2002][: len(named(prefix))]
    assert 0.03 < np.mean([not each for each in seen]) < 0.2  # what words name is not always seen
    assert (1, 2) in orders and (2, 1) in orders and {each for order in orders for each in order} == {1, 2, 3, 4}


def test_some_samples_keep_their_references_and_lose_their_words(text, story):
    made = [each["prefix"] for each in draws(text, story, "reference", 5, 100, caption_dropout=1.0, references=1.0)]
    assert all((prefix.words[4:] == FILLER).all() for prefix in made)
    assert 0.1 < np.mean([bool(shown(prefix)) for prefix in made]) < 0.4


def test_references_stand_beside_what_another_task_gives(text, story):
    made = draws(text, story, "continuation", 5, references=0.5)
    assert 0.2 < np.mean([bool(shown(each["prefix"])) for each in made]) < 0.7
    for each in made:
        assert each["prefix"].kinds.shape == (1, 2, 3) and (each["prefix"].kinds == PictureKind.ANCHOR).all()
        assert bool(named(each["prefix"])) or not shown(each["prefix"])


def test_a_shot_after_a_cut_is_seen_behind_the_first_frame_of_the_one_before(text, story):
    made = draws(text, story, "shots", 5, references=0.5)
    firsts = [int(each["codes"].video[0, 0, 0] - 3000) // 6 for each in made]
    assert {*firsts} == {1, 2, 3, 4} and 0.5 < np.mean([first == 1 for first in firsts]) < 0.95
    for each, first in zip(made, firsts, strict=True):
        prefix, begin = each["prefix"], 2 + 8 * (first - 1)
        assert prefix.words[0] == (CUT if first == 1 else CONTINUES)
        np.testing.assert_array_equal(prefix.codes, story["video"][:1])
        assert (prefix.kinds == PictureKind.ANCHOR).all() and prefix.times.tolist() == [CUT_FROM]
        np.testing.assert_array_equal(each["codes"].sound, 3000 + story["sound"][begin : begin + 40])
        assert not each["codes"].at_start and {*shown(prefix).values()} <= {2002}
    assert any(shown(each["prefix"]) for each in made)


def test_a_retake_knows_pictures_and_sound_around_a_gap_in_time(text, sample):
    gaps = set()
    for each in draws(text, sample, "retake", 5, 100):
        prefix, codes = each["prefix"], each["codes"]
        unknown = (prefix.kinds == PictureKind.UNKNOWN).all(axis=(1, 2))
        assert ((prefix.kinds == PictureKind.KNOWN).all(axis=(1, 2)) == ~unknown).all() and not unknown.all()
        beside = np.repeat(unknown, [2, 8, 8, 8, 8])
        assert (prefix.sound[beside] == -1).all()
        np.testing.assert_array_equal(prefix.sound[~beside], codes.sound[~beside])
        gaps.add(tuple(np.flatnonzero(unknown).tolist()))
    assert {(2,), (1, 2, 3), (0,), (4,)} <= gaps


def test_a_gap_may_lie_later_in_a_long_clip(text, sample):
    for each in draws(text, sample, "retake", 5, 40, later=True):
        prefix, codes = each["prefix"], each["codes"]
        first = int(codes.video[0, 0, 0]) // 6
        assert prefix.words[0] == CONTINUES and not codes.at_start and 1 <= first <= 4
        np.testing.assert_array_equal(prefix.codes, np.concatenate([sample["video"][:1], codes.video]))
        np.testing.assert_array_equal(prefix.times, [-1, 0, 1, 2, 3, 4])
        beside = np.repeat((prefix.kinds[1:] == PictureKind.UNKNOWN).all(axis=(1, 2)), 8)
        np.testing.assert_array_equal(prefix.sound, np.where(beside[:, None], -1, codes.sound))


def test_control_clips_speak_seldom_beside_tracks_that_tracks_are_heard(text, sample):
    model = LMConfig(prefix=48, sound_levels=3, sound_frames=(2, 8), tracks=1, structures=("edges",))
    to_sample = ToSample(text, model, task="t2v", frames=3, fps=8.0, stride=4, caption_dropout=0.0, control_dropout=0.2)

    def shares(steered: TokenSample) -> dict[str, float]:
        fields = [to_sample.random_map(steered, np.random.default_rng(i))["codes"].control for i in range(200)]
        return {source: np.mean([of_source(model.channels, source, x).any() for x in fields]) for source in SPATIAL}

    outlined = sample.copy()
    outlined["edges"] = sample["video"]
    alone = shares(outlined)
    assert alone["tracks"] == 0 and 0.7 < alone["structure"] < 0.9
    outlined["tracks"] = np.full((1, 33, 2), 0.5, np.float32)
    both = shares(outlined)
    assert 0.7 < both["tracks"] < 0.9 and 0.25 < both["structure"] < 0.45
