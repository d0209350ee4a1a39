"""The configuration of an audio tokenizer, and the sizes and rates that follow from it.

Plain Python: the methods that build a net import it, and JAX, when they are called.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from reelm import value_checks
from reelm.errors import RequestError
from reelm.media.sound import check_rate
from reelm.tokenizer.code_spec import CodeSpec

if TYPE_CHECKING:
    from jax.typing import DTypeLike

    from .decoder import AudioDecoder
    from .encoder import AudioEncoder
    from .residual import ResidualQuantizer


@dataclass(frozen=True, kw_only=True)
class AudioTokenizerConfig:
    """Sizes of the nets and of the codes. Stages run from fine to coarse."""

    sample_rate: int = 16_000
    """Sample rate inside the tokenizer, in Hz."""
    channels: int = 1
    """Channels of sound: 1 (mono) or 2 (stereo)."""
    strides: tuple[int, ...] = (100, 4)
    """Samples between two spectra, then steps folded into one at each further stage. Their product is the hop: the
    samples of an audio frame."""
    encoder_channels: tuple[int, ...] = (128, 224)
    """Channels of each encoder stage."""
    decoder_channels: tuple[int, ...] = (128, 224)
    """Channels of each decoder stage."""
    encoder_blocks: int = 2
    """Residual blocks of an encoder stage, of dilation 1 and 3 in turn."""
    decoder_blocks: int = 2
    """Residual blocks of a decoder stage, of dilation 1 and 3 in turn."""
    kernel: int = 3
    """Taps of the convolutions in the blocks."""
    levels: int = 4
    """Codes of an audio frame, coarse codes first."""
    groups: int = 2
    """Codes of each round of refinement, a divisor of `levels`. The latent has `groups` times `bits` values."""
    bits: int = 9
    """Sign bits of a code, 1 to 10. A code is one sub-token."""
    fewer_levels: tuple[int, ...] = ()
    """Smaller numbers of levels that can also be decoded, for lower bit rates. Training draws one of them at random."""
    loudness_bits: int = 0
    """Number of bits, at the start of the first code, that hold the loudness of the audio frame. The nets then work on
    blocks scaled to one loudness, in a single stage. 0: the nets work on short-time spectra."""
    pitch: bool = False
    """Whether the first code of the second round begins with the pitch of the loudest high-frequency peak, in as many
    bits as the loudness. The decoder then adds a wave of that pitch."""
    stretch: float = 0.0
    """Fraction by which the sample rate may differ from `sample_rate`, so that a whole number of audio frames fits a
    video frame at more frame rates. The nets then hear the sound faster or slower."""

    def __post_init__(self):
        for name in (
            "strides",
            "encoder_channels",
            "decoder_channels",
            "fewer_levels",
        ):  # lists come from JSON; a config must hash
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_rate(self.sample_rate)
        if self.channels not in (1, 2):
            raise RequestError(f"sound has 1 or 2 channels, not {self.channels}")
        if not self.strides or min(self.strides) < 1:
            raise RequestError(f"strides are whole numbers from 1, at least one of them, not {self.strides}")
        for name in ("encoder_channels", "decoder_channels"):
            value_checks.channels(name, getattr(self, name))
            if len(getattr(self, name)) != len(self.strides):
                raise RequestError(f"{len(self.strides)} strides need as many {name}, not {len(getattr(self, name))}")
        for name in ("encoder_blocks", "decoder_blocks"):
            value_checks.layers(name, getattr(self, name))
        if self.kernel < 1:
            raise RequestError(f"kernel is {self.kernel}; it must be 1 or more")
        if self.levels < 1 or self.groups < 1 or self.levels % self.groups:
            raise RequestError(f"levels ({self.levels}) must be a multiple of groups ({self.groups}), 1 or more")
        if not 1 <= self.bits <= 10:
            raise RequestError(f"a level has 1 to 10 bits, one sub-token, not {self.bits}; use more levels instead")
        if any(not 1 <= fewer < self.levels for fewer in self.fewer_levels):
            raise RequestError(f"fewer_levels are numbers from 1, below {self.levels} levels, not {self.fewer_levels}")
        if not 0 <= self.loudness_bits <= self.bits:
            raise RequestError(f"loudness has 0 to {self.bits} bits, those of one code, not {self.loudness_bits}")
        if self.loudness_bits and len(self.strides) > 1:
            raise RequestError(f"with loudness_bits the nets have one stage, not the {len(self.strides)} of strides")
        if self.pitch and not (self.loudness_bits and self.levels > self.groups):
            raise RequestError("pitch needs loudness_bits and a second round of groups: more levels than groups")
        if not 0 <= self.stretch < 0.5:
            raise RequestError(f"stretch is a share from 0, below 0.5, not {self.stretch}")

    @property
    def code(self) -> CodeSpec:
        """The shape of the code of one level."""
        return CodeSpec(bits=self.bits, sub_token_bits=max(9, self.bits))

    @property
    def residual(self) -> "ResidualQuantizer":
        """The quantizer that turns latents into codes."""
        from .residual import ResidualQuantizer

        return ResidualQuantizer(bits=self.bits, groups=self.groups, levels=self.levels, whole=self.loudness_bits)

    @property
    def hop(self) -> int:
        """Samples of an audio frame."""
        return prod(self.strides)

    @property
    def frame_rate(self) -> Fraction:
        """Audio frames a second."""
        return Fraction(self.sample_rate, self.hop)

    def decodes(self, levels: int, bits: int) -> bool:
        """Return whether codes with this number of levels and bits can be decoded."""
        return levels in (*self.fewer_levels, self.levels) and bits == self.bits

    def frames_beside(self, frames: int, fps: float) -> int:
        """Return the number of audio frames that last as long as `frames` video frames at `fps`.

        With 8 fps and 40 audio frames a second: 5 for the first latent frame, which is one video frame, and 20 for
        each later one, which is four video frames.

        Raises:
            RequestError: a video frame does not last a whole number of audio frames.
        """
        each = self.frame_rate / Fraction(fps).limit_denominator(1001)  # 30000/1001 comes as a float
        number = max(1, round(each))
        if abs(number / each - 1) > self.stretch:
            nearest = self.frame_rate / number
            raise RequestError(
                f"{float(self.frame_rate):g} audio frames a second are no whole multiple of {fps:g} video frames "
                f"a second; the nearest rate that fits is {float(nearest):g} fps"
            )
        return frames * number

    def rate_beside(self, fps: float) -> int:
        """Return the sample rate in Hz at which audio frames divide video frames at `fps`; see `frames_beside`."""
        return round(self.hop * self.frames_beside(1, fps) * Fraction(fps).limit_denominator(1001))

    def encoder(self, dtype: "DTypeLike | None" = None) -> "AudioEncoder":
        """Return the encoder net, which computes in `dtype`; None means float32."""
        from .encoder import AudioEncoder

        stages = (self.encoder_channels, self.strides, self.encoder_blocks, self.kernel)
        return AudioEncoder(self.residual.size, *stages, self.loudness_bits, self._pitch_at, dtype)

    def decoder(self, dtype: "DTypeLike | None" = None) -> "AudioDecoder":
        """Return the decoder net, which computes in `dtype`; None means float32."""
        from .decoder import AudioDecoder

        stages = (self.decoder_channels, self.strides, self.decoder_blocks, self.kernel)
        return AudioDecoder(self.channels, *stages, self.loudness_bits, self._pitch_at, dtype)

    @property
    def _pitch_at(self) -> int | None:
        """Index in a latent of the first value of the pitch, which is the first value of the second round."""
        return self.groups * self.bits if self.pitch else None
