"""Universal Sentence Encoder lite (arXiv 1803.11175): a small frozen encoder of English sentences.

In: prompts. Out: float32 rows of width 512, the sentence's own embedding first and then one row for each of its tokens.
Two pre-norm transformer layers and a table of 8,000 unigram pieces, 7.0 M parameters in all. `load` reads a folder that
`convert_sentence_encoder.py` makes. Pure functions over a nested dict.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import sentencepiece
from safetensors import SafetensorError
from safetensors.numpy import load_file

from reelm.errors import RequestError
from reelm.storage.tensors import nested

from .encoder import Carried, Embeddings, content_hash, in_batches
from .words import normalised, words_of

MODEL_TYPE = "universal-sentence-encoder-lite"
WEIGHTS_FILE, TEXT_FILE = "model.safetensors", "text.model"

_HEADS = 4
_LONGEST = 128  # pieces of a text that the published graph reads; it drops what follows
_EPSILON = 1e-6
_MASKED = -1e9


def forward(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the embedding `[B, D]` of each sentence, of norm 1, and those of its tokens `[B, L, D]`.

    Args:
        params: as `convert` writes them.
        ids: int32 `[B, L]` of pieces; where `mask` bool `[B, L]` is False there is none.
    """
    x = params["embedding"][ids]
    # The published graph adds its positions to a copy of the embeddings, and then both.
    x = 2 * x + _positions(*x.shape[1:])
    for name in ("layer_0", "layer_1"):
        p = params[name]
        attended = _attention(p["attention"], _layer_norm(x, p["attention_norm"]), mask)
        x = attended + (_affine(x, p["widen"]) if "widen" in p else x)
        h = _layer_norm(x, p["ff_norm"])
        x = x + _affine(jax.nn.relu(_affine(h, p["ff_in"])), p["ff_out"])
    count = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
    mean = jnp.sum(jnp.where(mask[..., None], x, 0), axis=1) / count
    sentence = jnp.tanh(_affine(mean, params["sentence"]))
    return sentence * jax.lax.rsqrt(jnp.sum(jnp.square(sentence), axis=-1, keepdims=True)), x


def _affine(x: jax.Array, p: dict) -> jax.Array:
    return x @ p["kernel"] + p["bias"]


def _layer_norm(x: jax.Array, p: dict) -> jax.Array:
    x = x - jnp.mean(x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + _EPSILON) * p["scale"] + p["bias"]


def _attention(p: dict, x: jax.Array, mask: jax.Array) -> jax.Array:
    qkv = _affine(x, p["qkv"]).reshape(*x.shape[:2], 3, _HEADS, -1)
    q, k, v = (qkv[:, :, i] for i in range(3))
    logits = jnp.einsum("blnk,bmnk->bnlm", q, k) / math.sqrt(q.shape[-1])
    weights = jax.nn.softmax(jnp.where(mask[:, None, None, :], logits, _MASKED), axis=-1)
    return _affine(jnp.einsum("bnlm,bmnk->blnk", weights, v).reshape(*x.shape[:2], -1), p["out"])


def _positions(length: int, width: int) -> np.ndarray:
    """Return sines, then cosines, of wavelengths from 2 pi to 20,000 pi, `[L, D]` (arXiv 1706.03762, section 3.5)."""
    rates = np.exp(-math.log(10_000) * np.arange(width // 2) / (width // 2 - 1))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


class SentenceEncoder:
    """The encoder as a `TextEncoder`: row 0 is the sentence, of the size of a token's row; its tokens follow."""

    kind, embeds_sentences = MODEL_TYPE, True

    def __init__(self, params: dict, text: bytes, hash: str, *, max_tokens: int):
        if not 2 <= max_tokens <= _LONGEST:
            raise RequestError(f"max_tokens is {max_tokens}; this encoder takes 2 to {_LONGEST}")
        self.params, self.text, self.max_tokens, self.hash = params, text, max_tokens, hash
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=text)

    @property
    def width(self) -> int:
        return self.params["sentence"]["kernel"].shape[1]

    @property
    def carried(self) -> Carried:
        return Carried(self.params, self.text)

    words = staticmethod(words_of)

    def count(self, prompt: str) -> int:
        return 1 + len(self.ids(prompt))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a prompt's pieces, from 0; case matters to this vocabulary."""
        return self._processor.encode(normalised(prompt))

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings of the prompts; RequestError when one has `max_tokens` pieces or more."""
        return in_batches(partial(_embed, self.params), [self.ids(prompt) for prompt in prompts], self.max_tokens - 1)


@jax.jit
def _embed(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    sentence, tokens = forward(params, ids, mask)
    # One linear layer reads both, so both have values of about 1.
    rows = jnp.concatenate([sentence[:, None] * math.sqrt(sentence.shape[-1]), tokens], axis=1)
    mask = jnp.pad(mask, ((0, 0), (1, 0)), constant_values=True)
    return jnp.where(mask[..., None], rows, 0), mask


def load(folder: Path, *, max_tokens: int) -> SentenceEncoder:
    """Open what `convert_sentence_encoder.convert` wrote; see `open.load`."""
    return SentenceEncoder(*read_folder(folder), max_tokens=max_tokens)


def read_folder(folder: Path) -> tuple[dict, bytes, str]:
    """Return (parameters, vocabulary, hash) of a folder that a conversion wrote; RequestError unless it is whole."""
    files = folder / WEIGHTS_FILE, folder / TEXT_FILE
    try:
        params = nested(load_file(files[0]))
        text = files[1].read_bytes()
    except (OSError, SafetensorError) as error:
        raise RequestError(f"{folder} is no whole text encoder ({error}); convert it again") from error
    return params, text, content_hash(*files)
