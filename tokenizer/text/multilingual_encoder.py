"""Universal Sentence Encoder multilingual v3 (arXiv 1907.04307): a small frozen encoder of sentences in 16 languages.

In: prompts. Out: float32 rows of width 512, the sentence's own embedding first and then one row for each of its tokens.
A table of up to 128,000 unigram pieces, convolutions over 2, 3 and 5 tokens, and a network over their sum: 3.3 M
parameters beside the table. `load` reads a folder that `convert_multilingual_encoder.py` makes. Pure functions over a
nested dict.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import sentencepiece

from reelm.errors import RequestError

from .encoder import Carried, Embeddings, in_batches
from .sentence_encoder import read_folder
from .words import normalised, words_of

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
    projected = _layer_norm(_affine(x, params["project"]), params["project_norm"])
    starts = zip(ORDERS, jnp.split(projected, len(ORDERS), axis=-1), strict=True)
    states = jnp.concatenate([x, *(_ngrams(params[f"order_{n}"], start, known, n) for n, start in starts)], axis=-1)
    tokens = _affine(_layer_norm(states, params["norm"]), params["tokens"])
    count = jnp.sum(mask, axis=1, keepdims=True)
    pooled = jnp.sum(jnp.where(known, tokens, 0), axis=1) * jax.lax.rsqrt(jnp.maximum(count, 1).astype(tokens.dtype))
    p = {name: params["dense"][name]["kernel"] for name in ("in", "skip", "middle", "deep", "out", "deep_out")}
    first = jax.nn.relu(pooled @ p["in"])
    second = jax.nn.relu(pooled @ p["skip"] + first @ p["middle"])
    sentence = jnp.tanh(second @ p["out"] + jax.nn.relu(second @ p["deep"]) @ p["deep_out"])
    square = jnp.sum(jnp.square(sentence), axis=-1, keepdims=True)
    return sentence * jax.lax.rsqrt(jnp.maximum(square, _EPSILON)), tokens


def _affine(x: jax.Array, p: dict) -> jax.Array:
    return x @ p["kernel"] + p["bias"]


def _ngrams(p: dict, x: jax.Array, known: jax.Array, order: int) -> jax.Array:
    """Return the states `[B, L, H]` of the n-grams around each token; beyond the sentence there are zeros."""
    for name in ("conv_1", "conv_2"):
        x = jnp.where(known, x, 0)
        x = x + jax.nn.relu(_affine(_windows(x, order), p[name]))
    return x


def _windows(x: jax.Array, order: int) -> jax.Array:
    """Return the `order` tokens around each one side by side, `[B, L, order * H]`."""
    before = ORDERS[order]
    x = jnp.pad(x, ((0, 0), (before, order - 1 - before), (0, 0)))
    return jnp.concatenate([x[:, i : x.shape[1] - order + 1 + i] for i in range(order)], axis=-1)


def _layer_norm(x: jax.Array, p: dict) -> jax.Array:
    x = x - jnp.mean(x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + _EPSILON) * p["scale"] + p["bias"]


class MultilingualEncoder:
    """The encoder as a `TextEncoder`: row 0 is the sentence, of the size of a token's row; its tokens follow."""

    kind, embeds_sentences = MODEL_TYPE, True

    def __init__(self, params: dict, text: bytes, hash: str, *, max_tokens: int):
        if not 2 <= max_tokens <= _LONGEST:
            raise RequestError(f"max_tokens is {max_tokens}; this encoder takes 2 to {_LONGEST}")
        self.params, self.text, self.max_tokens, self.hash = params, text, max_tokens, hash
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=text)

    @property
    def width(self) -> int:
        return self.params["embedding"].shape[1]

    @property
    def carried(self) -> Carried:
        return Carried(self.params, self.text)

    words = staticmethod(words_of)

    def count(self, prompt: str) -> int:
        return 1 + len(self.ids(prompt))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a prompt's pieces; case matters to this vocabulary."""
        return self._processor.encode(normalised(prompt))

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings of the prompts; RequestError when one has `max_tokens` pieces or more."""
        return in_batches(partial(_embed, self.params), [self.ids(prompt) for prompt in prompts], self.max_tokens - 1)


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
    """Open what `convert_multilingual_encoder.convert` wrote; see `open.load`."""
    return MultilingualEncoder(*read_folder(folder), max_tokens=max_tokens)
