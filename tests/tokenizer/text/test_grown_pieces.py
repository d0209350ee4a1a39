"""A text tokenizer learns further words: what it knew keeps its ids."""

import pytest

from reelm.data.moving_digits.scenes import example
from reelm.errors import RequestError
from reelm.tokenizer.text.grown import grown
from reelm.tokenizer.text.pieces import TextTokenizer


@pytest.fixture(scope="module")
def captions() -> list[str]:
    return [example("train", i, 1)["captions"][0] for i in range(300)]


@pytest.fixture(scope="module")
def text(captions) -> TextTokenizer:
    return TextTokenizer.train(captions)


def test_words_and_symbols_are_added_behind_all_that_was_known(text, captions):
    more = grown(text, ("红", "色", "红色", "七", "向"), ("<1>",))
    assert more.continues(text) and more.vocabulary == text.vocabulary + 6 and not text.continues(more)
    assert all(more.encode(caption) == text.encode(caption) for caption in captions)
    new, seven = text.vocabulary, text.encode("7")
    assert more.encode("红色7向") == [new + 2, *seven, new + 4]
    assert more.encode("红<1>，７") == [new, new + 5, *text.encode("a,")[1:], *seven]
    assert grown(more, ("红色",), ("<1>",)).model == more.model


def test_a_word_that_is_joined_of_nothing_known_is_refused(text):
    with pytest.raises(RequestError, match="'红色的' is not found as one piece; list the two words"):
        grown(text, ("红", "色", "的", "红色的"))
