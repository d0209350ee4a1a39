"""Prompts that mean no emoji are doubted, and those that mean one are not."""

import pytest

import reelm
from reelm.zoo.emoji import doubts, phrases
from reelm.zoo.emoji.packages import Emoji
from reelm.zoo.emoji.translations import Translation


@pytest.mark.long
def test_the_shipped_one_doubts_few_prompts_that_it_knows_and_nearly_all_others():
    found = doubts.doubts(reelm.load("emoji"))
    assert found["known"]["prompts"] >= 300 and found["unknown"]["prompts"] >= 300
    assert found["known"]["doubted"] <= 0.03 and found["unknown"]["doubted"] >= 0.9
    assert found["captions"]["doubted"] == found["chinese"]["doubted"] == 0


def test_no_judged_prompt_is_fitted_and_what_an_emoji_shows_is_in_no_list_of_others():
    def emoji(base: str, name: str, keywords: tuple[str, ...], *, moves: bool) -> Emoji:
        webp = b"ANMFANMF" if moves else b""
        return Emoji(base=base, tone="", names=(name,), keywords=keywords, group="", webp=webp)

    every = [
        emoji("1f680", "rocket", ("space ship", "launch", "moon"), moves=True),
        emoji("1f355", "pizza", ("cheese", "slice", "space ship"), moves=False),
    ]
    frequent = ["pizza", "rockets", "of", "launching", "teacher", "fireworks", "冰箱", "学校"]
    shown, others = phrases.phrases(every, {"1f680": [Translation("火箭", ("太空",))]}, frequent)
    judged = {prompt for prompts in phrases.unknown_prompts().values() for prompt in prompts}
    assert {"pizza", "fireworks", "冰箱"} <= judged and not judged & {*shown, *others}
    assert {"cheese", "teacher", "学校"} <= {*others}
    assert not {"space ship", "rockets", "launching", "rocket"} & {*others}
    assert any("火箭" in each for each in shown) and any("rocket" in each for each in shown)
