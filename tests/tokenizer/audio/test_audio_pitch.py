"""Tests of the pitch of a frame and its wave: right within 1%, and only where it is known."""

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
    wave = np.asarray(pitch.waves(signs, HOP, 8 * HOP, History()))[0, 1:, 0]
    peaks = np.abs(np.fft.rfft(wave * np.hanning(8 * HOP), 8 * RATE)).argmax(axis=1) / 8
    np.testing.assert_allclose(peaks / hz, 1, atol=0.01)


def test_projection_on_waves_gives_size_and_phase():
    # 2 kHz is a pitch of its own, with a whole number of waves in each frame.
    waves = pitch.waves(pitch.signs(tone(2_000), HOP, BITS, History())[:, 1:], HOP, HOP, History())
    parts = cosine.projection(tone(2_000, phase=1.0)[:, HOP:], waves, jnp.full((1, 3), 0.25))
    np.testing.assert_allclose(parts[0], [[np.cos(1), np.sin(1)]] * 3, atol=2e-3)


def test_a_constant_pitch_is_one_wave_over_chunks():
    signs = pitch.signs(tone(3_456), HOP, BITS, History())[:, 1:]
    signs = jnp.concatenate([signs] * 3, axis=1)
    whole = pitch.waves(signs, HOP, HOP, History())
    line = np.asarray(whole[0, :, 0]).reshape(-1)
    spectrum = np.abs(np.fft.rfft(line * np.hanning(len(line))))
    assert abs(spectrum.argmax() / len(line) * RATE / 3_456 - 1) < 0.01
    # A wave that began anew in each frame would have lines 50 Hz apart.
    assert (
        np.square(spectrum[abs(np.arange(len(spectrum)) - spectrum.argmax()) < 3]).sum()
        > 0.999 * np.square(spectrum).sum()
    )
    history = History()
    first = pitch.waves(signs[:, :4], HOP, HOP, history)
    np.testing.assert_array_equal(whole[:, :4], first)
    np.testing.assert_array_equal(whole[:, 4:], pitch.waves(signs[:, 4:], HOP, HOP, History(history.after)))


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
