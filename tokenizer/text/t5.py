"""The frozen encoder of T5 v1.1 (arXiv 1910.10683; gated GELU as in arXiv 2002.05202).

In: prompts. Out: the last hidden state, float32, one row for each SentencePiece token and one for the end. It opens the
folder of a published checkpoint of any size (`config.json`, safetensors in one file or several, `spiece.model`) and
does not read the decoder. Pure functions over a nested dict whose layers are stacked, so that one layer is compiled for
all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sentencepiece

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_json, shown
from reelm.storage.foreign.checkpoint import Checkpoint

from .encoder import CONFIG_FILE, Embeddings, content_hash, in_batches
from .words import normalised, words_of

MODEL_TYPE = "t5"
_END = 1  # the id of </s>, which T5 puts after every text
_MASKED = -1e9


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """Sizes of an encoder, named as in the published config.json."""

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_heads: int
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6

    def __post_init__(self):
        for name in ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} is {getattr(self, name)}; it must be 1 or more")

    @classmethod
    def of(cls, published: dict[str, Any], where: str) -> "T5Config":
        """Return the config in the published file `where`; RequestError if it is not T5 v1.1."""
        if published.get("feed_forward_proj") != "gated-gelu":
            raise RequestError(
                f"this T5 has feed_forward_proj {shown(published.get('feed_forward_proj'))}; T5 v1.1 has 'gated-gelu'"
            )
        known = {field.name: published[field.name] for field in fields(cls) if field.name in published}
        return parsed(cls, known, where)


def forward(config: T5Config, params: dict, ids: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the last hidden state `[B, L, D]` of ids int32 `[B, L]`; `mask` bool `[B, L]` is False for padding.

    params: {"embedding" `[V, D]`, "relative_bias" `[buckets, N]`, "norm" `[D]`, "layers": each leaf stacked}.
    """
    x = params["embedding"][ids]
    buckets = _buckets(ids.shape[1], config.relative_attention_num_buckets, config.relative_attention_max_distance)
    bias = jnp.moveaxis(params["relative_bias"][buckets], -1, 0)[None]  # [1, N, L, L], shared by all layers
    bias = bias + jnp.where(mask, 0.0, _MASKED)[:, None, None, :]
    norm = partial(_rms_norm, epsilon=config.layer_norm_epsilon)

    def layer(x: jax.Array, p: dict) -> tuple[jax.Array, None]:
        x = x + _attention(p, norm(x, p["attention_norm"]), bias, config.num_heads)
        h = norm(x, p["ff_norm"])
        return x + (jax.nn.gelu(h @ p["wi_0"], approximate=True) * (h @ p["wi_1"])) @ p["wo"], None

    x, _ = jax.lax.scan(layer, x, params["layers"])
    return norm(x, params["norm"])


def _attention(p: dict, x: jax.Array, bias: jax.Array, heads: int) -> jax.Array:
    """Apply self-attention without scaling the logits: T5 has that scale in its initialisation."""
    q, k, v = (jnp.reshape(x @ p[name], (*x.shape[:2], heads, -1)) for name in "qkv")
    weights = jax.nn.softmax(jnp.einsum("blnk,bmnk->bnlm", q, k) + bias, axis=-1)
    return jnp.einsum("bnlm,bmnk->blnk", weights, v).reshape(*x.shape[:2], -1) @ p["o"]


def _rms_norm(x: jax.Array, scale: jax.Array, *, epsilon: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + epsilon) * scale


def _buckets(length: int, buckets: int, furthest: int) -> np.ndarray:
    """Return the bucket int `[L, L]` of each (query, key): half per side, single distances first, then logarithmic."""
    distance = np.arange(length)[None] - np.arange(length)[:, None]
    half = buckets // 2
    exact = half // 2
    far = np.maximum(np.abs(distance), 1).astype(np.float32)
    by_log = exact + (np.log(far / exact) / math.log(furthest / exact) * (half - exact)).astype(int)
    return np.where(distance > 0, half, 0) + np.where(
        np.abs(distance) < exact, np.abs(distance), np.minimum(by_log, half - 1)
    )


class T5Encoder:
    """T5 as a `TextEncoder`. The weights are read for the first prompt."""

    kind, carried, embeds_sentences = MODEL_TYPE, None, False

    def __init__(self, folder: Path, *, max_tokens: int):
        self.folder, self.max_tokens = folder, max_tokens
        self.config = T5Config.of(read_json(folder / CONFIG_FILE), str(folder / CONFIG_FILE))
        self._vocabulary = folder / "spiece.model"
        if not self._vocabulary.is_file():
            raise RequestError(f"{folder} has no spiece.model; fetch it from the source of the weights")
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(self._vocabulary))
        self._weights = Checkpoint(folder)

    @property
    def width(self) -> int:
        return self.config.d_model

    @property
    def hash(self) -> str:
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return content_hash(f"{self.config}".encode(), self._vocabulary, *self._weights.files)

    @cached_property
    def params(self) -> dict:
        return read_params(self.config, self._weights)

    words = staticmethod(words_of)

    def unknown(self, prompt: str) -> list[str]:
        ids, pieces = self.ids(prompt), self._processor.encode(normalised(prompt), out_type=str)
        return [piece.strip("▁") for piece, id in zip(pieces, ids, strict=False) if id == self._processor.unk_id()]

    def count(self, prompt: str) -> int:
        return len(self.ids(prompt))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a prompt's pieces and of the end."""
        return [*self._processor.encode(normalised(prompt)), _END]

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings of the prompts; RequestError when one has more than `max_tokens`."""
        ids = [self.ids(prompt) for prompt in prompts]
        return in_batches(partial(_embed, self.config, self.params), ids, self.max_tokens)


@partial(jax.jit, static_argnums=0)
def _embed(config: T5Config, params: dict, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(mask[..., None], forward(config, params, ids, mask), 0), mask


def load(folder: Path, *, max_tokens: int) -> T5Encoder:
    """Open the encoder of a published checkpoint; see `text_encoders.load`."""
    return T5Encoder(folder, max_tokens=max_tokens)


def read_params(config: T5Config, weights: Checkpoint) -> dict:
    """Return the encoder's float32 parameters from published files; RequestError names a tensor that is missing."""

    def read(name: str) -> np.ndarray:
        if name not in weights:
            raise RequestError(f"{weights.folder} has no tensor {name}; its T5 encoder is not complete")
        return weights.read(name).astype(np.float32)

    def stacked(name: str, *, transposed: bool = True) -> np.ndarray:
        each = [read(f"encoder.block.{i}.layer.{name}.weight") for i in range(config.num_layers)]
        return np.stack([weight.T if transposed else weight for weight in each])

    layers = {name: stacked(f"0.SelfAttention.{name}") for name in "qkvo"}
    layers |= {name: stacked(f"1.DenseReluDense.{name}") for name in ("wi_0", "wi_1", "wo")}
    layers |= {
        "attention_norm": stacked("0.layer_norm", transposed=False),
        "ff_norm": stacked("1.layer_norm", transposed=False),
    }
    embedding = "shared.weight" if "shared.weight" in weights else "encoder.embed_tokens.weight"
    return {
        "embedding": read(embedding),
        "relative_bias": read("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
        "norm": read("encoder.final_layer_norm.weight"),
        "layers": layers,
    }
