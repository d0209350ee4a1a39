"""Buckets: the few sizes and lengths that clips of a data set come in, so that every batch has one shape.

In: the size of a picture, the length of a shot. Out: the bucket it belongs to, and how it is scaled and cut to fit.
Knows nothing of files.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, log
from typing import NamedTuple

import numpy as np

from reelm.media.pixels import Frames
from reelm.media.timing import TimedFrame

# Films are cut before a tokenizer is chosen, so clips fit the usual one. A test compares these with its configuration,
# which is not imported here because its module loads JAX.
_STRIDE, _TIME_STRIDE = 8, 4


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """Square, wide and tall pictures of about `resolution ** 2` pixels, in clips of `lengths` frames.

    Attributes:
        resolution: side of the square bucket, a multiple of a tokenizer's stride. Wide and tall ones are near 16:9 and
            9:16.
        lengths: frames of a clip, each 1 + k strides in time. A shot is cut into as many of the longest as it holds,
            then into the longest that still fits; the rest is dropped. 1 is only for still pictures.
    """

    resolution: int = 128
    lengths: tuple[int, ...] = (1, 17, 33)

    def __post_init__(self) -> None:
        if self.resolution < 2 * _STRIDE or self.resolution % _STRIDE:
            least = f"a multiple of {_STRIDE}, at least {2 * _STRIDE}"
            raise ValueError(f"resolution is {self.resolution}; it must be {least}")
        if not self.lengths or any(length < 1 or length % _TIME_STRIDE != 1 for length in self.lengths):
            raise ValueError(f"lengths are {self.lengths}; each must be 1 + {_TIME_STRIDE}k, such as 1, 17 or 33")

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Return a square, a wide and a tall size; 128 gives 128x128, 96x168 and 168x96."""
        short, long = (_STRIDE * round(self.resolution * ratio / _STRIDE) for ratio in (3 / 4, 4 / 3))
        return Size(self.resolution, self.resolution), Size(short, long), Size(long, short)

    def nearest(self, height: int, width: int) -> Size:
        """Return the size with the aspect ratio nearest to that of a picture; of equal ones the first."""
        return min(self.sizes, key=lambda size: abs(log(size.height / size.width * width / height)))

    def cut(self, shot: Iterable[TimedFrame], *, still: bool) -> Iterator[list[TimedFrame]]:
        """Yield the clips of a shot, in order. At most the frames of the longest clip are in memory at a time."""
        lengths = sorted((length for length in self.lengths if (length == 1) == still), reverse=True)
        waiting: list[TimedFrame] = []
        for frame in shot:
            _ = frame.pixels  # converted now: the decoded frame behind them may be a hundred times as large
            waiting.append(frame)
            if lengths and len(waiting) == lengths[0]:
                yield waiting
                waiting = []
        for length in lengths:
            while len(waiting) >= length:
                yield waiting[:length]
                waiting = waiting[length:]


def covering(height: int, width: int, size: Size) -> tuple[int, int]:
    """Return the smallest height and width, of the same aspect ratio, that cover `size`."""
    scale = max(size.height / height, size.width / width)
    # Rounded up, because slightly less than the bucket would leave a gap; but 3 x 1/3 must stay 1.
    return max(size.height, ceil(height * scale - 1e-6)), max(size.width, ceil(width * scale - 1e-6))


def centre(pixels: Frames, size: Size) -> Frames:
    """Return the centre crop [height, width, 3] of a picture that covers `size`."""
    y, x = (pixels.shape[0] - size.height) // 2, (pixels.shape[1] - size.width) // 2
    return np.ascontiguousarray(pixels[y : y + size.height, x : x + size.width])
