"""Universal Sentence Encoder multilingual v3 (arXiv 1907.04307): a small frozen encoder of sentences in 16 languages.

In: prompts. Out: float32 rows of width 512: the embedding of the sentence, then one row for each of its tokens. The net
has a table of up to 128,000 unigram pieces, convolutions over 2, 3 and 5 tokens, and a network over their sum: 3.3 M
parameters besides the table. `load` reads a folder that `convert_multilingual_encoder.py` makes. Pure functions over a
nested dict of NumPy or JAX arrays. Prompts are read with NumPy in milliseconds, where compiling takes a second.
"""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .universal import Array, UniversalEncoder, affine, layer_norm, read_folder

MODEL_TYPE = "universal-sentence-encoder-multilingual"

ORDERS = {2: 0, 3: 1, 5: 2}
"""Tokens of each convolution, and how many of them come before the token of its output."""

BEGIN, END = 1, 2  # ids around every sentence
_LONGEST = 256  # reelm's limit; the published net takes any number
_EPSILON = 1e-12


def forward(params: dict, ids: Array, mask: Array) -> tuple[Array, Array]:
    """Return the embedding `[B, D]` of each sentence, of norm 1, and those of its tokens `[B, L, D]`.

    Args:
        params: as `convert` writes them.
        ids: int32 `[B, L]` of pieces, with `BEGIN` and `END`; padding where `mask` bool `[B, L]` is False.
    """
    xp = _library_of(ids)
    known = mask[..., None]
    x = params["embedding"][ids]
    projected = layer_norm(affine(x, params["project"]), params["project_norm"], _EPSILON)
    starts = zip(ORDERS, xp.split(projected, len(ORDERS), axis=-1), strict=True)
    states = [x, *(_ngrams(params[f"order_{n}"], start, known, n) for n, start in starts)]
    tokens = affine(layer_norm(xp.concatenate(states, axis=-1), params["norm"], _EPSILON), params["tokens"])
    count = known.sum(axis=1).clip(1).astype(tokens.dtype)
    pooled = (tokens * known).sum(axis=1) / count**0.5
    p = {name: params["dense"][name]["kernel"] for name in ("in", "skip", "middle", "deep", "out", "deep_out")}
    first = (pooled @ p["in"]).clip(0)
    second = (pooled @ p["skip"] + first @ p["middle"]).clip(0)
    sentence = xp.tanh(second @ p["out"] + (second @ p["deep"]).clip(0) @ p["deep_out"])
    square = (sentence * sentence).sum(axis=-1, keepdims=True)
    return sentence / square.clip(_EPSILON) ** 0.5, tokens


def _ngrams(p: dict, x: Array, known: Array, order: int) -> Array:
    """Return the states `[B, L, H]` of the n-grams around each token; the sentence is padded with zeros."""
    for name in ("conv_1", "conv_2"):
        x = x * known
        x = x + affine(_windows(x, order), p[name]).clip(0)
    return x


def _windows(x: Array, order: int) -> Array:
    """Return the `order` tokens around each one side by side, `[B, L, order * H]`."""
    xp, before = _library_of(x), ORDERS[order]
    x = xp.pad(x, ((0, 0), (before, order - 1 - before), (0, 0)))
    return xp.concatenate([x[:, i : x.shape[1] - order + 1 + i] for i in range(order)], axis=-1)


def _library_of(x: Array) -> Any:
    """Return the module for the functions of an array: jax.numpy or numpy."""
    return jnp if isinstance(x, jax.Array) else np


class MultilingualEncoder(UniversalEncoder):
    """The encoder as a `TextEncoder`."""

    kind, longest = MODEL_TYPE, _LONGEST

    @property
    def width(self) -> int:
        return self.params["embedding"].shape[1]

    def embed(self, ids: np.ndarray, mask: np.ndarray) -> tuple[Array, Array]:
        count = mask.sum(axis=1, keepdims=True)
        longest = int(count.max()) + 2
        around = np.pad(ids, ((0, 0), (1, 1)), constant_values=BEGIN)[:, :longest]
        place = np.arange(longest)
        sentence, tokens = forward(self.params, np.where(place == count + 1, END, around), place < count + 2)
        # One linear layer reads both kinds of rows, so both are scaled to values of about 1.
        tokens = np.pad(tokens[:, 1:-1], ((0, 0), (0, mask.shape[1] + 2 - longest), (0, 0)))
        rows = np.concatenate([sentence[:, None] * math.sqrt(sentence.shape[-1]), tokens * mask[..., None]], axis=1)
        return rows, np.pad(mask, ((0, 0), (1, 0)), constant_values=True)


def load(folder: Path, *, max_tokens: int) -> MultilingualEncoder:
    """Open a folder of `convert_multilingual_encoder.convert`; see `text_encoders.load`."""
    return MultilingualEncoder(*read_folder(folder), max_tokens=max_tokens)
