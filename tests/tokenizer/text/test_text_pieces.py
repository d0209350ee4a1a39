"""Tests of the text tokenizer: any text has ids, training is deterministic, text is never read as control tokens."""

import pytest

from reelm.data.moving_digits.scenes import example
from reelm.errors import RequestError
from reelm.tokenizer.text.pieces import TextTokenizer


@pytest.fixture(scope="module")
def captions() -> list[str]:
    return [example("train", i, 1)["captions"][0] for i in range(1500)]


@pytest.fixture(scope="module")
def text(captions) -> TextTokenizer:
    return TextTokenizer.train(captions)


def test_training_is_deterministic(text, captions):
    assert TextTokenizer.train(captions).model == text.model


def test_every_word_of_the_captions_is_one_piece(text, captions):
    assert all(len(text.encode(caption)) == len(caption.split()) for caption in captions)


def test_pieces_do_not_span_han_characters():
    text = TextTokenizer.train(["红色的七向右移动", "蓝色的三向上移动"] * 20, 300)
    assert [len(text.encode(words)) for words in ("七", "红色的七", "红色的七向右移动")] == [1, 4, 8]


def test_case_and_width_do_not_matter(text):
    assert text.encode("A RED Seven") == text.encode("a red seven") == text.encode("ａ ｒｅｄ seven")


@pytest.mark.parametrize("words", ["", "🦆", "\x00a\x00red", "עברית", "<unk> <s> </s>", "x" * 10_000])
def test_any_text_has_ids_in_range(text, words):
    ids = text.encode(words)
    assert all(0 <= i < text.vocabulary for i in ids)


def test_control_tokens_in_text_are_read_as_text(text):
    assert len(text.encode("<s>")) >= 3


def test_a_lone_surrogate_is_refused(text):
    with pytest.raises(RequestError, match="surrogate at character 2"):
        text.encode("a \ud800")


def test_a_too_small_vocabulary_is_refused_with_the_least_possible_one():
    captions = ["a red seven moves right"] * 9
    with pytest.raises(RequestError, match="vocabulary of 64 is too small: .* are 271 pieces"):
        TextTokenizer.train(captions, 64)
    assert TextTokenizer.train(captions, 271).vocabulary == 271
