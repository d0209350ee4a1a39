"""The net that tells sentences which mean a caption from others."""

import numpy as np
import pytest

from reelm.tokenizer.text.prompt_retrieval import known_share
from reelm.train.lm import known


@pytest.fixture(scope="module")
def sentences() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    meant, others = (rng.standard_normal((400, 16)).astype(np.float32) + shift for shift in (0.8, -0.8))
    return meant, others


def test_it_tells_sentences_apart_that_it_did_not_see(sentences):
    net, least = known.fit(*(each[:300] for each in sentences))
    meant, others = (known_share(net, each[300:]) for each in sentences)
    assert (meant >= least).mean() > 0.85 and (others < least).mean() > 0.85


def test_the_scale_of_an_embedding_does_not_matter_and_the_same_sentences_give_the_same_net(sentences):
    few = [each[:60] for each in sentences]
    (net, least), (again, same) = known.fit(*few), known.fit(*few)
    np.testing.assert_allclose(known_share(net, few[0]), known_share(net, 7 * few[0]), atol=1e-5)
    assert least == same and all(np.array_equal(net[name]["kernel"], again[name]["kernel"]) for name in ("in", "out"))


def test_the_mean_of_nets_has_the_mean_of_their_logits(sentences):
    rng = np.random.default_rng(1)
    nets = [known._init(rng, 16) for _ in range(3)]
    shares = [known_share(net, sentences[0]) for net in nets]
    logits = np.mean([np.log(share / (1 - share)) for share in shares], axis=0)
    np.testing.assert_allclose(known_share(known._mean(nets), sentences[0]), 1 / (1 + np.exp(-logits)), rtol=1e-4)
