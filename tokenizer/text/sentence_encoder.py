"""Universal Sentence Encoder lite (arXiv 1803.11175): a small frozen encoder of English sentences.

In: prompts. Out: float32 rows of width 512: the embedding of the sentence, then one row for each of its tokens. The net
has two pre-norm transformer layers and a table of 8,000 unigram pieces, 7.0 M parameters in all. `load` reads a folder
that `convert_sentence_encoder.py` makes. Pure functions over a nested dict.
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .universal import UniversalEncoder, affine, layer_norm, read_folder

MODEL_TYPE = "universal-sentence-encoder-lite"

_HEADS = 4
_LONGEST = 128  # the published graph reads this many pieces of a text and drops the rest
_EPSILON = 1e-6
_MASKED = -1e9


def forward(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the embedding `[B, D]` of each sentence, of norm 1, and those of its tokens `[B, L, D]`.

    Args:
        params: as `convert` writes them.
        ids: int32 `[B, L]` of pieces; padding where `mask` bool `[B, L]` is False.
    """
    x = params["embedding"][ids]
    # The published graph adds the positions to a copy of the embeddings, and then adds embeddings and copy.
    x = 2 * x + _positions(*x.shape[1:])
    for name in ("layer_0", "layer_1"):
        p = params[name]
        attended = _attention(p["attention"], layer_norm(x, p["attention_norm"], _EPSILON), mask)
        x = attended + (affine(x, p["widen"]) if "widen" in p else x)
        h = layer_norm(x, p["ff_norm"], _EPSILON)
        x = x + affine(jax.nn.relu(affine(h, p["ff_in"])), p["ff_out"])
    count = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
    mean = jnp.sum(jnp.where(mask[..., None], x, 0), axis=1) / count
    sentence = jnp.tanh(affine(mean, params["sentence"]))
    return sentence * jax.lax.rsqrt(jnp.sum(jnp.square(sentence), axis=-1, keepdims=True)), x


def _attention(p: dict, x: jax.Array, mask: jax.Array) -> jax.Array:
    qkv = affine(x, p["qkv"]).reshape(*x.shape[:2], 3, _HEADS, -1)
    q, k, v = (qkv[:, :, i] for i in range(3))
    logits = jnp.einsum("blnk,bmnk->bnlm", q, k) / math.sqrt(q.shape[-1])
    weights = jax.nn.softmax(jnp.where(mask[:, None, None, :], logits, _MASKED), axis=-1)
    return affine(jnp.einsum("bnlm,bmnk->blnk", weights, v).reshape(*x.shape[:2], -1), p["out"])


def _positions(length: int, width: int) -> np.ndarray:
    """Return sines, then cosines, of wavelengths from 2 pi to 20,000 pi, `[L, D]` (arXiv 1706.03762, section 3.5)."""
    rates = np.exp(-math.log(10_000) * np.arange(width // 2) / (width // 2 - 1))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


class SentenceEncoder(UniversalEncoder):
    """The encoder as a `TextEncoder`."""

    kind, longest = MODEL_TYPE, _LONGEST

    @property
    def width(self) -> int:
        return self.params["sentence"]["kernel"].shape[1]

    def embed(self, ids: np.ndarray, mask: np.ndarray) -> tuple[jax.Array, jax.Array]:
        return _embed(self.params, ids, mask)


@jax.jit
def _embed(params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    sentence, tokens = forward(params, ids, mask)
    # One linear layer reads both kinds of rows, so both are scaled to values of about 1.
    rows = jnp.concatenate([sentence[:, None] * math.sqrt(sentence.shape[-1]), tokens], axis=1)
    mask = jnp.pad(mask, ((0, 0), (1, 0)), constant_values=True)
    return jnp.where(mask[..., None], rows, 0), mask


def load(folder: Path, *, max_tokens: int) -> SentenceEncoder:
    """Open a folder of `convert_sentence_encoder.convert`; see `text_encoders.load`."""
    return SentenceEncoder(*read_folder(folder), max_tokens=max_tokens)
