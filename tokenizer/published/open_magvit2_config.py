"""The sizes of Open-MAGVIT2's video tokenizer (arXiv 2409.04410), with lookup-free quantization.

In: what the tensors of a published file say. Out: the nets, strides and memory, as every configuration has them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jax.typing import DTypeLike

from reelm import value_checks
from reelm.errors import RequestError
from reelm.tokenizer.codes import CodeSpec
from reelm.tokenizer.quantizer import Quantizer
from reelm.tokenizer.video.config import ClipShapes
from reelm.tokenizer.video.transform import Levels

from .open_magvit2_net import GROUPS, OpenMagvit2Decoder, OpenMagvit2Encoder


@dataclass(frozen=True, kw_only=True)
class OpenMagvit2Config(ClipShapes):
    """Sizes of the nets. Stages run from fine to coarse, and space is halved between any two."""

    family: Literal["open-magvit2"] = "open-magvit2"
    """Names the nets where a configuration is read."""
    bits: int = 18
    """Sign bits of a code, 1 to 60."""
    channels: tuple[int, ...] = (128, 256, 256, 512)
    """Channels of each stage, multiples of 32."""
    blocks: int = 4
    """Residual blocks of each stage, of encoder and decoder."""
    halves: tuple[int, ...] = (1, 2)
    """Stages of the encoder, from 0, behind which time is halved."""

    whole_clips = True

    def __post_init__(self):
        for name in ("channels", "halves"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        value_checks.channels("channels", self.channels)
        value_checks.layers("blocks", self.blocks)
        CodeSpec(bits=self.bits)
        if odd := [width for width in self.channels if width % GROUPS]:
            raise RequestError(f"channels are multiples of {GROUPS}, the groups of a norm, not {odd[0]}")
        last = len(self.channels) - 1
        if len({*self.halves}) < len(self.halves) or any(not 0 <= stage < last for stage in self.halves):
            raise RequestError(f"halves are stages from 0 to {last - 1}, each once, not {self.halves}")

    @property
    def quantizer(self) -> Quantizer:
        """The quantizer of the latents."""
        return "lfq"

    @property
    def scalars(self) -> tuple[int, ...]:
        """Levels of each latent; () for signs."""
        return ()

    @property
    def levels(self) -> Levels:
        """Bits of a transform's coefficients; these nets have none."""
        return ()

    @property
    def code(self) -> CodeSpec:
        """The code of one position of a latent frame."""
        return CodeSpec(bits=self.bits)

    @property
    def code_fields(self) -> dict[str, Any]:
        """The fields that shape codes, by name."""
        return asdict(self)

    @property
    def time_stride(self) -> int:
        return 2 ** len(self.halves)

    @property
    def space_stride(self) -> int:
        return 2 ** (len(self.channels) - 1)

    def memory_notes(self, frames: int = 17, height: int = 128, width: int = 128) -> dict[str, str]:
        whole = "alone, neither chunks nor tiles: norms see the whole clip"
        return {**super().memory_notes(frames, height, width), "whole clips": whole}

    def encoder(self, dtype: DTypeLike | None = None) -> OpenMagvit2Encoder:
        """Return the encoder net; `dtype` is the type that it computes in, None for float32."""
        return OpenMagvit2Encoder(self.bits, self.channels, self.blocks, self.halves, dtype)

    def decoder(self, dtype: DTypeLike | None = None) -> OpenMagvit2Decoder:
        """Return the decoder net; `dtype` is the type that it computes in, None for float32."""
        return OpenMagvit2Decoder(self.channels, self.blocks, self.halves, dtype)

    def encode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        # A convolution holds its input, that with its past, three taps of it, what comes out, and the skip beside it.
        largest = max(7 * numbers for numbers in self._stages(frames, height, width, self.channels))
        return batch * (itemsize * largest + 12 * frames * height * width)

    def decode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        # What comes to a stage, doubled, still has the channels of the one before.
        coming = (*self.channels[1:], self.channels[-1])
        widest = tuple(max(pair) for pair in zip(self.channels, coming, strict=True))
        largest = max(7 * numbers for numbers in self._stages(frames, height, width, widest))
        return batch * (itemsize * largest + 24 * frames * height * width)

    def _stages(self, frames: int, height: int, width: int, channels: tuple[int, ...]) -> list[int]:
        """Return the numbers of an array at each stage, from fine to coarse."""
        found = []
        for stage, features in enumerate(channels):
            found.append(features * frames * math.prod(n >> stage for n in (height, width)))
            frames = (frames + 1) // 2 if stage in self.halves else frames
        return found
