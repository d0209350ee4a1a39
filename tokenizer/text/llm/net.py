"""The forward pass of Llama (arXiv 2407.21783), Qwen 3 (arXiv 2505.09388) and Gemma 3 (arXiv 2503.19786).

In: sizes, parameters, the embeddings of tokens. Out: hidden states. Pure functions over a nested dict whose layers are
stacked, so that one layer is compiled for all. Attention is causal and padding comes after the prompt, so no token sees
the padding.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .config import LLMConfig

_MASKED = -1e30


def every_state(config: LLMConfig, params: dict, x: jax.Array) -> jax.Array:
    """Return the states `[layers + 1, B, L, D]` before the first block and after each; the last one is normalised.

    Args:
        config: sizes; only the layers that `params` has are run.
        params: as `files.read_params` returns them.
        x: float32 `[B, L, D]`, rows of the table of embeddings.
    """
    x = x * config.embedding_scale
    last, each = _run(config, params, x, keep=True)
    assert each is not None  # because keep=True
    return jnp.concatenate([x[None], each[:-1], _normalised(config, params, last)[None]])


def last_state(config: LLMConfig, params: dict, x: jax.Array) -> jax.Array:
    """Return the last of `every_state`, `[B, L, D]`, without keeping the others in memory."""
    last, _ = _run(config, params, x * config.embedding_scale, keep=False)
    return _normalised(config, params, last)


def _normalised(config: LLMConfig, params: dict, x: jax.Array) -> jax.Array:
    """Normalise the states after the last block of `params`, if that is the model's last block."""
    return x if params["norm"] is None else _rms_norm(x, params["norm"], epsilon=config.epsilon)


def _run(config: LLMConfig, params: dict, x: jax.Array, *, keep: bool) -> tuple[jax.Array, jax.Array | None]:
    places = np.arange(x.shape[1])
    angles = places[:, None] * params["rates"][:, None]  # [2, L, K / 2]: of global layers, of local ones
    behind = places[:, None] - places
    sees = np.stack([behind >= 0, (behind >= 0) & (behind < config.window)])  # [2, L, L]

    def layer(x: jax.Array, each: tuple[dict, jax.Array]) -> tuple[jax.Array, jax.Array | None]:
        p, local = each
        x = _block(config, p, x, angles[local], jnp.asarray(sees)[local])
        return x, x if keep else None

    count = params["layers"]["attention_norm"].shape[0]
    return jax.lax.scan(layer, x, (params["layers"], jnp.array(config.local[:count], jnp.int32)))


def _block(config: LLMConfig, p: dict, x: jax.Array, angles: jax.Array, sees: jax.Array) -> jax.Array:
    norm = partial(_rms_norm, epsilon=config.epsilon)
    gate = jax.nn.silu if config.activation == "silu" else partial(jax.nn.gelu, approximate=True)
    h = _attention(config, p, norm(x, p["attention_norm"]), angles, sees)
    x = x + (norm(h, p["attention_post_norm"]) if config.post_norm else h)
    h = norm(x, p["ff_norm"])
    h = _linear(gate(_linear(h, p["gate"])) * _linear(h, p["up"]), p["down"])
    return x + (norm(h, p["ff_post_norm"]) if config.post_norm else h)


def _attention(config: LLMConfig, p: dict, x: jax.Array, angles: jax.Array, sees: jax.Array) -> jax.Array:
    """Return `[B, L, D]` for rotary angles `[L, K / 2]` and the attention mask `sees`, `[L, L]`."""
    rows, length, _ = x.shape
    q, k, v = (_linear(x, p[name]).reshape(rows, length, -1, config.head_width) for name in "qkv")
    if config.query_norm:
        q, k = (_rms_norm(y, p[name], epsilon=config.epsilon) for y, name in ((q, "q_norm"), (k, "k_norm")))
    q, k = _rotated(q, angles), _rotated(k, angles)
    q = q.reshape(rows, length, config.key_heads, -1, config.head_width)
    logits = jnp.einsum("blngk,bmnk->bnglm", q, k) * config.query_scale
    weights = jax.nn.softmax(jnp.where(sees, logits, _MASKED), axis=-1)
    return _linear(jnp.einsum("bnglm,bmnk->blngk", weights, v).reshape(rows, length, -1), p["o"])


def _rotated(x: jax.Array, angles: jax.Array) -> jax.Array:
    """Rotate heads `[B, L, N, K]` by angles `[L, K / 2]`; pair i is the values i and i + K / 2."""
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _linear(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply `x` by a matrix, which may be stored in 16 bits."""
    return x @ kernel.astype(x.dtype)


def _rms_norm(x: jax.Array, scale: jax.Array, *, epsilon: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + epsilon) * scale
