"""What lies outside of a training: the encoder of the model says what the words of a prompt are."""

from typing import Any

from reelm.lm.scope import Scope, outside
from reelm.tokenizer.text.words import words_of

ASKED: dict[str, Any] = {"height": 64, "width": 64, "fps": 8.0, "likeness": lambda prompt: 1.0}


def test_a_text_without_spaces_has_the_words_that_its_encoder_finds():
    scope = Scope(words=("红", "球"))
    assert not outside("a", scope, {"红球": list("红球")}, **ASKED)
    assert outside("a", scope, {"红球": words_of("红球")}, **ASKED) == [
        "a may not know '红球': its captions have no '红球'"
    ]
