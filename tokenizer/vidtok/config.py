"""The configuration of a VidTok tokenizer (arXiv 2412.13061), the causal kind with finite scalar quantization.

In: the sizes of a published file's tensors. Out: nets, strides and memory, in the interface of all configurations.
"""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from reelm import value_checks
from reelm.errors import RequestError
from reelm.tokenizer.code_spec import CodeSpec, Levels, Quantizer, check_fsq_levels, fsq_bits
from reelm.tokenizer.video.config import ClipShapes

if TYPE_CHECKING:
    from jax.typing import DTypeLike

    from .net import VidTokDecoder, VidTokEncoder


@dataclass(frozen=True, kw_only=True)
class VidTokConfig(ClipShapes):
    """Sizes of the nets. Stages run from fine to coarse, and space is halved between two stages."""

    family: Literal["vidtok"] = "vidtok"
    """Name of the family in the JSON of a configuration."""
    fsq_levels: tuple[int, ...] = (8, 8, 8, 8, 8, 8)
    """Levels of each latent, powers of two."""
    channels: tuple[int, ...] = (128, 256, 512, 512)
    """Channels of each stage."""
    encoder_blocks: int = 2
    """Residual blocks of an encoder stage, each first over space and then over time."""
    decoder_blocks: int = 3
    """Residual blocks of a decoder stage."""
    encoder_halves: tuple[int, ...] = (1, 2)
    """Stages of the encoder, from 0, after which time is halved."""
    decoder_doubles: tuple[int, ...] = (1, 2)
    """Stages of the decoder after which time is doubled; the decoder runs from the coarsest stage to stage 0."""

    chunk = 1  # nets this wide are limited by their arithmetic, not by the overhead of a call

    def __post_init__(self):
        for name in ("fsq_levels", "channels", "encoder_halves", "decoder_doubles"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        value_checks.channels("channels", self.channels)
        for name in ("encoder_blocks", "decoder_blocks"):
            value_checks.layers(name, getattr(self, name))
        check_fsq_levels(self.fsq_levels)
        CodeSpec(bits=self.bits)
        last = len(self.channels) - 1
        for name, least in (("encoder_halves", 0), ("decoder_doubles", 1)):
            stages = getattr(self, name)
            if len(set(stages)) < len(stages) or any(not least <= stage < last + least for stage in stages):
                raise RequestError(f"{name} must be distinct stages from {least} to {last + least - 1}, not {stages}")
        if len(self.encoder_halves) != len(self.decoder_doubles):
            raise RequestError(
                f"the encoder halves time {len(self.encoder_halves)} times, the decoder doubles it "
                f"{len(self.decoder_doubles)} times; both must be the same"
            )

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return sum(fsq_bits(self.fsq_levels))

    @property
    def quantizer(self) -> Quantizer:
        """The quantizer of the latents."""
        return "fsq"

    @property
    def scalars(self) -> tuple[int, ...]:
        """Levels of each latent."""
        return self.fsq_levels

    @property
    def levels(self) -> Levels:
        """Bits of a transform's coefficients; these nets have no transform."""
        return ()

    @property
    def code(self) -> CodeSpec:
        """The shape of the code of one position of a latent frame."""
        return CodeSpec(bits=self.bits)

    @property
    def code_fields(self) -> dict[str, Any]:
        """The fields that affect codes, by name."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("decoder")}

    @property
    def time_stride(self) -> int:
        return 2 ** len(self.encoder_halves)

    @property
    def space_stride(self) -> int:
        return 2 ** (len(self.channels) - 1)

    def memory_notes(self, frames: int = 17, height: int = 128, width: int = 128) -> dict[str, str]:
        tiles = "attention reads whole frames, so codes of tiles differ from those of whole frames"
        return {**super().memory_notes(frames, height, width), "streaming": "exact in time", "tiles": tiles}

    def encoder(self, dtype: "DTypeLike | None" = None) -> "VidTokEncoder":
        """Return the encoder net, which computes in `dtype`; None means float32."""
        from .net import VidTokEncoder

        return VidTokEncoder(self.fsq_levels, self.channels, self.encoder_blocks, self.encoder_halves, dtype)

    def decoder(self, dtype: "DTypeLike | None" = None) -> "VidTokDecoder":
        """Return the decoder net, which computes in `dtype`; None means float32."""
        from .net import VidTokDecoder

        return VidTokDecoder(self.fsq_levels, self.channels, self.decoder_blocks, self.decoder_doubles, dtype)

    def encode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        frames, largest = frames + self.time_stride - 1, 0
        for stage, channels in enumerate(self.channels):
            # A block over time holds its input, the normed input with its past, three taps of it, and its output.
            largest = max(largest, 7 * channels * frames * math.prod(n >> stage for n in (height, width)))
            frames //= 2 if stage in self.encoder_halves else 1
        return batch * (itemsize * max(largest, self._attention(frames, height, width)) + 12 * height * width)

    def decode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        frames = (frames + self.time_stride - 1) // self.time_stride
        largest = self._attention(frames, height, width)
        for stage in reversed(range(len(self.channels))):
            channels, place = self.channels[stage], math.prod(n >> stage for n in (height, width))
            coming = self.channels[min(stage + 1, len(self.channels) - 1)]
            largest = max(largest, (7 * channels + 2 * coming) * frames * place)
            if stage:
                largest = max(largest, 6 * channels * frames * 4 * place)
            if stage in self.decoder_doubles:
                frames *= 2
                largest = max(largest, 6 * channels * frames * 4 * place)
        return batch * (itemsize * largest + 24 * frames * height * width)

    def _attention(self, frames: int, height: int, width: int) -> int:
        """Return the number of values that attention holds in memory for this many latent frames."""
        places = math.prod(n // self.space_stride for n in (height, width))
        return frames * places * (2 * places + 6 * self.channels[-1])
