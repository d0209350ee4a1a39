"""Blocks of quantized numbers as GGML stores them, to float32.

In: the bytes of whole blocks. Out: the numbers, as GGML's own code makes them. A block holds a few low-bit integers
and the scale that they share; the K formats have 256 in a block, with scales of their own for 16 or 32 of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import ml_dtypes
import numpy as np

_K = 256  # numbers in a block of the K formats


class BlockFormat(NamedTuple):
    """A format of numbers.

    name: as GGML calls it.
    numbers: in a block.
    bytes: of a block.
    widened: bytes uint8 `[blocks, bytes]` to float32 `[blocks, numbers]`.
    """

    name: str
    numbers: int
    bytes: int
    widened: Callable[[np.ndarray], np.ndarray]


def _q4_1(blocks: np.ndarray) -> np.ndarray:
    scale, least = _halves(blocks[:, 0:2]), _halves(blocks[:, 2:4])
    return scale * _nibbles(blocks[:, 4:]) + least


def _q5_0(blocks: np.ndarray) -> np.ndarray:
    fifth = np.unpackbits(blocks[:, 2:6], axis=1, bitorder="little")
    return _halves(blocks[:, :2]) * ((_nibbles(blocks[:, 6:]) | fifth << 4).astype(np.float32) - 16)


def _q8_0(blocks: np.ndarray) -> np.ndarray:
    return _halves(blocks[:, :2]) * blocks[:, 2:].view(np.int8)


def _q4_k(blocks: np.ndarray) -> np.ndarray:
    """Eight groups of 32: 4 bits each, with 6 bits for the scale and for the least of each group."""
    packed = blocks[:, 4:16]
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scale = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=1) * _halves(blocks[:, 0:2])
    least = np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1) * _halves(blocks[:, 2:4])
    four = blocks[:, 16:].reshape(-1, 4, 1, 32) >> np.array([0, 4], np.uint8)[:, None] & 15
    return (scale[..., None] * four.reshape(-1, 8, 32) - least[..., None]).reshape(-1, _K)


def _q6_k(blocks: np.ndarray) -> np.ndarray:
    """Sixteen groups of 16: 4 low and 2 high bits each, with an 8-bit scale for each group."""
    low = blocks[:, :128].reshape(-1, 2, 1, 64) >> np.array([0, 4], np.uint8)[:, None] & 15
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    six = (low.reshape(-1, _K) | high.reshape(-1, _K) << 4).astype(np.float32) - 32
    scale = _halves(blocks[:, 208:]) * blocks[:, 192:208].view(np.int8)
    return (scale[..., None] * six.reshape(-1, 16, 16)).reshape(-1, _K)


def _halves(blocks: np.ndarray) -> np.ndarray:
    """Return the float16 of each block `[blocks, 1]`, as float32."""
    return np.ascontiguousarray(blocks).view("<f2").astype(np.float32)


def _nibbles(blocks: np.ndarray) -> np.ndarray:
    """Return the low halves of all bytes, then the high ones."""
    return np.concatenate([blocks & 15, blocks >> 4], axis=1)


FORMATS: dict[int, BlockFormat] = {
    0: BlockFormat("F32", 1, 4, lambda blocks: blocks.view("<f4")),
    1: BlockFormat("F16", 1, 2, _halves),
    3: BlockFormat("Q4_1", 32, 20, _q4_1),
    6: BlockFormat("Q5_0", 32, 22, _q5_0),
    8: BlockFormat("Q8_0", 32, 34, _q8_0),
    12: BlockFormat("Q4_K", _K, 144, _q4_k),
    14: BlockFormat("Q6_K", _K, 210, _q6_k),
    30: BlockFormat("BF16", 1, 2, lambda blocks: blocks.view(ml_dtypes.bfloat16).astype(np.float32)),
}
"""Each format by its number in a GGUF file."""
