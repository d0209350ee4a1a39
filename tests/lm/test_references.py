"""References: their names among the words are ids of their own, and each picture carries its name."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from made.parameters import random_params

from reelm.errors import RequestError
from reelm.lm.net import transformer
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_prefix
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import count, prompt_prefix, truncated
from reelm.lm.specials import HEAD, NAMES, SPECIALS, PictureKind, renamed
from reelm.tokenizer.text.pieces import TextTokenizer

TEXT = TextTokenizer.train(["a red seven moves up and a blue two moves left"] * 9, 300)
CONFIG = LMConfig(
    bits=10, text_vocabulary=TEXT.vocabulary, prefix=20, width=32, layers=1, heads=2, kv_heads=1, head_width=16,
    hidden=32, picture_kinds=6,
)  # fmt: skip
SIZE: dict[str, Any] = {"rows": 2, "columns": 3, "fps": 8.0}


def ids(config: LMConfig, prompt: str) -> list[int]:
    words = prompt_prefix(config, TEXT, [prompt], **SIZE).words[0, HEAD:]
    return [int(each) for each in words if each]


@pytest.mark.parametrize("prompt", ["a red <1> moves up and <3>", "a red＜1＞moves up and<3>"])
def test_a_name_is_one_id_and_the_words_around_it_are_read_as_ever(prompt):
    pieces = [[SPECIALS + piece for piece in TEXT.encode(part)] for part in ("a red", "moves up and")]
    assert ids(CONFIG, prompt) == [*pieces[0], NAMES + 1, *pieces[1], NAMES + 3]
    assert count(CONFIG, TEXT, prompt) == len(ids(CONFIG, prompt))


def test_a_model_without_references_reads_names_as_text():
    old = replace(CONFIG, picture_kinds=5)
    assert ids(old, "a red <1>") == [SPECIALS + piece for piece in TEXT.encode("a red <1>")]


def test_names_that_no_picture_can_have_are_refused():
    for prompt in ("a <5>", "a <0> and <1>"):
        with pytest.raises(RequestError, match="references are <1> to <4>"):
            ids(CONFIG, prompt)


def test_a_prompt_is_cut_where_its_slots_end():
    cut = truncated(CONFIG, TEXT, "a red <1> moves " * 9)
    assert count(CONFIG, TEXT, cut) == 16 and cut.startswith("a red <1>")


def test_names_change_with_their_numbers():
    assert renamed("a <1> and a <2>", {1: 4, 2: 1}) == "a <4> and a <1>"
    assert renamed("a seven", {}) == "a seven"


def test_the_slots_of_a_reference_carry_its_name_and_no_other_picture_does():
    params = jax.tree.map(np.asarray, random_params(transformer.init_params, CONFIG, noise=0.2))
    words = prompt_prefix(CONFIG, TEXT, ["a red <1>"], **SIZE)
    references = np.arange(2, dtype=np.int32).reshape(1, 1, 1, 2)
    codes = np.arange(6, dtype=np.int32).reshape(1, 1, 2, 3)

    def slots(number: int) -> np.ndarray:
        prefix: Prefix = replace(
            words,
            references=references,
            numbers=np.array([[number]], np.int32),
            codes=codes,
            kinds=np.full_like(codes, PictureKind.FRAME),
            times=np.ones((1, 1), np.float32),
        )
        return np.asarray(embed_prefix(CONFIG, params, prefix, np.float32))[0]

    names = params["prefix"]["embedding"][NAMES:]
    changed = slots(2) - slots(4)
    np.testing.assert_allclose(changed[:2], np.tile(names[2] - names[4], (2, 1)), atol=1e-5)
    assert not changed[2:].any()
    # Where none is given, its codes say nothing.
    np.testing.assert_array_equal(slots(0)[0], slots(0)[1])
