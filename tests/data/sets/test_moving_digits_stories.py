"""Stories of moving digits: pictures show the handwriting of the clip otherwise, and captions call it by its number."""

import re
from typing import Any

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.moving_digits import scenes, soundtracks, stories
from reelm.data.moving_digits.mnist import load
from reelm.data.moving_digits.scenes import COLOURS, SPLITS
from reelm.data.moving_digits.soundtracks import SILENT_WORDS
from reelm.errors import RequestError

DIGITS = load("train", "compact")
VOICES = soundtracks.voices_for("train")
CLIPS: list[Any] = [stories.example("train", index, 17, DIGITS, VOICES) for index in range(30)]
SCENES = [scenes.example("train", index, 1, DIGITS)["scene"] for index in range(30)]


def test_the_clip_is_that_of_the_set_with_sound():
    for index in range(3):
        clip = soundtracks.example("train", index, 17, DIGITS, VOICES)
        for name in ("video", "audio", "sample_rate"):
            np.testing.assert_array_equal(CLIPS[index][name], clip[name])
        *english, last = CLIPS[index]["captions"]
        assert tuple(english) == clip["captions"] and not last.isascii()


def test_a_story_is_a_function_of_split_and_index():
    again: Any = stories.example("train", 4, 17, DIGITS, VOICES)
    longer: Any = stories.example("train", 4, 33, DIGITS, VOICES)
    np.testing.assert_array_equal(again["references"], CLIPS[4]["references"])
    np.testing.assert_array_equal(again["next_shot"]["video"], CLIPS[4]["next_shot"]["video"])
    assert again["reference_captions"] == CLIPS[4]["reference_captions"]
    np.testing.assert_array_equal(longer["references"], CLIPS[4]["references"])


def test_a_picture_shows_one_handwriting_alone_in_one_colour():
    colours, places = set(), set()
    for clip, scene in zip(CLIPS, SCENES, strict=True):
        assert clip["references"].shape == (len(scene.movers), 64, 64, 3)
        for picture, mover in zip(clip["references"], scene.movers, strict=True):
            ink = picture.max(axis=-1)
            full = {tuple(np.sign(colour)) for colour in picture[ink > 0]}
            assert len(full) == 1 and tuple(255 * np.array(full.pop())) in COLOURS.values()
            rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
            image = DIGITS.images[mover.image]
            seen, whole = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.argwhere(image)
            if seen.sum() == image.sum():  # of the same size
                (top, left), (bottom, right) = whole.min(axis=0), whole.max(axis=0) + 1
                np.testing.assert_array_equal(seen, image[top:bottom, left:right])
                places.add((rows[0] - top, columns[0] - left))
            colours.add(tuple(np.sign(picture).max(axis=(0, 1))))
    assert len(colours) > 4 and len(places) > 15


def test_other_sizes_keep_the_ink_in_its_place():
    image = DIGITS.images[7]
    for size in (20, 28, 44):
        made = stories.resized(image, size)
        middle = [np.average(np.arange(len(each)), weights=each.sum(axis=1)) / len(each) for each in (image, made)]
        assert made.shape == (size, size) and abs(middle[0] - middle[1]) < 0.03
    np.testing.assert_array_equal(stories.resized(image, 28), image)


def test_captions_call_each_digit_by_its_number_and_keep_the_rest():
    for clip, scene in zip(CLIPS, SCENES, strict=True):
        for caption in clip["reference_captions"][:2]:
            clauses = caption.removesuffix(SILENT_WORDS).split(" and ")
            assert re.findall(r"<\d>", caption) == [f"<{k}>" for k in range(1, len(scene.movers) + 1)]
            for clause, mover in zip(clauses, scene.movers, strict=True):
                assert mover.colour in clause and mover.direction in clause
        named = [re.findall(r"<(\d)>", caption) for caption in clip["reference_captions"][3:-1]]
        assert len(named) == 3 * (len(scene.movers) - 1) and all(len(each) == 1 for each in named)
        in_chinese = clip["reference_captions"][-1]
        assert re.findall(r"<\d>", in_chinese) == ["<1>", "<2>"][: len(scene.movers)]
        assert not clip["audio"].any() or SILENT_WORDS not in "".join(clip["reference_captions"])


@pytest.mark.parametrize("split", SPLITS)
def test_the_next_scene_has_the_handwriting_of_the_clip(split):
    digits = DIGITS if split == "train" else load("test", "compact")
    strangers, counts = 0, []
    for index in range(60):
        scene, rng = scenes.example(split, index, 1, digits)["scene"], np.random.default_rng(index)
        after, names = stories.next_scene(scene, rng, digits, split)
        counts.append(len(after.movers))
        strangers += names[0] is None
        for mover, name in zip(after.movers, names, strict=True):
            assert name is None or mover.image == scene.movers[int(name[1]) - 1].image
        assert any(mover.held_out for mover in after.movers) == (split == "held_out")
    assert set(counts) == {1, 2} and 1 < strangers < 30


def test_the_next_shot_follows_the_last_frame_and_has_words_of_both_kinds():
    for clip in CLIPS:
        shot = clip["next_shot"]
        assert shot["video"].shape == clip["video"].shape and shot["audio"].shape == clip["audio"].shape
        np.testing.assert_array_equal(shot["video"][0], clip["video"][-1])
        np.testing.assert_array_equal(shot["audio"][:2000], clip["audio"][-2000:])
        assert "<" not in "".join(shot["captions"]) and len(shot["reference_captions"]) == 4
        assert clip["audio"].any() or not shot["audio"].any()


def test_stories_are_drawn_by_name_and_not_built(tmp_path):
    clip: Any = catalog.open_clips("moving_digits_stories", "train", num_frames=1, num_clips=2)[1]
    assert clip["references"].dtype == np.uint8 and "next_shot" not in clip
    with pytest.raises(RequestError, match="drawn on demand"):
        catalog.build("moving_digits_stories", tmp_path)
