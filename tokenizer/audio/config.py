"""The configuration of an audio tokenizer, and what follows from it."""

from dataclasses import dataclass
from fractions import Fraction
from math import prod

from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.media.sound import check_rate
from reelm.tokenizer.codes import CodeSpec

from .decoder import AudioDecoder
from .encoder import AudioEncoder


@dataclass(frozen=True, kw_only=True)
class AudioTokenizerConfig:
    """Sizes of the nets and of the codes. Stages run from fine to coarse."""

    sample_rate: int = 16_000
    """Sample rate inside the tokenizer, in Hz."""
    channels: int = 1
    """Channels of sound: 1 (mono) or 2 (stereo)."""
    strides: tuple[int, ...] = (100, 4)
    """Samples between two spectra, then steps folded into one at each further stage. Their product is the hop of an
    audio frame."""
    encoder_channels: tuple[int, ...] = (128, 224)
    """Channels of each encoder stage."""
    decoder_channels: tuple[int, ...] = (128, 224)
    """Channels of each decoder stage."""
    encoder_blocks: int = 2
    """Residual blocks of an encoder stage, of dilation 1, 3, 9 ..."""
    decoder_blocks: int = 2
    """Residual blocks of a decoder stage, of dilation 1, 3, 9 ..."""
    kernel: int = 3
    """Taps of the convolutions in the blocks."""
    levels: int = 4
    """Codes of an audio frame, coarse codes first."""
    groups: int = 2
    """Codes of each round of refinement, a divisor of `levels`. The latent has `groups` times `bits` values."""
    bits: int = 9
    """Sign bits of a code, 1 to 9. A code is one sub-token."""

    def __post_init__(self):
        for name in ("strides", "encoder_channels", "decoder_channels"):  # lists come from JSON; a config must hash
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_rate(self.sample_rate)
        if self.channels not in (1, 2):
            raise RequestError(f"sound has 1 or 2 channels, not {self.channels}")
        if not self.strides or min(self.strides) < 1:
            raise RequestError(f"strides are whole numbers from 1, at least one of them, not {self.strides}")
        for name in ("encoder_channels", "decoder_channels"):
            if any(channels < 1 for channels in getattr(self, name)):
                raise RequestError(f"{name} are whole numbers from 1, one for each stage, not {getattr(self, name)}")
            if len(getattr(self, name)) != len(self.strides):
                raise RequestError(f"{len(self.strides)} strides need as many {name}, not {len(getattr(self, name))}")
        for name, least in (("encoder_blocks", 0), ("decoder_blocks", 0), ("kernel", 1)):
            if getattr(self, name) < least:
                raise RequestError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if self.levels < 1 or self.groups < 1 or self.levels % self.groups:
            raise RequestError(
                f"levels are whole rounds of groups, at least one; {self.levels} are not of {self.groups}"
            )
        if not 1 <= self.bits <= 9:
            raise RequestError(f"a level has 1 to 9 bits, one sub-token, not {self.bits}; use more levels instead")

    @property
    def code(self) -> CodeSpec:
        """The code of one level."""
        return CodeSpec(bits=self.bits)

    @property
    def latent(self) -> int:
        """Values of the latent of an audio frame."""
        return self.groups * self.bits

    @property
    def hop(self) -> int:
        """Samples of an audio frame."""
        return prod(self.strides)

    @property
    def frame_rate(self) -> Fraction:
        """Audio frames a second."""
        return Fraction(self.sample_rate, self.hop)

    def frames_beside(self, frames: int, fps: float) -> int:
        """Return the number of audio frames that last as long as `frames` video frames at `fps`.

        With 8 fps and 40 audio frames a second: 5 beside the first latent frame, which is one video frame, and 20
        beside each later one, which is four.

        Raises:
            RequestError: a video frame would not own a whole number of audio frames.
        """
        each = self.frame_rate / Fraction(fps).limit_denominator(1001)  # 30000/1001 comes as a float
        if each.denominator != 1:
            nearest = self.frame_rate / max(1, round(each))
            raise RequestError(
                f"{float(self.frame_rate):g} audio frames a second are no whole multiple of {fps:g} video frames "
                f"a second; the nearest rate that fits is {float(nearest):g} fps"
            )
        return frames * each.numerator

    def encoder(self, dtype: DTypeLike | None = None) -> AudioEncoder:
        """Return the encoder net; `dtype` is the type that it computes in, None for float32."""
        return AudioEncoder(self.latent, self.encoder_channels, self.strides, self.encoder_blocks, self.kernel, dtype)

    def decoder(self, dtype: DTypeLike | None = None) -> AudioDecoder:
        """Return the decoder net; `dtype` is the type that it computes in, None for float32."""
        return AudioDecoder(self.channels, self.decoder_channels, self.strides, self.decoder_blocks, self.kernel, dtype)
