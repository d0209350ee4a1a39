"""The loss of the audio tokenizer: the weighted terms of one batch, and the distances of sounds in them.

In: sounds `float [B, S, C]`. Out: scalars to minimise. The adversarial terms are in `audio_adversary.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from reelm.evaluation.features.mel import mel_filters, mel_spectrogram, spectra
from reelm.tokenizer import quantizer
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.loudness import power
from reelm.tokenizer.audio.tokenizer import autoencode
from reelm.tokenizer.code_spec import CodeSpec
from reelm.train.step.adversarial import Terms

from .audio_config import AudioTokenizerRun

_SPECTRUM_WINDOWS = (256, 512, 1024)
_SOFTEST = 1e-3  # root mean square below which a frame counts as silent
_QUIET = 1e-2  # compressed magnitude below which a spectrum counts as silent
_ENVELOPE_WINDOWS = (256, 512)
_ENVELOPE_BANDS = 24
_FAINT = 1e-2  # fraction of the loudest band's amplitude below which a band counts as silent
_HEARD_HZ = 2500.0  # frequency up to which the ear follows a waveform rather than its loudness


def make_loss(run: AudioTokenizerRun):
    """Return `(params, sound [B, S, C], key, step) -> (loss, (metrics, pairs))`; entropies in nats, snr in dB.

    `pairs` holds (sound, rebuilt).
    """
    config, weights = run.model, run.losses

    def loss(params: dict, sound: jax.Array, key: jax.Array, step: jax.Array) -> Terms:
        tokenizer = params["tokenizer"]
        if run.freeze_encoder:
            tokenizer = {**tokenizer, "encoder": jax.lax.stop_gradient(tokenizer["encoder"])}
        read = sound
        if count := round(run.data.own_output * len(sound)):
            again, _ = autoencode(config, jax.lax.stop_gradient(tokenizer), sound[:count])
            read = jnp.concatenate([jnp.clip(again, -1, 1), sound[count:]])
        rebuilt, latent = autoencode(config, tokenizer, read, kept=_kept_levels(config, key, len(sound)))
        levels = config.residual.remainders(latent)
        quantized = jax.lax.stop_gradient(config.residual.quantize(latent))
        error, energy = jnp.mean(jnp.square(rebuilt - sound)), jnp.mean(jnp.square(sound)) + 1e-8
        terms = {
            "waveform": jnp.mean(jnp.abs(rebuilt - sound)),
            "power": error / energy,
            "mel": mel_distance(sound, rebuilt, config.sample_rate, run.mel_windows, weights.mel_floor),
            "commitment": jnp.mean(jnp.square(latent - quantized)),
        }
        # Each of these terms takes a tenth of a step or more, so it is computed only if it has a weight.
        if weights.loudness:
            terms["loudness"] = loudness_distance(sound, rebuilt, config.hop)
        if weights.envelope:
            terms["envelope"] = envelope_distance(sound, rebuilt, config.sample_rate)
        if weights.spectrum:
            terms["spectrum"] = spectrum_distance(sound, rebuilt, config.sample_rate)
        if weights.sample_entropy:
            terms["sample_entropy"] = quantizer.sample_entropy(levels, weights.temperature)
        if weights.batch_entropy:
            terms["batch_entropy"] = -_batch_entropy(levels, config.code, weights.temperature)
        total = sum((getattr(weights, name) * term for name, term in terms.items()), jnp.zeros(()))
        if weights.batch_entropy:
            terms["batch_entropy"] *= -1  # a log shows the entropy itself
        # Balance of the bits: 0 when every bit is always the same, 1 when each is set half of the time.
        share = jnp.mean(levels >= 0, axis=tuple(range(levels.ndim - 2)))
        about = {"snr": 10 * jnp.log10(energy / error), "bit_balance": jnp.mean(1 - jnp.abs(2 * share - 1))}
        return total, ({**terms, **about}, [(sound, rebuilt)])

    return loss


def _batch_entropy(levels: jax.Array, code: CodeSpec, temperature: float) -> jax.Array:
    """Return the mean over levels of the entropy of the codes of each; `levels` is `[..., L, K]`."""
    count = levels.shape[-2]
    each = [quantizer.batch_entropy(levels[..., level, :], code, temperature) for level in range(count)]
    return sum(each, jnp.zeros(())) / count


def _kept_levels(config: AudioTokenizerConfig, key: jax.Array, batch: int) -> jax.Array | None:
    """Return the number of levels that each sound of a batch keeps: all for half of them, else of `fewer_levels`."""
    if not config.fewer_levels:
        return None
    fewer = jax.random.choice(key, jnp.array(config.fewer_levels), (batch,))
    return jnp.where(jnp.arange(batch) % 2 == 0, config.levels, fewer)


def mel_distance(
    original: jax.Array, rebuilt: jax.Array, sample_rate: int, windows: tuple[int, ...], floor: float
) -> jax.Array:
    """Return the mean absolute difference of log10-mel magnitudes over `windows`, with one band for every 8 samples.

    Short windows resolve the time of a tick, long ones the pitch of a voice (descript-audio-codec, arXiv 2306.06546,
    section 3.4, with fewer scales). Magnitudes below `floor` count as `floor`.
    """

    def log_mel(sound: jax.Array, window: int) -> jax.Array:
        return jnp.log10(floor + mel_spectrogram(jnp.moveaxis(sound, -1, 1), sample_rate, window, max(4, window // 8)))

    apart = [jnp.mean(jnp.abs(log_mel(original, window) - log_mel(rebuilt, window))) for window in windows]
    return sum(apart, jnp.zeros(())) / len(windows)


def loudness_distance(original: jax.Array, rebuilt: jax.Array, hop: int) -> jax.Array:
    """Return the mean absolute difference of log10 root mean squares of pieces of `hop` samples, above -60 dB."""

    def loudness(sound: jax.Array) -> jax.Array:
        return 0.5 * jnp.log10(power(sound, hop) + _SOFTEST**2)

    return jnp.mean(jnp.abs(loudness(original) - loudness(rebuilt)))


def envelope_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int) -> jax.Array:
    """Return the mean squared difference of the amplitudes of mel bands over time, relative to each band's energy.

    It is 0 when all envelopes are equal, 1 for silence, and never more. Bands far below the loudest of a sound count
    less.
    """

    def courses(sound: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
        spectrum = spectra(jnp.moveaxis(sound, -1, 1), window)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        bands = power @ mel_filters(sample_rate, window, _ENVELOPE_BANDS) + 1e-6
        return jnp.sqrt(bands), jnp.mean(bands, axis=2, keepdims=True)

    apart = jnp.zeros(())
    for window in _ENVELOPE_WINDOWS:
        (wanted, energy), (made, spent) = courses(original, window), courses(rebuilt, window)
        heard = energy + spent + _FAINT**2 * jnp.max(energy, axis=3, keepdims=True)
        apart += jnp.mean(jnp.square(made - wanted) / heard)
    return apart / len(_ENVELOPE_WINDOWS)


def spectrum_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int) -> jax.Array:
    """Return the mean squared difference of complex spectra and of magnitudes, after a square root of the magnitudes.

    Both sounds are in units of the original's root mean square, so that soft sounds count as much. Low frequencies
    weigh more, because there the ear follows phases. The magnitudes count twice, since with an unknown phase the
    complex error is least at zero (Braun and Tashev, arXiv 2009.12286, equation 4).
    """
    unit = 1 / (jnp.sqrt(jnp.mean(jnp.square(original), axis=1, keepdims=True)) + 1e-3)

    def compressed(sound: jax.Array, window: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        spectrum = spectra(jnp.moveaxis(sound * unit, -1, 1), window) / window**0.5
        magnitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-12)
        scale = (magnitude + _QUIET) ** -0.5
        return spectrum.real * scale, spectrum.imag * scale, magnitude * scale

    apart = jnp.zeros(())
    for window in _SPECTRUM_WINDOWS:
        hz = np.linspace(0, sample_rate / 2, window // 2 + 1)
        weight = 1 / (1 + (hz / _HEARD_HZ) ** 2)
        real, imaginary, magnitude = (
            jnp.square(a - b) for a, b in zip(compressed(original, window), compressed(rebuilt, window), strict=True)
        )
        weighed = (real + imaginary) * (weight / weight.mean()).astype(np.float32)
        apart += jnp.mean(weighed + 2 * magnitude)
    return apart / len(_SPECTRUM_WINDOWS)
