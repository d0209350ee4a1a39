"""Tests of the audio tokenizer: causality, equality of chunks and whole, lengths, invalid inputs."""

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.parameters import random_params

from reelm.errors import RequestError
from reelm.media.sound import resample, resampled_length
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, autoencode, init_params

MONO = AudioTokenizerConfig(
    sample_rate=2000,
    strides=(5, 10),
    encoder_channels=(6, 8),
    decoder_channels=(6, 8),
    levels=3,
    groups=1,
    bits=5,
)
STEREO = AudioTokenizerConfig(
    sample_rate=4000,
    channels=2,
    strides=(10, 4),
    encoder_channels=(8, 8),
    encoder_blocks=1,
    decoder_channels=(8, 8),
    decoder_blocks=1,
    levels=2,
    bits=9,
)


BLOCKS = AudioTokenizerConfig(
    sample_rate=2000,
    strides=(40,),
    encoder_channels=(8,),
    decoder_channels=(8,),
    levels=4,
    groups=2,
    bits=5,
    fewer_levels=(1, 2),
    loudness_bits=4,
    stretch=0.2,
)


def noisy(config: AudioTokenizerConfig) -> AudioTokenizer:
    """Weights whose every part counts; a fresh decoder would be silent."""
    return AudioTokenizer(config, random_params(init_params, config, noise=0.2))


TOKENIZERS = {
    "mono": noisy(MONO),
    "stereo": noisy(STEREO),
    "blocks": noisy(BLOCKS),
    "pitch": noisy(replace(BLOCKS, channels=2, pitch=True)),
}


@pytest.fixture(params=["stereo", "pitch"])  # stages of strides, and blocks with all that they can have
def tokenizer(request) -> AudioTokenizer:
    return TOKENIZERS[request.param]


def random_sound(tokenizer: AudioTokenizer, hops: int, batch: int = 1) -> np.ndarray:
    shape = (batch, hops * tokenizer.config.hop, tokenizer.config.channels)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_shapes_types_and_ranges(tokenizer):
    config = tokenizer.config
    ids = tokenizer.encode(random_sound(tokenizer, 7, batch=2), config.sample_rate)
    assert ids.shape == (2, 7, config.levels) and ids.dtype == np.int32
    assert ids.min() >= 0 and ids.max() < 1 << config.bits and len(np.unique(ids)) > 3
    sound = tokenizer.decode(ids)
    assert sound.shape == (2, 7 * config.hop, config.channels) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1 and sound.std() > 0


@pytest.mark.parametrize("cut", [1, 5])
def test_chunks_equal_the_whole(tokenizer, cut):
    sound = random_sound(tokenizer, 12)
    whole_ids = tokenizer.encode(sound, tokenizer.config.sample_rate)
    whole_sound = tokenizer.decode(whole_ids)

    state, parts = tokenizer.init_encode_state(), []
    for first in range(0, 12, cut):
        piece = sound[:, first * tokenizer.config.hop : (first + cut) * tokenizer.config.hop]
        ids, state = tokenizer.encode_chunk(piece, state)
        parts.append(ids)
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole_ids)

    state, parts = tokenizer.init_decode_state(), []
    for first in range(0, 12, cut):
        piece, state = tokenizer.decode_chunk(whole_ids[:, first : first + cut], state)
        parts.append(piece)
    # As promised: float32 sums of programs of other lengths differ.
    np.testing.assert_allclose(np.concatenate(parts, 1), whole_sound, atol=1e-4)


def test_the_codes_are_those_that_training_sees(tokenizer):
    sound = random_sound(tokenizer, 7, batch=2)
    rebuilt, latent = jax.jit(autoencode, static_argnums=0)(tokenizer.config, tokenizer.params, jnp.asarray(sound))
    ids = tokenizer.encode(sound, tokenizer.config.sample_rate)
    np.testing.assert_allclose(tokenizer.decode(ids), np.clip(rebuilt, -1, 1), atol=1e-4)
    # The first round of codes is the signs of the latent, one code a group.
    groups, bits = tokenizer.config.groups, tokenizer.config.bits
    signs = np.asarray(latent)[..., : groups * bits].reshape(*ids.shape[:2], groups, bits) >= 0
    assert np.mean(ids[..., :groups] == signs @ (1 << np.arange(bits))) > 0.99


def test_no_sample_depends_on_a_later_hop(tokenizer):
    hop = tokenizer.config.hop
    sound = jnp.asarray(random_sound(tokenizer, 4))

    @jax.jit
    @jax.grad
    def gradient(sound, frame):
        whole, _ = autoencode(tokenizer.config, tokenizer.params, sound)
        return jnp.sum(jnp.square(jax.lax.dynamic_slice_in_dim(whole[0], frame * hop, hop)))

    for frame in range(4):
        reached = np.abs(np.asarray(gradient(sound, frame)[0]))
        # All of a hop may count, to its very last sample, and nothing after it.
        assert reached[(frame + 1) * hop - 1].sum() > 0
        np.testing.assert_array_equal(reached[(frame + 1) * hop :], 0)


def test_memory_stays_the_same_however_long_the_stream(tokenizer):
    state = tokenizer.init_encode_state()
    shapes = jax.tree.map(jnp.shape, state)
    for _ in range(3):
        _, state = tokenizer.encode_chunk(random_sound(tokenizer, 5), state)
        assert jax.tree.map(jnp.shape, state) == shapes


def test_a_fresh_decoder_is_nearly_silent():
    decoder = jax.jit(lambda key: init_params(MONO, key)["decoder"])(jax.random.key(0))
    fresh = AudioTokenizer(MONO, TOKENIZERS["mono"].params | {"decoder": decoder})
    assert np.abs(fresh.reconstruct(random_sound(fresh, 3), 2000)).max() < 0.05


@pytest.mark.parametrize(
    ("shape", "rate"),
    [((1,), 2000), ((340,), 7000), ((3, 61, 2), 1000)],
)
def test_reconstruct_returns_the_shape_given(shape, rate):
    sound = np.random.default_rng(0).uniform(-1, 1, shape)
    rebuilt = TOKENIZERS["mono"].reconstruct(sound, rate)
    assert rebuilt.shape == shape and rebuilt.dtype == np.float32 and np.abs(rebuilt).max() <= 1


def test_mono_and_stereo_are_converted():
    left, right = np.random.default_rng(0).uniform(-1, 1, (2, 400))
    both = np.stack([left, right], -1)
    mono, stereo = TOKENIZERS["mono"], TOKENIZERS["stereo"]
    np.testing.assert_array_equal(mono.encode(both, 2000), mono.encode((left + right) / 2, 2000))
    np.testing.assert_array_equal(stereo.encode(left, 4000), stereo.encode(np.stack([left, left], -1), 4000))


def test_int16_is_the_same_sound():
    sound = np.random.default_rng(0).integers(-32768, 32768, 300).astype(np.int16)
    mono = TOKENIZERS["mono"]
    np.testing.assert_array_equal(mono.encode(sound, 2000), mono.encode(sound / 32768, 2000))


def test_fewer_levels_are_the_same_sound_at_a_lower_rate():
    blocks = TOKENIZERS["blocks"]
    ids = blocks.encode(random_sound(blocks, 6), 2000)
    sounds = [blocks.decode(ids[..., :levels]) for levels in (1, 2, 4)]
    assert all(sound.shape == sounds[0].shape and sound.std() > 0 for sound in sounds)
    assert not np.array_equal(sounds[0], sounds[1]) and not np.array_equal(sounds[1], sounds[2])
    rebuild = jax.jit(autoencode, static_argnums=0)
    kept, _ = rebuild(BLOCKS, blocks.params, jnp.asarray(random_sound(blocks, 6)), kept=jnp.array([2]))
    np.testing.assert_allclose(sounds[1], np.clip(kept, -1, 1), atol=1e-4)
    with pytest.raises(RequestError, match="1 or 2 or 4"):
        blocks.decode(ids[..., :3])
    with pytest.raises(RequestError, match=r"F, 3\]"):
        TOKENIZERS["mono"].decode(ids[..., :2])


def test_silence_stays_silent_and_loudness_comes_back():
    blocks = TOKENIZERS["blocks"]
    sound = np.zeros((1, 20 * 40, 1), np.float32)
    sound[:, 200:400] = 0.5 * np.random.default_rng(0).choice([-1, 1], (200, 1))
    rebuilt = blocks.reconstruct(sound, 2000)
    # The last block fades into the frame behind it.
    assert not rebuilt[:, :200].any() and not rebuilt[:, 410:].any() and rebuilt[:, 200:400].any()


@pytest.mark.parametrize(
    ("fps", "frames", "rate"), [(8, 6, 1920), (12, 4, 1920), (24, 2, 1920), (25, 2, 2000), (30, 2, 2400), (50, 1, 2000)]
)
def test_a_stretched_rate_divides_video_frames(fps, frames, rate):
    assert BLOCKS.frames_beside(1, fps) == frames and BLOCKS.rate_beside(fps) == rate
    assert BLOCKS.frames_beside(17, fps) == 17 * frames


def test_a_rate_beyond_the_stretch_is_refused():
    with pytest.raises(RequestError, match="nearest rate that fits is 50 fps"):
        BLOCKS.frames_beside(1, 70)


@given(frames=st.integers(1, 400), fps=st.sampled_from([5, 8, 10, 20, 40]), rate=st.integers(1_000, 768_000))
def test_sound_as_long_as_the_video_has_matching_audio_frames(frames, fps, rate):
    config = AudioTokenizerConfig()
    length = resampled_length(round(frames * rate / fps), rate, config.sample_rate)
    assert -(-length // config.hop) == config.frames_beside(frames, fps)


def test_audio_frames_beside_latent_frames():
    config = AudioTokenizerConfig()
    assert config.hop == 400 and config.frame_rate == 40
    assert [config.frames_beside(frames, 8.0) for frames in (1, 5, 17)] == [5, 25, 85]
    ntsc = AudioTokenizerConfig(sample_rate=48_000, strides=(16, 10), encoder_channels=(8, 8), decoder_channels=(8, 8))
    assert ntsc.frame_rate == 300
    with pytest.raises(RequestError, match="nearest rate that fits is 30 fps"):
        ntsc.frames_beside(1, 30_000 / 1001)
    with pytest.raises(RequestError, match=r"40 .* 12 .* 13\.3333 fps"):
        config.frames_beside(17, 12)
    assert AudioTokenizerConfig(sample_rate=44_100, strides=(147, 5)).frame_rate == Fraction(60)


@pytest.mark.parametrize("rate", [7_000, 11_025, 44_100, 44_101, 192_000])
def test_resampling_keeps_a_tone_its_place_and_its_length(rate):
    samples = rate // 2
    tone = lambda n, rate: 0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / rate)  # noqa: E731
    made = resample(tone(samples, rate).astype(np.float32)[None, :, None], rate, 16_000)[0, :, 0]
    assert len(made) == resampled_length(samples, rate, 16_000)
    middle = slice(1000, 7000)  # the ends ring
    error = made[middle] - tone(len(made), 16_000)[middle]
    assert 20 * np.log10(np.std(tone(len(made), 16_000)) / np.std(error)) > 80


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (np.zeros((0,)), 16_000, "no samples"),
        (np.zeros((2, 0, 1)), 16_000, "no samples"),
        (np.full(50, np.nan), 16_000, "NaN"),
        (np.full(50, 20_000.0), 16_000, "full scale"),
        (np.zeros((50, 6)), 16_000, "1 or 2 channels"),
        (np.zeros(50, np.int64), 16_000, "such as int16, not int64"),
        (np.float32(0), 16_000, "shape"),
        (np.zeros(50), 0, "sample rate"),
        (np.zeros(50), 16_000.5, "sample rate"),
        (np.zeros(50), None, "sample rate"),
    ],
)
def test_invalid_sounds_are_refused_in_one_line(sound, rate, words):
    with pytest.raises(RequestError, match=words) as refused:
        TOKENIZERS["mono"].encode(sound, rate)
    assert "\n" not in str(refused.value)


def test_sound_slightly_over_full_scale_is_clipped_with_a_warning(caplog):
    mono = TOKENIZERS["mono"]
    loud = np.linspace(-1.3, 1.3, 100)
    ids = mono.encode(loud, 2000)
    assert "clipped" in caplog.text
    np.testing.assert_array_equal(ids, mono.encode(np.clip(loud, -1, 1), 2000))


def test_chunks_that_do_not_fit_are_refused(tokenizer):
    config = tokenizer.config
    state = tokenizer.init_encode_state()
    with pytest.raises(RequestError, match=f"nearest valid length is {2 * config.hop}"):
        tokenizer.encode_chunk(np.zeros((1, 2 * config.hop + 1, config.channels)), state)
    with pytest.raises(RequestError, match="batch of 1, not 2"):
        tokenizer.encode_chunk(random_sound(tokenizer, 1, batch=2), state)
    with pytest.raises(RequestError, match="batch of 2, not 1"):
        tokenizer.decode_chunk(np.zeros((1, 3, config.levels), int), tokenizer.init_decode_state(batch=2))


def test_codes_of_another_tokenizer_are_refused(tokenizer):
    levels, bits = tokenizer.config.levels, tokenizer.config.bits
    with pytest.raises(RequestError, match="another tokenizer"):
        tokenizer.decode(np.full((2, levels), 1 << bits))
    with pytest.raises(RequestError, match="shape"):
        tokenizer.decode(np.zeros((2, levels + 1), int))


def test_hash_follows_encoder_and_config_but_not_the_decoder(tokenizer):
    changed = jax.tree.map(lambda leaf: leaf + 1e-6, tokenizer.params)
    assert AudioTokenizer(tokenizer.config, changed).hash != tokenizer.hash
    further = {"encoder": tokenizer.params["encoder"], "decoder": changed["decoder"]}
    assert AudioTokenizer(tokenizer.config, further).hash == tokenizer.hash


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 3},
        {"strides": ()},
        {"strides": (20, 5, 4)},
        {"bits": 11},
        {"levels": 4, "fewer_levels": (4,)},
        {"loudness_bits": 3},
        {"stretch": 0.5},
        {"pitch": True},
        {
            "pitch": True,
            "strides": (40,),
            "encoder_channels": (8,),
            "decoder_channels": (8,),
            "loudness_bits": 4,
            "groups": 4,
        },
        {"levels": 0},
        {"levels": 3, "groups": 2},
        {"sample_rate": 10},
        {"encoder_channels": (8, 0)},
        {"decoder_blocks": -1},
        {"kernel": 0},
    ],
)
def test_impossible_sizes_are_refused(fields):
    with pytest.raises(RequestError):
        AudioTokenizerConfig(**fields)
