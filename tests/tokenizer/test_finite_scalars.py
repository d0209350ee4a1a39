"""Finite scalar quantization: levels of the paper's reference code, gradients that pass, levels that are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.tokenizer import finite_scalars
from reelm.tokenizer.code_spec import fsq_levels
from reelm.tokenizer.codes import ids_to_signs, latents_to_ids
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, autoencode, init_params

LEVELS = (8, 4, 2)


def published(latent: np.ndarray) -> np.ndarray:
    """Return the numbers of latents, as the appendix of arXiv 2309.15505 computes them."""
    levels = np.array(LEVELS, np.float32)
    half = (levels - 1) * (1 + 1e-3) / 2
    shift = np.arctanh(0.5 / half)
    return np.round(np.tanh(latent + shift) * half - 0.5) / (levels // 2)


def test_numbers_are_those_of_the_paper():
    latent = np.random.default_rng(0).normal(scale=3, size=(500, 3)).astype(np.float32)
    code = jax.jit(finite_scalars.quantize, static_argnums=1)(latent, LEVELS)
    assert {*np.unique(code)} == {-1.0, 1.0}
    values = jax.jit(finite_scalars.values, static_argnums=1)
    np.testing.assert_array_equal(values(code, LEVELS), published(latent))


def test_an_id_holds_levels_lowest_number_first():
    """The id of levels (l0, l1, l2) is l0 + 8 l1 + 32 l2, as in VidTok and vector-quantize-pytorch."""
    ids = np.arange(64, dtype=np.int32)
    numbers = np.asarray(finite_scalars.values(ids_to_signs(jnp.asarray(ids), 6), LEVELS))
    level = (numbers + 1) * np.array(LEVELS) / 2
    np.testing.assert_array_equal(level @ [1, 8, 32], ids)


def test_the_gradient_is_that_of_the_bounded_number():
    latent = jnp.asarray(np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32))
    weights = jnp.array([1.0, -2.0, 3.0])

    def rounded(z):
        return jnp.sum(weights * finite_scalars.values(finite_scalars.quantize(z, LEVELS), LEVELS))

    def bounded(z):
        return jnp.sum(weights * finite_scalars._bound(z, LEVELS) / jnp.array([4.0, 2.0, 1.0]))

    np.testing.assert_allclose(*(jax.jit(jax.grad(each))(latent) for each in (rounded, bounded)), rtol=1e-5)


@pytest.mark.parametrize(
    ("bits", "levels"), [(18, (8,) * 6), (15, (8,) * 5), (12, (8,) * 4), (14, (8, 8, 8, 8, 4)), (1, (2,))]
)
def test_default_levels_are_eight_or_fewer(bits, levels):
    assert fsq_levels(bits) == levels
    assert VideoTokenizerConfig(quantizer="fsq", bits=bits).scalars == levels


@pytest.mark.parametrize(
    ("levels", "bits", "words"),
    [((8, 5, 5), 9, "5 levels"), ((8, 1), 3, "1 levels"), ((8, 8), 18, "codes of 6 bits, not of 18")],
)
def test_levels_that_are_not_powers_of_two_are_refused(levels, bits, words):
    with pytest.raises(RequestError, match=words):
        VideoTokenizerConfig(quantizer="fsq", fsq_levels=levels, bits=bits)


def test_levels_need_the_quantizer_fsq():
    with pytest.raises(RequestError, match="need the quantizer fsq, not lfq"):
        VideoTokenizerConfig(fsq_levels=(8,) * 6)


@pytest.mark.long
@pytest.mark.slow
def test_a_tokenizer_with_this_quantizer_trains_and_streams():
    config = VideoTokenizerConfig(quantizer="fsq", bits=6, encoder_channels=(8,), decoder_channels=(8,))
    params = init_params(config, jax.random.key(0))
    video = np.random.default_rng(2).uniform(-1, 1, (1, 9, 16, 16, 3)).astype(np.float32)
    # The encoder's own matrix starts small; far codes need larger latents.
    params["encoder"]["latent"]["kernel"] *= 30.0
    params["decoder"]["pixels"]["kernel"] += 0.1

    def error(params):
        return jnp.mean(jnp.square(autoencode(config, params, jnp.asarray(video))[0] - video))

    gradients = jax.tree.map(lambda leaf: float(jnp.abs(leaf).max()), jax.grad(error)(params))
    assert gradients["encoder"]["latent"]["kernel"] > 0

    tokenizer = VideoTokenizer(config, params)
    whole = tokenizer.encode(video)
    assert len(np.unique(whole)) > 2
    state, parts = tokenizer.init_encode_state(height=16, width=16), []
    for chunk in (video[:, :5], video[:, 5:]):
        ids, state = tokenizer.encode_chunk(chunk, state)
        parts.append(ids)
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole)
    latents = autoencode(config, params, jnp.asarray(video))[1]
    np.testing.assert_array_equal(latents_to_ids(latents), whole)


def test_the_hash_tells_quantizers_apart():
    fsq = VideoTokenizerConfig(quantizer="fsq", bits=6)
    assert fsq.code_fields["fsq_levels"] == (8, 8)
    assert "fsq_levels" not in VideoTokenizerConfig(bits=6).code_fields
