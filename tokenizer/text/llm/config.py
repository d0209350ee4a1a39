"""The sizes of a decoder-only language model of any known family.

In: the fields of a config.json, as Transformers writes them, or the facts of a GGUF file. Out: an `LLMConfig` for
`net.py`, and the rotation rates of its positions. A model that `net.py` cannot compute, or a file with missing fields,
raises a RequestError of one line.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from reelm.errors import RequestError
from reelm.storage.fields import parsed, shown

Activation = Literal["silu", "gelu"]
FAMILIES = ("llama", "qwen3", "gemma3")

_COUNTS = ("width", "layers", "heads", "key_heads", "head_width", "hidden", "longest", "window")
_ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "gelu_pytorch_tanh": "gelu"}
_LOCAL, _GLOBAL = "sliding_attention", "full_attention"
_GEMMA_LOCAL_BASE, _GEMMA_PATTERN = 10_000.0, 6  # every sixth layer of Gemma 3 has global attention


@dataclass(frozen=True, kw_only=True)
class Rope:
    """Rotary positions (arXiv 2104.09864).

    base: of the geometric series of wavelengths.
    linear: divisor of all positions.
    factor: divisor of the rates of long waves, as in Llama 3.1 (arXiv 2407.21783); 1 changes nothing.
    low, high: wavelengths above `original / low` are long; those below `original / high` do not change.
    original: context length of the first training, in positions.
    """

    base: float
    linear: float = 1.0
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192

    def __post_init__(self):
        if min(self.base, self.linear, self.factor, self.low, self.original) <= 0 or self.high <= self.low:
            raise RequestError(f"{self} is not valid: a number is out of range")

    def rates(self, head_width: int) -> np.ndarray:
        """Return radians a position for each pair of a head, float32 `[K / 2]`."""
        rates = self.base ** -(np.arange(0, head_width, 2, dtype=np.float64) / head_width)
        waves = self.original * rates / (2 * math.pi)  # periods of each pair within the context of the first training
        kept = np.clip((waves - self.low) / (self.high - self.low), 0, 1)
        return ((kept + (1 - kept) / self.factor) * rates / self.linear).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class LLMConfig:
    """Sizes of a net of pre-norm blocks with gated MLPs and grouped-query attention.

    width, layers, hidden: D of a state, number of blocks, hidden units of a block's MLP.
    heads, key_heads, head_width: query heads; key and value heads, each shared by equally many queries; K of a head.
    longest: number of positions that it was trained for.
    activation: of the gate; GELU in its tanh form.
    query_norm: whether queries and keys are normalised, each head separately.
    post_norm: whether the outputs of attention and MLP are normalised too.
    embedding_scale: factor of the embeddings.
    query_scale: factor of the attention logits.
    local: for each layer, whether it sees only the last `window` positions.
    rope, local_rope: rotary positions of the global layers, and of the local ones.
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
            raise RequestError(f"local has {len(self.local)} entries for {self.layers} layers")


@dataclass(frozen=True, kw_only=True)
class _Fields:
    """The fields that are read from config.json, by their published names."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int | None = None
    max_position_embeddings: int
    rms_norm_eps: float
    hidden_act: str | None = None
    hidden_activation: str | None = None
    sliding_window: int | None = None
    sliding_window_pattern: int | None = None
    layer_types: tuple[str, ...] | None = None
    query_pre_attn_scalar: float | None = None
    rope_theta: float | None = None
    rope_local_base_freq: float = _GEMMA_LOCAL_BASE
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    attention_bias: bool = False
    mlp_bias: bool = False
    attn_logit_softcapping: float | None = None
    use_bidirectional_attention: bool | None = None
    use_sliding_window: bool = False


# Published files of Gemma 3 leave out the fields whose values equal those of its smallest model with vision.
_GEMMA: dict[str, Any] = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 256,
    "rope_theta": 1e6,
    "sliding_window_pattern": _GEMMA_PATTERN,
    "sliding_window": 4096,
}


def of_json(published: Any, where: str) -> LLMConfig:
    """Return the config in a published config.json.

    Args:
        published: its JSON value.
        where: the file, for messages.
    """
    family = family_of(published, where)
    inner = published.get("text_config", published)  # a model with vision nests the fields of its text part
    if not isinstance(inner, dict):
        raise RequestError(f"{where} is damaged: its text_config is {shown(inner)}")
    known = {field.name: inner[field.name] for field in fields(_Fields) if field.name in inner}
    found = parsed(_Fields, _GEMMA | known if family == "gemma3" else {"num_key_value_heads": 0} | known, where)
    wrong = ("attention_bias", "mlp_bias", "attn_logit_softcapping", "use_bidirectional_attention")
    if beyond := [name for name in wrong if getattr(found, name)]:
        raise RequestError(f"{where} has {beyond[0]}, which is not supported")
    activation = found.hidden_activation if family == "gemma3" else found.hidden_act
    if activation not in _ACTIVATIONS:
        raise RequestError(f"{where} has the activation {shown(activation)}; known are {', '.join(_ACTIVATIONS)}")
    gemma = family == "gemma3"
    if found.use_sliding_window and not found.layer_types:
        raise RequestError(f"{where} has a sliding window but no layer_types, so its layers are not known")
    types = found.layer_types or _layer_types(found.num_hidden_layers, found.sliding_window_pattern if gemma else None)
    head_width = found.head_dim or found.hidden_size // max(found.num_attention_heads, 1)
    return LLMConfig(
        width=found.hidden_size,
        layers=found.num_hidden_layers,
        heads=found.num_attention_heads,
        key_heads=found.num_key_value_heads or found.num_attention_heads,
        head_width=head_width,
        hidden=found.intermediate_size,
        longest=found.max_position_embeddings,
        epsilon=found.rms_norm_eps,
        activation=_ACTIVATIONS[activation],
        query_norm=family != "llama",
        post_norm=gemma,
        embedding_scale=math.sqrt(found.hidden_size) if gemma else 1.0,
        query_scale=_positive(found.query_pre_attn_scalar or head_width, where) ** -0.5,
        local=tuple(each == _LOCAL for each in types),
        window=found.sliding_window or found.max_position_embeddings,
        rope=_rope(found, _GLOBAL, where),
        local_rope=_rope(found, _LOCAL, where) if gemma else _rope(found, _GLOBAL, where),
    )


def family_of(published: Any, where: str) -> str:
    """Return which of `FAMILIES` a config.json describes."""
    kind = published.get("model_type") if isinstance(published, dict) else None
    family = kind.removesuffix("_text") if isinstance(kind, str) else None
    if family not in FAMILIES:
        raise RequestError(f"{where} describes {shown(kind)}; language models known here are {', '.join(FAMILIES)}")
    return family


def _layer_types(layers: int, pattern: int | None) -> tuple[str, ...]:
    """Return the kind of each layer: every `pattern`th layer is global; without a pattern all are."""
    return tuple(_LOCAL if pattern and (i + 1) % pattern else _GLOBAL for i in range(min(layers, 4096)))


def _rope(found: _Fields, kind: str, where: str) -> Rope:
    """Return the rotary positions of one kind of layer; Transformers writes them differently since version 5."""
    given: Any = found.rope_parameters or {}
    given = given.get(kind, given)
    if not given:
        local = kind == _LOCAL
        base = found.rope_local_base_freq if local else found.rope_theta
        given = {"rope_theta": base} | ({} if local else found.rope_scaling or {})
    given = {name.removeprefix("rope_"): value for name, value in given.items()}
    form = given.get("type", "default")
    names = {"theta": "base"}
    if form == "linear":
        names |= {"factor": "linear"}
    elif form == "llama3":
        names |= {"factor": "factor", "low_freq_factor": "low", "high_freq_factor": "high",
                  "original_max_position_embeddings": "original"}  # fmt: skip
    elif form != "default":
        raise RequestError(f"{where} has rotary positions of {shown(form)}; known are default, linear, llama3")
    if given.get("theta") is None:
        given["theta"] = 10_000.0
    return parsed(Rope, {ours: given[theirs] for theirs, ours in names.items() if theirs in given}, where)


def of_facts(facts: Mapping[str, Any], where: str) -> LLMConfig:
    """Return the config in the facts of a GGUF file `where`."""
    family = facts.get("general.architecture")
    if family not in FAMILIES:
        raise RequestError(f"{where} holds {shown(family)}; language models known here are {', '.join(FAMILIES)}")

    def fact(name: str, default: Any = None) -> Any:
        value = facts.get(f"{family}.{name}", default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RequestError(f"{where} is damaged: its {family}.{name} is {shown(value)}, not a number")
        return value

    gemma = family == "gemma3"
    width, layers, heads = (fact(name) for name in ("embedding_length", "block_count", "attention.head_count"))
    head_width = fact("attention.key_length", width // max(heads, 1))
    scaling = facts.get(f"{family}.rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise RequestError(f"{where} has rotary positions of {shown(scaling)}; known are none, linear")
    base = fact("rope.freq_base", 1e6 if gemma else 10_000.0)
    rope = Rope(base=float(base), linear=float(fact("rope.scaling.factor", 1.0)) if scaling == "linear" else 1.0)
    longest = fact("context_length")
    types = _layer_types(layers, _GEMMA_PATTERN if gemma else None)
    # The file does not store the scale. Only Gemma 3 27B, with 62 layers, does not derive it from the head's width.
    scaled = width // max(heads, 1) if gemma and layers == 62 else head_width
    return LLMConfig(
        width=width,
        layers=layers,
        heads=heads,
        key_heads=fact("attention.head_count_kv", heads),
        head_width=head_width,
        hidden=fact("feed_forward_length"),
        longest=longest,
        epsilon=float(fact("attention.layer_norm_rms_epsilon")),
        activation="gelu" if gemma else "silu",
        query_norm=family != "llama",
        post_norm=gemma,
        embedding_scale=math.sqrt(width) if gemma else 1.0,
        query_scale=_positive(scaled, where) ** -0.5,
        local=tuple(each == _LOCAL for each in types),
        window=fact("attention.sliding_window", longest),
        rope=rope,
        local_rope=Rope(base=float(fact("rope.freq_base_swa", _GEMMA_LOCAL_BASE))) if gemma else rope,
    )


def _positive(number: float, where: str) -> float:
    if number <= 0:
        raise RequestError(f"{where} is damaged: its attention logits are divided by the root of {number}")
    return number
