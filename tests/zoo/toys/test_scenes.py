"""Scenes are those of their seeds, show what splits promise, and captions tell the truth of them."""

import numpy as np
import pytest

from reelm.zoo.toys import captions, scenes
from reelm.zoo.toys.scenes import SPLITS
from reelm.zoo.toys.stage import seen
from reelm.zoo.toys.toys import COLOURS, NEW_PATTERNS, SHAPES

MANY = range(200)


def test_a_scene_is_that_of_its_split_and_index():
    assert scenes.draw("train", 7) == scenes.draw("train", 7)
    assert scenes.draw("train", 7) != scenes.draw("test", 7)


@pytest.mark.parametrize("split", SPLITS)
def test_splits_keep_combinations_and_patterns_apart(split):
    for index in MANY:
        players = scenes.draw(split, index).players
        held = [scenes.held_out(player.toy, player.motion) for player in players]
        new = [player.toy.pattern in NEW_PATTERNS for player in players]
        assert held[0] if split == "held_out" else not any(held + new)


def test_toys_never_run_through_each_other_and_stay_in_sight():
    time = np.arange(0, 4, 0.125)
    for index in MANY:
        scene = scenes.draw("train", index)
        places = np.stack([player.act.place(time) for player in scene.players])
        for i, one in enumerate(scene.players):
            for j, other in enumerate(scene.players[:i]):
                # Half-widths bound how close upright toys may come; a cube's corner reaches a little further.
                apart = np.abs(places[i] - places[j])
                near = one.toy.half_width + other.toy.half_width
                high = one.toy.half_height + other.toy.half_height
                touching = (np.hypot(apart[:, 0], apart[:, 1]) < near - 0.02) & (apart[:, 2] < high - 0.02)
                assert not touching.any(), (index, scene.link)
        middle = seen(scene, time)[..., 0]
        assert ((middle > -0.05) & (middle < 1.05)).mean() > 0.8, index


def test_captions_name_the_toys_and_no_others():
    for index in MANY:
        scene = scenes.draw("train", index)
        said = captions.captions(scene)
        assert len(set(said)) > 1
        for caption in said:
            words = caption.replace(",", "").split()
            assert [word for word in words if word in COLOURS] == [player.toy.colour for player in scene.players]
            assert ("an orange" in caption) == any(
                a == "an" and b == "orange" for a, b in zip(words, words[1:], strict=False)
            )
            assert ("without sound" in caption) == (not scene.sounds)
            if "night" in caption:
                assert scene.hour == "night"
            for side in ("left", "right"):
                if f"rolls {side}" in caption or f"slides {side}" in caption:
                    assert any(player.side == side for player in scene.players)
        plain = said[0].replace(",", "").split()
        assert [word for word in plain if word in SHAPES] == [player.toy.shape for player in scene.players]


def test_chinese_captions_name_the_same_toys_in_the_same_order():
    for index in MANY:
        scene = scenes.draw("train", index)
        for caption in captions.chinese_captions(scene):
            names = [captions._ZH_COLOUR[player.toy.colour] for player in scene.players]
            at = [caption.find(name) for name in names]
            assert min(at) >= 0 and sum(caption.count(name) for name in set(names)) == len(names)
