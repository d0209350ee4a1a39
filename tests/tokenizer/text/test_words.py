"""Characters that show nothing change no words, whichever way a text is read."""

import pytest
from made.models import tiny_model

from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.words import normalised, readable, visible, words_of

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


VOCABULARY = ("elephant", "avión", "飞", "机", "起", "飛行", "行", "機")


def pieces(word: str) -> int:
    """Count the pieces of a word as a vocabulary does that falls back to letters, and to two bytes for unknown Han."""
    return 1 if word in VOCABULARY else sum(1 if each in VOCABULARY or each < "\u0250" else 3 for each in word)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("an éléphant", "an elephant"),
        ("un avión", "un avión"),
        ("飛機起飛", "飞机起飞"),
        ("飛ぶ機", "飛ぶ機"),
        ("ガラス", "ガラス"),
        ("й", "й"),
    ],
)
def test_a_word_is_read_in_the_form_that_a_vocabulary_knows(text, read):
    assert readable(text, pieces) == read


def test_traditional_characters_and_accents_give_the_pieces_of_plain_ones():
    text = TextTokenizer.train(["a red seven", "红色的七向右移动"] * 4, 400)
    assert text.encode("紅色的七向右移動") == text.encode("红色的七向右移动")
    assert text.words("紅色 a réd") == ["红", "色", "a", "red"]
    accented = TextTokenizer.train(["a réd seven"] * 4, 400)
    assert accented.encode("a réd seven") != accented.encode("a red seven")
