"""Universal Sentence Encoder multilingual v3 (arXiv 1907.04307): a small frozen encoder of sentences in 16 languages.

In: prompts. Out: float32 rows of width 512, the sentence's own embedding first and then one row for each of its tokens.
A table of up to 128,000 unigram pieces, convolutions over 2, 3 and 5 tokens, and a network over their sum: 3.3 M
parameters beside the table. `load` reads a folder that `convert_multilingual_encoder.py` makes. Pure functions over a
nested dict.
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .universal import UniversalEncoder, affine, layer_norm, read_folder

MODEL_TYPE = "universal-sentence-encoder-multilingual"

ORDERS = {2: 0, 3: 1, 5: 2}
"""Tokens of each convolution, and those of them before the one that it stands for."""

BEGIN, END = 1, 2  # ids around every sentence
_LONGEST = 256  # a choice of ours: the published net takes any number
_EPSILON = 1e-12


def forward(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the embedding `[B, D]` of each sentence, of norm 1, and those of its tokens `[B, L, D]`.

    Args:
        params: as `convert` writes them.
        ids: int32 `[B, L]` of pieces, with `BEGIN` and `END`; where `mask` bool `[B, L]` is False there is none.
    """
    known = mask[..., None]
    x = params["embedding"][ids]
    projected = layer_norm(affine(x, params["project"]), params["project_norm"], _EPSILON)
    starts = zip(ORDERS, jnp.split(projected, len(ORDERS), axis=-1), strict=True)
    states = jnp.concatenate([x, *(_ngrams(params[f"order_{n}"], start, known, n) for n, start in starts)], axis=-1)
    tokens = affine(layer_norm(states, params["norm"], _EPSILON), params["tokens"])
    count = jnp.sum(mask, axis=1, keepdims=True)
    pooled = jnp.sum(jnp.where(known, tokens, 0), axis=1) * jax.lax.rsqrt(jnp.maximum(count, 1).astype(tokens.dtype))
    p = {name: params["dense"][name]["kernel"] for name in ("in", "skip", "middle", "deep", "out", "deep_out")}
    first = jax.nn.relu(pooled @ p["in"])
    second = jax.nn.relu(pooled @ p["skip"] + first @ p["middle"])
    sentence = jnp.tanh(second @ p["out"] + jax.nn.relu(second @ p["deep"]) @ p["deep_out"])
    square = jnp.sum(jnp.square(sentence), axis=-1, keepdims=True)
    return sentence * jax.lax.rsqrt(jnp.maximum(square, _EPSILON)), tokens


def _ngrams(p: dict, x: jax.Array, known: jax.Array, order: int) -> jax.Array:
    """Return the states `[B, L, H]` of the n-grams around each token; beyond the sentence there are zeros."""
    for name in ("conv_1", "conv_2"):
        x = jnp.where(known, x, 0)
        x = x + jax.nn.relu(affine(_windows(x, order), p[name]))
    return x


def _windows(x: jax.Array, order: int) -> jax.Array:
    """Return the `order` tokens around each one side by side, `[B, L, order * H]`."""
    before = ORDERS[order]
    x = jnp.pad(x, ((0, 0), (before, order - 1 - before), (0, 0)))
    return jnp.concatenate([x[:, i : x.shape[1] - order + 1 + i] for i in range(order)], axis=-1)


class MultilingualEncoder(UniversalEncoder):
    """The encoder as a `TextEncoder`."""

    kind, longest = MODEL_TYPE, _LONGEST

    @property
    def width(self) -> int:
        return self.params["embedding"].shape[1]

    def embed(self, ids: np.ndarray, mask: np.ndarray) -> tuple[jax.Array, jax.Array]:
        return _embed(self.params, ids, mask)


@jax.jit
def _embed(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    count = jnp.sum(mask, axis=1, keepdims=True)
    around = jnp.pad(ids, ((0, 0), (1, 1)), constant_values=BEGIN)
    place = jnp.arange(around.shape[1])
    sentence, tokens = forward(params, jnp.where(place == count + 1, END, around), place < count + 2)
    # One linear layer reads both, so both have values of about 1.
    rows = jnp.concatenate([sentence[:, None] * math.sqrt(sentence.shape[-1]), tokens[:, 1:-1]], axis=1)
    mask = jnp.pad(mask, ((0, 0), (1, 0)), constant_values=True)
    return jnp.where(mask[..., None], rows, 0), mask


def load(folder: Path, *, max_tokens: int) -> MultilingualEncoder:
    """Open what `convert_multilingual_encoder.convert` wrote; see `text_encoders.load`."""
    return MultilingualEncoder(*read_folder(folder), max_tokens=max_tokens)
