"""Characters that show nothing change no words, whichever way a text is read."""

import pytest
from made.models import tiny_model

from reelm.tokenizer.text.words import normalised, visible, words_of

# Zero-width spaces and joiners, a byte order mark, marks of direction, soft hyphen, word joiner; a keycap.
HIDDEN = ("\u200b", "\ufeff", "\u202b", "\u202c", "\u00ad", "\u2060", "\u2066", "\u2069", "\u200d", "\ufe0f", "\u20e3")


def with_hidden(text: str, hidden: str) -> str:
    """Return a text with `hidden` after each of its characters and before the first."""
    return hidden + "".join(letter + hidden for letter in text)


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
@pytest.mark.parametrize("text", ["a red 7 moves right", "红色的七向右移动"])
def test_hidden_characters_change_no_words(hidden, text):
    assert visible(with_hidden(text, hidden)) == text
    assert words_of(with_hidden(text, hidden)) == words_of(text)
    assert normalised(with_hidden(text, hidden)) == normalised(text)


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_a_model_reads_the_words_that_are_seen(hidden):
    model = tiny_model(sound=False)
    assert model.lm is not None
    assert model.read_as(with_hidden("a red seven", hidden)) == "a red seven"
    assert model.lm.text.count(with_hidden("a red seven", hidden)) == model.lm.text.count("a red seven")
    assert model.read_as(hidden) == ""


@pytest.mark.parametrize("text", ["é", "e\u0301", "한국어", "हाथी", "صاروخ", "🚀", "x²", "a\tb"])
def test_what_is_seen_stays(text):
    assert visible(text) == text
