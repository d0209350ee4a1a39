"""Moving digits: what a clip shows is exactly what its scene and its caption say, and splits never leak."""

import hashlib
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from reelm.data.moving_digits.mnist import DigitSet, load
from reelm.data.moving_digits.scenes import (
    COLOURS,
    DIGIT_WORDS,
    DIRECTIONS,
    FIRST_BOUNCE,
    SPLITS,
    Example,
    Scene,
    Split,
    digits_for,
    example,
    is_held_out,
    render,
    sample_scene,
)

CLIPS = 150


def handwriting(split: Split) -> DigitSet:
    return load("train" if split == "train" else "test", "compact")


@cache
def examples(split: Split) -> tuple[Example, ...]:
    return tuple(example(split, index, 12, handwriting(split)) for index in range(CLIPS))


def scenes(split: Split) -> list[Scene]:
    return [clip["scene"] for clip in examples(split)]


def held_out(scene: Scene) -> list[bool]:
    colours = list(COLOURS)
    return [is_held_out(m.digit, colours.index(m.colour), DIRECTIONS.index(m.direction)) for m in scene.movers]


def parse(caption: str) -> list[tuple[int, str, str, bool]]:
    """(digit, colour, direction, slow) of each clause, by a grammar of its own."""
    clauses = []
    for clause in caption.split(" and "):
        found = re.fullmatch(
            r"(?:a |the )?(slow )?(\w+) (?:digit |number )?(\w+) (slowly )?"
            r"(?:moves|moving|goes|going|drifts|drifting)(?: to the)? (\w+)",
            clause,
        )
        assert found, clause
        slow, colour, digit, slowly, direction = found.groups()
        number = int(digit) if digit.isdigit() else DIGIT_WORDS.index(digit)
        clauses.append((number, colour, direction, bool(slow or slowly)))
    return clauses


def test_held_out_combinations_leave_every_word_in_training() -> None:
    kept = [
        (digit, colour, direction)
        for digit in range(10)
        for colour in range(7)
        for direction in range(4)
        if not is_held_out(digit, colour, direction)
    ]
    assert len(kept) == 252
    # Every pair of words is trained on: only threefold combinations are new.
    assert len({(d, c) for d, c, _ in kept}) == 70
    assert len({(d, w) for d, _, w in kept}) == 40
    assert len({(c, w) for _, c, w in kept}) == 28
    assert is_held_out(4, 0, 2) and is_held_out(3, 2, 1) and not is_held_out(7, 1, 1)


@pytest.mark.parametrize("split", ["train", "test"])
def test_trained_splits_show_no_held_out_combination(split: Split) -> None:
    assert not any(any(held_out(scene)) for scene in scenes(split))


def test_held_out_split_shows_one_in_every_clip() -> None:
    assert all(any(held_out(scene)) for scene in scenes("held_out"))
    assert {len(scene.movers) for scene in scenes("held_out")} == {1, 2}


def test_splits_draw_from_their_own_handwriting() -> None:
    assert digits_for("train", "compact").name == "mnist-compact/train"
    assert {digits_for(split, "compact").name for split in ("test", "held_out")} == {"mnist-compact/test"}


@pytest.mark.parametrize("split", SPLITS)
def test_example_is_a_function_of_split_and_index(split: Split) -> None:
    for index in (0, 7, CLIPS - 1):
        again = example(split, index, 12, handwriting(split))
        assert again["captions"] == examples(split)[index]["captions"]
        assert again["scene"] == examples(split)[index]["scene"]
        np.testing.assert_array_equal(again["video"], examples(split)[index]["video"])
    assert len({clip["video"].tobytes() for clip in examples(split)}) == CLIPS


def test_same_index_differs_between_splits() -> None:
    assert len({example(split, 3, 1, handwriting("test"))["video"].tobytes() for split in SPLITS}) == 3


def test_longer_clip_continues_the_shorter() -> None:
    for index in range(20):
        longer = example("train", index, 40, handwriting("train"))
        assert longer["video"].shape == (40, 64, 64, 3)
        assert longer["captions"] == examples("train")[index]["captions"]
        np.testing.assert_array_equal(longer["video"][:12], examples("train")[index]["video"])


def test_frames_show_the_tinted_digit_at_its_place_and_nothing_else() -> None:
    digits = handwriting("train")
    for clip in examples("train")[:40]:
        corners = clip["scene"].trajectory(12)
        for frame_index in (0, 5, 11):
            expected = np.zeros((64, 64, 3), int)
            for mover, path in zip(clip["scene"].movers, corners, strict=True):
                y, x = path[frame_index]
                for channel, full in enumerate(COLOURS[mover.colour]):
                    window = expected[y : y + 28, x : x + 28, channel]
                    window[:] = np.maximum(window, digits.images[mover.image].astype(int) * full // 255)
                assert digits.labels[mover.image] == mover.digit
            np.testing.assert_array_equal(clip["video"][frame_index], expected)


@pytest.mark.parametrize("split", SPLITS)
def test_movers_go_straight_at_their_speed_before_the_first_bounce(split: Split) -> None:
    way = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    for scene in scenes(split):
        steps = np.diff(scene.trajectory(FIRST_BOUNCE), axis=1)
        for mover, step in zip(scene.movers, steps, strict=True):
            assert (step == np.array(way[mover.direction]) * (1 if mover.slow else 2)).all()


def test_movers_bounce_and_never_leave_the_picture() -> None:
    for scene in scenes("train"):
        corners = scene.trajectory(200)
        assert corners.min() >= 0 and corners.max() <= 64 - 28
        steps = np.diff(corners, axis=1)
        for mover, step in zip(scene.movers, steps, strict=True):
            along = step[:, 0] if mover.direction in ("up", "down") else step[:, 1]
            assert along.min() == -along.max() < 0
            assert np.abs(step).sum(axis=1).max() == (1 if mover.slow else 2)


@pytest.mark.parametrize("split", SPLITS)
def test_two_digits_differ_in_colour_and_stay_apart_at_first(split: Split) -> None:
    pairs = [scene for scene in scenes(split) if len(scene.movers) == 2]
    assert pairs
    for scene in pairs:
        first, second = scene.movers
        assert first.colour != second.colour
        inks = [render(Scene((m,)), handwriting(split), FIRST_BOUNCE).any(axis=-1) for m in scene.movers]
        assert not (inks[0] & inks[1]).any()


@pytest.mark.parametrize("split", SPLITS)
def test_all_captions_but_the_last_say_the_whole_scene(split: Split) -> None:
    for clip in examples(split):
        for caption in clip["captions"][:-1]:
            assert parse(caption) == [(m.digit, m.colour, m.direction, m.slow) for m in clip["scene"].movers]
            assert len(caption.split()) <= 13


@pytest.mark.parametrize("split", SPLITS)
def test_the_last_caption_says_the_digits_and_nothing_untrue(split: Split) -> None:
    for clip in examples(split):
        clauses = clip["captions"][-1].split(" and ")
        for clause, m in zip(clauses, clip["scene"].movers, strict=True):
            digit, *other = (word for word in clause.split() if word not in ("a", m.colour))
            assert digit in (str(m.digit), DIGIT_WORDS[m.digit])
            assert set(other) <= {"moves", "moving", m.direction}
    short = [clip["captions"][-1].split() for clip in examples(split)]
    assert any(len(words) == 1 for words in short) and any(set(words) & set(COLOURS) for words in short)


def test_captions_come_in_several_phrasings() -> None:
    words = Counter(word for clip in examples("train") for word in clip["captions"][0].split())
    assert {"moves", "moving", "goes", "drifting", "slow", "slowly", "a", "the", "to"} <= set(words)
    assert any(word.isdigit() for word in words) and set(words) & set(DIGIT_WORDS)
    assert len(words) <= 50  # and yet of few words, so that a small vocabulary covers them


def test_count_asks_for_one_or_two_digits() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2):
        for split in SPLITS:
            assert len(sample_scene(rng, handwriting(split), split=split, count=count).movers) == count
    with pytest.raises(ValueError, match="1 or 2"):
        sample_scene(rng, handwriting("train"), split="train", count=3)


def test_clips_never_change_between_releases() -> None:
    clip = example("held_out", 0, 17, handwriting("held_out"))
    digest = hashlib.sha256(clip["video"].tobytes() + "\n".join(clip["captions"]).encode()).hexdigest()
    assert digest[:16] == "cc8f7521666fb718"
