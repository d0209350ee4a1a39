"""The shape of a code in configurations: its bits, its sub-tokens and its quantizer. Plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reelm.errors import RequestError

MAX_BITS = 60  # two words: the widest code whose id is a non-negative int64
_MOST_SCALAR_BITS = 10  # bits of one number of the quantizer fsq

Quantizer = Literal["lfq", "bsq", "fsq"]
"""Quantizer that turns latents into codes: see `quantizer.py`, and `finite_scalars.py` for fsq."""

Levels = tuple[tuple[int, ...], ...]
"""Bits of the coefficients of a transform: one row for each group of classes. All rows have the same sum, and all
groups the same number of classes."""


@dataclass(frozen=True, kw_only=True)
class CodeSpec:
    """The shape of one code: `bits` sign bits, split into nearly equal sub-tokens of at most `sub_token_bits`.

    18 bits give two sub-tokens of 512 values each, instead of one vocabulary of 262,144 (MAGVIT-v2, arXiv 2310.05737,
    section 3.1, token factorization).
    """

    bits: int = 18
    sub_token_bits: int = 9

    def __post_init__(self):
        if not 1 <= self.bits <= MAX_BITS:
            raise RequestError(f"a code of {self.bits} bits does not fit an int64 id; choose 1 to {MAX_BITS}")
        if not 1 <= self.sub_token_bits <= 10:
            raise RequestError(f"sub-tokens of {self.sub_token_bits} bits are not supported; choose 1 to 10")

    @property
    def split(self) -> tuple[int, ...]:
        """Bits of each sub-token, lowest first: 18 -> (9, 9), 14 -> (7, 7), 20 -> (7, 7, 6)."""
        count = -(-self.bits // self.sub_token_bits)
        return tuple(self.bits // count + (k < self.bits % count) for k in range(count))

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Number of values of each sub-token."""
        return tuple(1 << bits for bits in self.split)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Position in the id of each sub-token's lowest bit."""
        return tuple(sum(self.split[:k]) for k in range(len(self.split)))


def fsq_levels(bits: int) -> tuple[int, ...]:
    """Return levels for a code of this many bits: the fewest numbers with at most 8 levels each, nearly equal."""
    count = -(-bits // 3)
    return tuple(1 << (bits // count + (k < bits % count)) for k in range(count))


def check_fsq_levels(levels: Sequence[int]) -> None:
    """Raise a RequestError that names the first level which is not a whole number of bits."""
    most = 1 << _MOST_SCALAR_BITS
    if wrong := [each for each in levels if not 2 <= each <= most or each & (each - 1)]:
        raise RequestError(
            f"the quantizer fsq cannot have {wrong[0]} levels; choose 2, 4, 8 or another power of two up to {most}"
        )


def fsq_bits(levels: Sequence[int]) -> tuple[int, ...]:
    """Return the bits of each number, given its levels; their sum is the bits of a code."""
    return tuple(each.bit_length() - 1 for each in levels)
