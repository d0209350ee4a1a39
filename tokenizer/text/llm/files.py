"""A published decoder-only language model: a GGUF file, or a folder of config.json, safetensors and tokenizer.json.

In: a path. Out: its sizes, its tensors and their names, its vocabulary, and its files; later the parameters of its
first layers. Matrices that are stored in 16 bits stay in 16 bits. The table of embeddings stays in the file, because a
prompt needs only a few of its rows.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from reelm.errors import RequestError
from reelm.storage.digests import sha256_of
from reelm.storage.fields import read_json
from reelm.storage.foreign.checkpoint import Checkpoint
from reelm.storage.foreign.gguf import GGUF

from . import config as sizes
from . import vocabulary
from .config import LLMConfig
from .vocabulary import Vocabulary

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"


class Tensors(Protocol):
    """The interface of both kinds of files. A tensor that is missing or of an unknown format raises RequestError."""

    def __contains__(self, name: str) -> bool: ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor; for a matrix outputs, then inputs."""
        ...

    def read(self, name: str) -> np.ndarray:
        """Return a tensor in float32, or in 16 bits if it is stored so."""
        ...

    def rows(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """Return some rows of a matrix as float32 `[len(rows), columns]`."""
        ...


class Published(NamedTuple):
    """A published model.

    files: all files that affect the embeddings.
    """

    config: LLMConfig
    tensors: Tensors
    names: "Names"
    vocabulary: Vocabulary
    files: tuple[Path, ...]

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each file by its name, in hex; reads all of them."""
        return {file.name: sha256_of(file) for file in self.files}


def opened(path: Path) -> Published:
    """Open a published model; RequestError when its family is unknown, it is damaged, or its parts do not fit."""
    found = _folder(path) if path.is_dir() else _file(path)
    shape = found.tensors.shape(found.names.embedding)
    if len(shape) != 2 or shape[1] != found.config.width or shape[0] < found.vocabulary.size:
        raise RequestError(
            f"{path}: the table of embeddings is {list(shape)}, for {found.vocabulary.size} pieces and a width of "
            f"{found.config.width}; fetch the model again"
        )
    return found


def _file(path: Path) -> Published:
    file = GGUF(path)
    config = sizes.of_facts(file.facts, str(path))
    names = gguf_names(file.facts["general.architecture"])
    return Published(config, file, names, vocabulary.of_facts(file.facts, str(path)), (path,))


def _folder(path: Path) -> Published:
    where = str(path / _CONFIG)
    fields = read_json(path / _CONFIG)
    config = sizes.of_json(fields, where)
    checkpoint = Checkpoint(path)
    names = checkpoint_names(checkpoint.names, sizes.family_of(fields, where))
    files = (path / _CONFIG, path / _TOKENIZER, *checkpoint.files)
    return Published(config, checkpoint, names, vocabulary.of_json(path / _TOKENIZER), files)


class Names(NamedTuple):
    """The names of the tensors in a file.

    embedding, norm: names of the table and of the last norm.
    layer: prefix of the tensors of layer `{}`.
    leaves: the names after the prefix, by reelm's names.
    divisors: name of the divisors of the rotation rates, where a file has them.
    paired: whether queries and keys are stored so that neighbouring values are rotated as pairs.
    ones_less: whether the file stores a norm's scale minus one.
    """

    embedding: str
    norm: str
    layer: str
    leaves: dict[str, str]
    divisors: str | None = None
    paired: bool = False
    ones_less: bool = False


_PUBLISHED = {name: f"self_attn.{name}_proj" for name in "qkvo"} | {
    **{name: f"mlp.{name}_proj" for name in ("gate", "up", "down")},
    **{"q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm", "attention_norm": "input_layernorm"},
    "ff_norm": "post_attention_layernorm",
}
_PUBLISHED_GEMMA = {
    "attention_post_norm": "post_attention_layernorm",
    "ff_norm": "pre_feedforward_layernorm",
    "ff_post_norm": "post_feedforward_layernorm",
}
_GGUF = {name: f"attn_{name}" for name in ("q", "k", "v", "q_norm", "k_norm")} | {
    **{name: f"ffn_{name}" for name in ("gate", "up", "down")},
    **{"o": "attn_output", "attention_norm": "attn_norm", "ff_norm": "ffn_norm"},
    **{"attention_post_norm": "post_attention_norm", "ff_post_norm": "post_ffw_norm"},
}
_TABLE = "embed_tokens.weight"


def checkpoint_names(names: Sequence[str], family: str) -> Names:
    """Return the names of tensors in a folder of safetensors; the text part of a larger model has a prefix."""
    found = [name.removesuffix(_TABLE) for name in names if name.endswith(_TABLE)]
    prefix = min(found, key=len, default="model.")
    leaves = _PUBLISHED | (_PUBLISHED_GEMMA if family == "gemma3" else {})
    whole = {ours: f"{theirs}.weight" for ours, theirs in leaves.items()}
    norm, layer = f"{prefix}norm.weight", f"{prefix}layers.{{}}."
    return Names(f"{prefix}{_TABLE}", norm, layer, whole, ones_less=family == "gemma3")


def gguf_names(family: str) -> Names:
    """Return the names of tensors in a GGUF file; only for Llama, queries and keys are in another order."""
    leaves = {ours: f"{theirs}.weight" for ours, theirs in _GGUF.items()}
    return Names(
        "token_embd.weight", "output_norm.weight", "blk.{}.", leaves, "rope_freqs.weight", paired=family == "llama"
    )


def read_params(config: LLMConfig, tensors: Tensors, names: Names, layers: int) -> dict:
    """Return the parameters of the first `layers` blocks, on the devices.

    {"layers": each leaf stacked, matrices of inputs x outputs; "norm" `[D]`, or None unless these are all blocks;
    "rates" `[2, K / 2]` of the rotary positions: those of global layers, then of local ones}

    Raises:
        RequestError: a tensor is missing or has another shape than the config asks for.
    """

    def read(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if tensors.shape(name) != shape:
            raise RequestError(f"the tensor {name} is {list(tensors.shape(name))}; the sizes ask for {list(shape)}")
        return tensors.read(name)

    def vector(name: str, width: int) -> np.ndarray:
        return read(name, (width,)).astype(np.float32) + names.ones_less

    def stacked(ours: str, of_layer: Callable[[str], np.ndarray]) -> jax.Array:
        return _placed(np.stack([of_layer(names.layer.format(i) + names.leaves[ours]) for i in range(layers)]), ours)

    made = {}
    for ours, (inputs, outputs) in _matrices(config).items():

        def matrix(name: str, inputs: int = inputs, outputs: int = outputs, ours: str = ours) -> np.ndarray:
            kernel = read(name, (outputs, inputs))
            return (_halved(kernel, config.head_width) if names.paired and ours in "qk" else kernel).T

        made[ours] = stacked(ours, matrix)
    for ours, width in _vectors(config).items():
        made[ours] = stacked(ours, lambda name, width=width: vector(name, width))
    rates = np.stack([rope.rates(config.head_width) for rope in (config.rope, config.local_rope)])
    if names.divisors is not None and names.divisors in tensors:
        rates[0] /= read(names.divisors, (config.head_width // 2,))
        rates[1] = rates[0] if config.local_rope == config.rope else rates[1]
    norm = _placed(vector(names.norm, config.width), "norm") if layers == config.layers else None
    return {"layers": made, "norm": norm, "rates": _placed(rates, "rates")}


def _matrices(config: LLMConfig) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of the matrices of a layer."""
    queries, keys = (count * config.head_width for count in (config.heads, config.key_heads))
    width, hidden = config.width, config.hidden
    attention = {"q": (width, queries), "k": (width, keys), "v": (width, keys), "o": (queries, width)}
    return attention | {"gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}


def _vectors(config: LLMConfig) -> dict[str, int]:
    """Return the widths of the norms of a layer."""
    widths = {"attention_norm": config.width, "ff_norm": config.width}
    if config.query_norm:
        widths |= {"q_norm": config.head_width, "k_norm": config.head_width}
    if config.post_norm:
        widths |= {"attention_post_norm": config.width, "ff_post_norm": config.width}
    return widths


def _halved(kernel: np.ndarray, head_width: int) -> np.ndarray:
    """Reorder the rows of each head: the first values of all pairs, then the second values."""
    heads = kernel.reshape(-1, head_width // 2, 2, kernel.shape[1])
    return heads.swapaxes(1, 2).reshape(kernel.shape)


# The axis along which a leaf is sharded over the devices, that of heads or units; other leaves are replicated.
_CUT: dict[str, tuple[str | None, ...]] = {
    **{name: (None, None, "tensor") for name in ("q", "k", "v", "gate", "up")},
    **{name: (None, "tensor", None) for name in ("o", "down")},
}


def _placed(leaf: np.ndarray, name: str) -> jax.Array:
    """Put a leaf on the devices of this process, sharded if the axis divides evenly."""
    devices = jax.local_devices()
    if len(devices) == 1:
        return jax.device_put(leaf, devices[0])
    mesh = jax.sharding.Mesh(np.array(devices), ("tensor",))
    axes = [
        axis if axis and size % len(devices) == 0 else None
        for axis, size in zip(_CUT.get(name, (None,) * leaf.ndim), leaf.shape, strict=True)
    ]
    return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec(*axes)))
