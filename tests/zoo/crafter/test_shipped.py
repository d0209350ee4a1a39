"""The shipped world: it answers its keys, on a few cases that the game itself judges."""

import pytest

import reelm
from reelm.errors import RequestError
from reelm.zoo.crafter.evaluation import world
from reelm.zoo.crafter.game import KEYS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return reelm.load("crafter")


def test_a_walk_from_a_seed_shows_the_game(model):
    session = model.play(seed=3)
    assert session.keys == KEYS
    frames = [session.step(keys=["right"]).video for _ in range(3)]
    assert all(frame.shape == (1, 72, 72, 3) for frame in frames)


def test_keys_are_obeyed_and_what_blocks_blocks(model):
    pytest.importorskip("crafter", reason="the judge is the game, of the extra worlds")
    scores = world(model, clips=8, num_frames=20, seed=7)
    step = scores["one step"]
    assert scores["tokenizer"]["tiles"]["value"] > 0.99
    assert step["tiles"]["value"] > 0.9 and step["moved"]["value"] > 0.7 and step["blocked"]["value"] > 0.6


def test_words_are_refused_in_a_line_that_names_the_keys(model):
    with pytest.raises(RequestError, match="'crafter' reads no words: leave the prompt out, and play it by its keys"):
        model.play("hi")
