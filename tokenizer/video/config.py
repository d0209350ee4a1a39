"""The configuration of a video tokenizer, and what is derived from it: strides, valid shapes, memory, the nets.

Plain Python: the methods that build a net import it, and JAX, when they are called. A configuration whose values do not
fit together raises RequestError when it is made. `ClipShapes` is the base class that all families of tokenizers share.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

from reelm import value_checks
from reelm.errors import RequestError
from reelm.tokenizer.code_spec import CodeSpec, Levels, Quantizer, check_fsq_levels, fsq_bits, fsq_levels

from .sizes import conv_values, stage_shapes, window_sizes

if TYPE_CHECKING:
    from jax.typing import DTypeLike

    from .decoder import Decoder
    from .encoder import Encoder

_MOST_CLASS_BITS = 12  # the encoder tries every class for each patch, so more would be slow


class ClipShapes(ABC):
    """The base of the configurations. A family defines its strides and the memory that its nets need.

    A clip of 1 + k strides in time makes 1 + k latent frames.
    """

    chunk = 4
    """Latent frames of a chunk in which long clips go through the nets. The first chunk has one more."""

    @property
    @abstractmethod
    def time_stride(self) -> int:
        """Frames of video for each latent frame after the first."""

    @property
    @abstractmethod
    def space_stride(self) -> int:
        """Rows, and columns, of pixels for each row and column of codes."""

    @abstractmethod
    def encode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        """Estimate the bytes that encoding clips of this shape at once takes, without the parameters."""

    @abstractmethod
    def decode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        """Estimate the bytes that decoding clips of this shape at once takes, without the parameters."""

    def latent_frames(self, frames: int) -> int:
        """Return the number of latent frames of a clip of `frames` frames, which is padded to 1 + k `time_stride`."""
        return 1 + -(-(frames - 1) // self.time_stride)

    def frames_of(self, latent_frames: int) -> int:
        """Return the number of frames of this many latent frames."""
        return 1 + self.time_stride * (latent_frames - 1)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Return the latent shape (t, h, w) of a clip.

        Raises:
            RequestError: the shape does not fit the strides; the message names the nearest one that fits.
        """
        time, space = self.time_stride, self.space_stride
        if frames < 1 or (frames - 1) % time or height < 1 or width < 1 or height % space or width % space:
            nearest = (1 + time * max(0, round((frames - 1) / time)), *(_nearest(n, space) for n in (height, width)))
            raise RequestError(
                f"{frames} frames of {height}x{width} do not fit: frames must be 1 + {time}k, height and width "
                f"multiples of {space}; the nearest valid shape is {nearest[0]} frames of {nearest[1]}x{nearest[2]}"
            )
        return 1 + (frames - 1) // time, height // space, width // space

    def memory_notes(self, frames: int = 17, height: int = 128, width: int = 128) -> dict[str, str]:
        """Return memory estimates for a clip of this shape in float32, as text to print."""
        sizes = {
            "encode": self.encode_bytes(1, frames, height, width),
            "decode": self.decode_bytes(1, frames, height, width),
        }
        return {
            f"memory to {doing} {frames} frames of {height}x{width}": f"about {size / 2**20:.0f} MiB in float32"
            for doing, size in sizes.items()
        }


@dataclass(frozen=True, kw_only=True)
class VideoTokenizerConfig(ClipShapes):
    """Sizes of the nets. Stages run from fine to coarse. Patch times strides is the stride, 4 x 8 x 8 by default."""

    bits: int = 18
    """Sign bits of a code, 1 to 60."""
    quantizer: Quantizer = "lfq"
    """Quantizer of the latents: "lfq", "bsq", which first projects them to a sphere, or "fsq", which rounds each to a
    few levels and needs no extra loss."""
    fsq_levels: tuple[int, ...] = ()
    """Levels of each latent for the quantizer "fsq", powers of two whose bits add up to `bits`. Default: 8 or fewer."""
    patch: tuple[int, int, int] = (4, 8, 8)
    """Frames, rows and columns folded into channels before the first convolution and after the last."""
    encoder_channels: tuple[int, ...] = (128,)
    """Channels of each encoder stage. With `levels`, encoder and decoder may have no stages."""
    decoder_channels: tuple[int, ...] = (128,)
    """Channels of each decoder stage."""
    strides: tuple[tuple[int, int], ...] = ()
    """Stride in time and in space between one stage and the next. One fewer than stages."""
    encoder_blocks: int = 2
    """Residual blocks of an encoder stage."""
    decoder_blocks: int = 4
    """Residual blocks of a decoder stage."""
    encoder_kernel: tuple[int, int, int] = (3, 3, 3)
    """Taps of the encoder's convolutions: time, rows, columns. With one time tap the same motion has the same code at
    any time, which a language model learns sooner."""
    decoder_kernel: tuple[int, int, int] = (3, 3, 3)
    """Taps of the decoder's convolutions: time, rows, columns."""
    decoder_scale: int = 1
    """Factor by which clips are higher and wider than what the encoder sees. From 2 on the encoder sees the means of
    squares of this side in pixels. The decoder has one more stage, the finest, which draws the detail: same codes,
    larger pictures."""
    decoder_split: int = 1
    """Parts, along rows and along columns, into which the decoder splits a patch to draw them separately. From 2 on it
    has one more stage, the finest, with a position for each part."""
    decoder_seam: float = 0.14
    """Fraction of the step between two patches that deblocking removes on either side, after a transform. With only
    least squares those steps stay half too large."""
    decoder_finish: int = 0
    """Channels of the convolutions over pixels that smooth the joins of drawn patches. 0 for none."""
    background: float = -1.0
    """Value in [-1, 1] of the constant picture that an untrained decoder draws; 0 with a transform."""
    levels: Levels = ()
    """Bits of the coefficients of a transform, whose frames the nets may correct: a row for each group of classes. The
    rest of `bits` is the class. The first frame is padded with copies of itself. Default: only nets, no transform."""

    def __post_init__(self):
        # JSON gives lists, and a config must be hashable.
        for name in ("patch", "encoder_channels", "decoder_channels", "encoder_kernel", "decoder_kernel", "fsq_levels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("strides", "levels"):
            object.__setattr__(self, name, tuple(tuple(row) for row in getattr(self, name)))
        for name in ("patch", "encoder_kernel", "decoder_kernel"):
            if len(getattr(self, name)) != 3 or min(getattr(self, name)) < 1:
                raise RequestError(
                    f"{name} is three whole numbers from 1 (frames, rows, columns), not {getattr(self, name)}"
                )
        if any(len(stride) != 2 or min(stride) < 1 for stride in self.strides):
            raise RequestError(f"strides are pairs of whole numbers from 1 (time, space), not {self.strides}")
        bare = self.levels and not (self.encoder_channels or self.decoder_channels or self.strides)
        for name in ("decoder_scale", "decoder_split"):
            if getattr(self, name) < 1 or (self.levels and getattr(self, name) > 1):
                raise RequestError(f"{name} is {getattr(self, name)}; it is 1 or more, and 1 with levels")
        if not 0 <= self.decoder_seam <= 0.5:
            raise RequestError(f"decoder_seam is {self.decoder_seam}; it must be 0 to 0.5, where no step is left")
        if self.decoder_finish < 0:
            raise RequestError(f"decoder_finish is {self.decoder_finish}; it must be 0 or more")
        if self.patch[1] % self.decoder_split:
            raise RequestError(
                f"decoder_split is {self.decoder_split}; it must divide the {self.patch[1]} rows of a patch"
            )
        strides = {"encoder_channels": self.strides, "decoder_channels": self.decoder_strides}
        for name in () if bare else strides:
            channels, between = getattr(self, name), len(strides[name])
            if not channels:
                raise RequestError(f"{name} are whole numbers from 1, one for each stage, not {channels}")
            value_checks.channels(name, channels)
            if between != len(channels) - 1:
                raise RequestError(
                    f"the {len(channels)} stages of {name} need {len(channels) - 1} strides between them, not {between}"
                )
        if self.patch[1] != self.patch[2]:
            raise RequestError(f"patches are square in space, not {self.patch[1]}x{self.patch[2]}")
        for name in ("encoder_blocks", "decoder_blocks"):
            value_checks.layers(name, getattr(self, name))
        if not -1 <= self.background <= 1:
            raise RequestError(f"background is {self.background}; it must lie in [-1, 1]")
        if self.quantizer not in get_args(Quantizer):
            raise RequestError(f"the quantizer is {' or '.join(get_args(Quantizer))}, not {self.quantizer!r}")
        CodeSpec(bits=self.bits)
        if self.fsq_levels and self.quantizer != "fsq":
            raise RequestError(f"fsq_levels need the quantizer fsq, not {self.quantizer}")
        if self.fsq_levels:
            check_fsq_levels(self.fsq_levels)
            if (found := sum(fsq_bits(self.fsq_levels))) != self.bits:
                raise RequestError(f"fsq_levels {self.fsq_levels} make codes of {found} bits, not of {self.bits}")
        if self.levels:
            self._check_levels()

    def _check_levels(self) -> None:
        rows, sums = self.levels, {sum(row) for row in self.levels}
        if len(sums) > 1 or any(not row or min(row) < 1 for row in rows):
            raise RequestError(f"levels are rows of whole numbers from 1, all of one sum, not {rows}")
        class_bits = self.bits - max(sums)
        if not 0 <= class_bits <= _MOST_CLASS_BITS or (1 << class_bits) % len(rows):
            raise RequestError(
                f"levels of {max(sums)} bits leave {class_bits} of {self.bits} for the class; that must be 0 to "
                f"{_MOST_CLASS_BITS}, and the classes must divide over {len(rows)} rows"
            )
        if self.quantizer != "lfq":
            raise RequestError(f"levels quantize on their own: the quantizer stays lfq, not {self.quantizer}")

    @property
    def code(self) -> CodeSpec:
        """The shape of the code of one position of a latent frame."""
        return CodeSpec(bits=self.bits)

    @property
    def scalars(self) -> tuple[int, ...]:
        """Levels of each latent; () for the quantizers that use signs."""
        return self.fsq_levels or fsq_levels(self.bits) if self.quantizer == "fsq" else ()

    @property
    def code_fields(self) -> dict[str, Any]:
        """The fields that affect codes, by name; `levels` and `fsq_levels` only where set, which keeps old hashes."""
        kept = {name: v for name, v in asdict(self).items() if not name.startswith(("decoder", "quantizer"))}
        kept |= {"fsq_levels": self.scalars}
        return {name: v for name, v in kept.items() if v or name not in ("levels", "fsq_levels")}

    @property
    def time_stride(self) -> int:
        """Frames of video for each latent frame after the first."""
        return self.whole_patch[0]

    @property
    def space_stride(self) -> int:
        """Rows, and columns, of pixels for each row and column of codes."""
        return self.whole_patch[1]

    @property
    def decoder_strides(self) -> tuple[tuple[int, int], ...]:
        """Strides between the decoder's stages: that of the finest stage, if any, then those of the encoder."""
        finer = self.decoder_scale * self.decoder_split
        return ((1, finer), *self.strides) if finer > 1 else self.strides

    @property
    def decoder_patch(self) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels that the decoder draws at a position of its finest stage."""
        return self.patch[0], self.patch[1] // self.decoder_split, self.patch[2] // self.decoder_split

    @property
    def whole_patch(self) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels that a code represents."""
        time, space = (math.prod(stride[axis] for stride in self.decoder_strides) for axis in range(2))
        rows, columns = self.decoder_patch[1:]
        return self.decoder_patch[0] * time, rows * space, columns * space

    def encoder(self, dtype: "DTypeLike | None" = None) -> "Encoder":
        """Return the encoder net, which computes in `dtype`; None means float32."""
        from .encoder import Encoder

        kernel, blocks = self.encoder_kernel, self.encoder_blocks
        return Encoder(
            self.bits,
            self.patch,
            self.whole_patch,
            self.encoder_channels,
            self.strides,
            blocks,
            kernel,
            self.levels,
            self.decoder_scale,
            self.scalars,
            dtype,
        )

    def decoder(self, dtype: "DTypeLike | None" = None) -> "Decoder":
        """Return the decoder net, which computes in `dtype`; None means float32."""
        from .decoder import Decoder

        kernel, blocks = self.decoder_kernel, self.decoder_blocks
        return Decoder(
            self.decoder_patch,
            self.whole_patch,
            self.decoder_channels,
            self.decoder_strides,
            blocks,
            kernel,
            self.background,
            self.levels,
            self.scalars,
            self.decoder_seam,
            self.decoder_finish,
            dtype,
        )

    def encode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        """Estimate the bytes that encoding clips of this shape at once takes, without the parameters.

        The largest layer decides: its input, its time taps side by side, a padded copy of those, its output, and other
        arrays that are alive. Six programs compiled for a CPU took between 0.6 and 1.3 times the estimate.
        """
        seen = height // self.decoder_scale, width // self.decoder_scale
        positions, taps, channels = (
            [math.prod(shape) for shape in stage_shapes(self.patch, self.strides, frames, *seen)],
            self.encoder_kernel[0],
            self.encoder_channels,
        )
        folded = 3 * self.patch[0] * self.patch[1] * self.patch[2]
        layers = [positions[0] * conv_values(folded, width, taps) for width in channels[:1]]
        layers += [n * (conv_values(c, c, taps) + 2 * c) for n, c in zip(positions, channels, strict=bool(channels))]
        for stage, (time, _) in enumerate(self.strides):
            # Three taps at the old width and size in space, for each remaining frame.
            coming = positions[stage] * channels[stage] * (1 + 6 // time)
            layers.append(coming + positions[stage + 1] * channels[stage + 1])
        if self.levels:
            # For each patch, memory holds its error in each class and the intermediate values of it.
            layers.append(positions[-1] * (4 * (1 << self.bits - sum(self.levels[0])) + 3 * self._whole_patch_size))
        return batch * (itemsize * max(layers) + 4 * 3 * frames * height * width)

    def decode_bytes(self, batch: int, frames: int, height: int, width: int, itemsize: int = 4) -> int:
        """Estimate the bytes that decoding clips of this shape at once takes; see `encode_bytes`."""
        positions, taps, channels = (
            [math.prod(shape) for shape in self.decoder_shapes(frames, height, width)],
            self.decoder_kernel[0],
            self.decoder_channels,
        )
        layers = [n * (conv_values(c, c, taps) + 2 * c) for n, c in zip(positions, channels, strict=bool(channels))]
        for stage, (time, space) in enumerate(self.decoder_strides):
            folded = channels[stage] * time * space * space
            # Memory holds the output twice: before and after patches are arranged in space.
            layers.append(positions[stage + 1] * (conv_values(channels[stage + 1], folded, 1) + folded))
        if self.decoder_finish:
            layers.append(frames * height * width * conv_values(self.decoder_finish, self.decoder_finish, 1))
        if self.levels:
            layers.append(positions[-1] * (3 * self._whole_patch_size + window_sizes(self.whole_patch)[1]))
        return batch * (itemsize * max(layers) + 2 * 4 * 3 * frames * height * width)

    @property
    def _whole_patch_size(self) -> int:
        """Number of values of the pixels that a code represents."""
        return 3 * math.prod(self.whole_patch)

    def decoder_shapes(self, frames: int, height: int, width: int) -> list[tuple[int, int, int]]:
        """Return (frames, rows, columns) of the arrays of the decoder's stages for a clip, from fine to coarse."""
        return stage_shapes(self.decoder_patch, self.decoder_strides, frames, height, width)


def _nearest(size: int, stride: int) -> int:
    return max(stride, stride * round(size / stride))
