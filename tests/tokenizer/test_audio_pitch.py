"""The pitch of a frame as bits, and its wave: right within one in a hundred, and only where it is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.tokenizer.audio import cosine, pitch
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params
from reelm.tokenizer.history import History

RATE, HOP, BITS = 16_000, 320, 7
CONFIG = AudioTokenizerConfig(
    strides=(HOP,),
    encoder_channels=(8,),
    decoder_channels=(8,),
    encoder_blocks=1,
    decoder_blocks=1,
    fewer_levels=(2,),
    loudness_bits=BITS,
    pitch=True,
)


def tone(hz: float, phase: float = 0.0) -> jax.Array:
    clock = np.arange(4 * HOP) / RATE
    return jnp.asarray(0.25 * np.cos(2 * np.pi * hz * clock - phase), jnp.float32)[None, :, None]


@pytest.mark.parametrize("hz", [1_000, 1_234, 1_500, 2_000, 3_333, 4_000, 6_000, 7_400])
def test_a_tone_has_its_pitch(hz):
    # A voice below it may be far louder.
    signs = pitch.signs(tone(hz) + 3 * tone(200), HOP, BITS, History())
    assert signs.shape == (1, 4, BITS) and set(np.unique(signs)) <= {-1, 1}
    np.testing.assert_allclose(np.asarray(pitch.pitch(signs))[0, 1:] * RATE / hz, 1, atol=0.01)


def test_a_wave_tells_size_and_phase():
    waves = pitch.waves(jnp.full((1, 4), 2_000 / RATE), HOP)  # a whole number of waves in each frame
    parts = cosine.projection(tone(2_000, phase=1.0), waves, jnp.full((1, 4), 0.25))
    np.testing.assert_allclose(parts[0], [[np.cos(1), np.sin(1)]] * 4, atol=2e-3)


def test_a_pitch_is_heard_where_it_is_known():
    tokenizer = AudioTokenizer(CONFIG, random_params(init_params, CONFIG, noise=0.2))
    decoder = tokenizer.params["decoder"]
    still = {name: jax.tree.map(jnp.zeros_like, leaf) if "wave" in name else leaf for name, leaf in decoder.items()}
    without = AudioTokenizer(CONFIG, tokenizer.params | {"decoder": still})
    ids = tokenizer.encode(np.asarray(tone(3_000)), RATE)
    np.testing.assert_array_equal(tokenizer.decode(ids[..., :2]), without.decode(ids[..., :2]))
    assert np.abs(tokenizer.decode(ids) - without.decode(ids)).max() > 1e-3
    # The bits of the pitch begin the first code of the second round.
    signs = pitch.signs(tone(3_000), HOP, BITS, History())
    places = (ids[0, :, 2] >> np.arange(BITS)[:, None] & 1).T * 2 - 1
    np.testing.assert_array_equal(places, np.asarray(signs)[0])
