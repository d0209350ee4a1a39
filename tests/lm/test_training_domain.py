"""What lies outside of a training: the encoder of the model says what the words of a prompt are."""

from typing import Any

from reelm.lm.training_domain import TrainingDomain, outside
from reelm.tokenizer.text.prompt_retrieval import Similarity
from reelm.tokenizer.text.words import words_of

ASKED: dict[str, Any] = {
    "height": 64,
    "width": 64,
    "fps": 8.0,
    "similarity": lambda prompt: Similarity(1.0, prompt),
}


def test_a_text_without_spaces_has_the_words_that_its_encoder_finds():
    domain = TrainingDomain(words=("りんご", "赤い"))
    assert not outside("a", domain, {"赤いりんご": ["赤い", "りんご"]}, **ASKED)
    assert outside("a", domain, {"のりんごがみ": words_of("のりんごがみ")}, **ASKED) == [
        "a may not know 'のりんごがみ': its captions have no 'のりんごがみ'; nearest: 'りんご'"
    ]


def test_a_prompt_that_is_like_no_caption_is_told_the_nearest():
    asked = {**ASKED, "similarity": lambda prompt: Similarity(0.1, "cat")}
    assert outside("a", TrainingDomain(similarity=0.2), {"税务报告": []}, **asked) == [
        "a may not know '税务报告': no caption of its training is like it; nearest: 'cat'"
    ]


def test_what_an_encoder_cannot_read_of_a_prompt_is_named():
    asked = {**ASKED, "similarity": lambda prompt: Similarity(0.0, "cat", ("🍕", "코"))}
    assert outside("a", TrainingDomain(similarity=0.2), {"🍕 코": []}, **asked) == [
        "a may not know '🍕 코': it cannot read '🍕', '코'"
    ]


def test_one_unknown_word_is_enough_and_the_nearest_spelling_is_named():
    domain = TrainingDomain(words=("blue", "seven", "moves"))
    assert not outside("a", domain, {"show me the blue seven": words_of("show me the blue seven")}, **ASKED)
    for prompt, said in (
        ("blue balloon", "'balloon'"),
        ("rouge seven", "'rouge'"),
        ("a blue sevn moves", "'sevn'; nearest: 'seven'"),
    ):
        warning = f"a may not know {prompt!r}: its captions have no {said}"
        assert outside("a", domain, {prompt: words_of(prompt)}, **ASKED) == [warning]


def test_each_han_character_of_a_clause_is_a_word():
    domain = TrainingDomain(words=tuple(words_of("红色的七向右移动")))
    assert domain.words == tuple("红色的七向右移动")
    assert not outside("a", domain, {"一个红色的七": words_of("一个红色的七")}, **ASKED)
    assert outside("a", domain, {"一只猫": words_of("一只猫")}, **ASKED) == [
        "a may not know '一只猫': its captions have no '只', '猫'"
    ]


def test_words_have_one_width_and_case():
    assert words_of("Ａ ＲＥＤ七和７") == ["a", "red", "七", "和", "7"]


def test_a_model_that_knows_more_has_the_training_domain_of_both_trainings():
    one = TrainingDomain(sizes=((64, 64),), rates=(8.0,), frames=33, words=("red", "seven"))
    two = TrainingDomain(sizes=((64, 64), (64, 96)), rates=(12.0,), frames=17, words=("七", "red"))
    both = TrainingDomain(sizes=((64, 64), (64, 96)), rates=(8.0, 12.0), frames=33, words=("red", "seven", "七"))
    assert one.with_all(two) == two.with_all(one) == both
    assert one.with_all(TrainingDomain()) == TrainingDomain()  # what one training did not record, nobody knows
