"""The sizes of a decoder-only language model, whatever family it is of.

In: numbers. Out: `TowerConfig`, by which `net.py` computes, and the rotation rates of its positions. `published.py`
makes it of a config.json or of the facts of a GGUF file.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reelm.errors import RequestError

Activation = Literal["silu", "gelu"]

_COUNTS = ("width", "layers", "heads", "key_heads", "head_width", "hidden", "longest", "window")


@dataclass(frozen=True, kw_only=True)
class Rope:
    """Rotary positions (arXiv 2104.09864).

    base: of the geometric series of wavelengths.
    linear: by which all positions are divided.
    factor: by which the rates of long waves are divided, as Llama 3.1 does (arXiv 2407.21783); 1 for none.
    low, high: wavelengths beyond `original / low` are long, those below `original / high` are left.
    original: positions of the first training.
    """

    base: float
    linear: float = 1.0
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192

    def __post_init__(self):
        if min(self.base, self.linear, self.factor, self.low, self.original) <= 0 or self.high <= self.low:
            raise RequestError(f"no rotary positions have the numbers of {self}")

    def rates(self, head_width: int) -> np.ndarray:
        """Return radians a position for each pair of a head, float32 `[K / 2]`."""
        rates = self.base ** -(np.arange(0, head_width, 2, dtype=np.float64) / head_width)
        waves = self.original * rates / (2 * math.pi)  # of each pair in the first training
        kept = np.clip((waves - self.low) / (self.high - self.low), 0, 1)
        return ((kept + (1 - kept) / self.factor) * rates / self.linear).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Sizes of a net of pre-norm blocks with gated units and grouped queries.

    width, layers, hidden: D of a state, blocks, units of a block.
    heads, key_heads, head_width: of queries; of keys and values, each shared by as many queries; K of each.
    longest: positions that it was trained for.
    activation: of the gate; GELU by its tanh form.
    query_norm: whether queries and keys are normalised, each head alone.
    post_norm: whether what attention and units give is normalised too.
    embedding_scale: by which embeddings are multiplied.
    query_scale: by which attention logits are multiplied.
    local: of each layer, whether it sees the last `window` positions alone.
    rope, local_rope: positions of the layers that see all, and of the local ones.
    epsilon: of the norms.
    """

    width: int
    layers: int
    heads: int
    key_heads: int
    head_width: int
    hidden: int
    longest: int
    epsilon: float
    activation: Activation
    query_norm: bool
    post_norm: bool
    embedding_scale: float
    query_scale: float
    local: tuple[bool, ...]
    window: int
    rope: Rope
    local_rope: Rope

    def __post_init__(self):
        if bad := [f"{name} is {getattr(self, name)}" for name in _COUNTS if getattr(self, name) < 1]:
            raise RequestError(f"{bad[0]}; it must be 1 or more")
        if self.heads % self.key_heads or self.head_width % 2:
            raise RequestError(
                f"{self.heads} heads of width {self.head_width} cannot share {self.key_heads} keys; heads are a "
                "multiple of keys, and their width is even"
            )
        if len(self.local) != self.layers:
            raise RequestError(f"{len(self.local)} layers are said to be local or not, of {self.layers}")
