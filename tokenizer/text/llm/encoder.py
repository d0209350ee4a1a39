"""A decoder-only language model as a frozen text encoder.

In: prompts. Out: float32 rows, one for each token after the head of the template. A row is the state of one layer, as
in HunyuanVideo (arXiv 2412.03603), or the states of all layers side by side, as in LTX-2. Or only the last row is kept,
as in sentence embedders (arXiv 2401.00368). Each state is scaled to a root mean square of 1, since the first layers and
some tokens are far larger than others. The video model has its own matrix that reads the rows.

`point.py` makes the folder, whose config.json names the weights and the settings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_json, shown
from reelm.tokenizer.text.encoder import CONFIG_FILE, Embeddings, content_hash, in_batches
from reelm.tokenizer.text.words import normalised, words_of

from . import files
from .config import LLMConfig
from .files import Published, read_params
from .net import every_state, last_state
from .vocabulary import PROMPT, Template

MODEL_TYPE = "language-model"

Pooling = Literal["none", "last"]

_LONGEST = 512  # most tokens of a prompt and the template after it, when one row embeds them


@dataclass(frozen=True, kw_only=True)
class LLMFolder:
    """The content of config.json.

    model_type: `MODEL_TYPE`.
    weights: path of the published model, from the folder or from the root.
    sha256: digest of each of its files, by name.
    layer: the layer whose states are used: 1 is after the first block, -1 after the last and normalised; None for all
        layers and the embeddings.
    template: text around a prompt, which replaces `PROMPT`; the rows of the text before it are dropped.
    pooling: "none" for a row of each token, "last" for only the last row, which has seen the whole template.
    """

    model_type: str
    weights: str
    sha256: dict[str, str]
    layer: int | None
    template: str
    pooling: Pooling

    def __post_init__(self):
        if self.template.count(PROMPT) != 1:
            raise RequestError(f"the template {shown(self.template)} must have {PROMPT} exactly once, for the prompt")
        if wrong := [name for name, digest in self.sha256.items() if not re.fullmatch("[0-9a-f]{64}", digest)]:
            raise RequestError(f"the sha256 of {shown(wrong[0])} is not a digest in hex")


class LLMEncoder:
    """A language model as a `TextEncoder`. The weights are read for the first prompt."""

    kind, carried = MODEL_TYPE, None

    def __init__(self, folder: Path, *, max_tokens: int):
        self.folder, self.max_tokens = folder, max_tokens
        where = str(folder / CONFIG_FILE)
        self.settings = parsed(LLMFolder, read_json(folder / CONFIG_FILE), where)
        self._published = opened_in(folder, self.settings)
        config = self._published.config
        self._layer = layer_of(config, self.settings.layer)
        self._template = Template(self.settings.template, self._published.vocabulary)
        self._head = np.array(self._template.head, np.int32)
        self._room = room = config.longest - len(self._head)
        if not 1 <= max_tokens <= room:
            raise RequestError(
                f"max_tokens is {max_tokens}; this model takes 1 to {room} after the {len(self._head)} tokens of its "
                f"template, of {config.longest} positions"
            )

    @property
    def embeds_sentences(self) -> bool:
        return self.settings.pooling == "last"

    @property
    def width(self) -> int:
        config = self._published.config
        return config.width * (config.layers + 1 if self._layer is None else 1)

    @property
    def hash(self) -> str:
        how = f"{self.settings.layer} {self.settings.pooling} {self.settings.template}"
        return content_hash(how.encode(), *(digest.encode() for digest in sorted(self.settings.sha256.values())))

    @cached_property
    def params(self) -> dict:
        check_files(self._published, self.folder, self.settings)
        config, tensors, names, *_ = self._published
        return read_params(config, tensors, names, config.layers if self._layer is None else self._layer)

    words = staticmethod(words_of)

    def unknown(self, prompt: str) -> list[str]:
        return []  # these vocabularies fall back to bytes

    def count(self, prompt: str) -> int:
        return 1 if self.embeds_sentences else len(self.ids(prompt))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a prompt, of the template after it, and of the end of text."""
        return [*self._template.behind(normalised(prompt)), *self._published.vocabulary.end]

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings of the prompts; RequestError when one has more tokens than `max_tokens`.

        With pooling the limit is 512, or what the model takes if that is less, instead of `max_tokens`.
        """
        ids = [self.ids(prompt) for prompt in prompts]
        if not self.embeds_sentences:
            return in_batches(self._embedded, ids, self.max_tokens)
        longest = max(map(len, ids), default=1)
        # Pad lengths to powers of two, so that few programs are compiled.
        values, mask = in_batches(self._pooled, ids, min(1 << (longest - 1).bit_length(), _LONGEST, self._room))
        further = (0, self.max_tokens - 1)
        return Embeddings(np.pad(values, ((0, 0), further, (0, 0))), np.pad(mask, ((0, 0), further)))

    def _pooled(self, ids: np.ndarray, mask: np.ndarray) -> tuple[jax.Array, jax.Array]:
        rows, _ = self._embedded(ids, mask)
        last = np.maximum(mask.sum(axis=1), 1) - 1
        return rows[np.arange(len(last)), last][:, None], jnp.ones((len(last), 1), bool)

    def _embedded(self, ids: np.ndarray, mask: np.ndarray) -> tuple[jax.Array, jax.Array]:
        config, tensors, names, *_ = self._published
        whole = np.concatenate([np.tile(self._head, (len(ids), 1)), ids], axis=1)
        used, places = np.unique(whole, return_inverse=True)
        x = tensors.rows(names.embedding, used.tolist())[places.reshape(whole.shape)]
        return _rows(config, self._layer is None, self.params, jnp.asarray(x), jnp.asarray(mask))


@partial(jax.jit, static_argnums=(0, 1))
def _rows(config: LLMConfig, every: bool, params: dict, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    states = every_state(config, params, x) if every else last_state(config, params, x)[None]
    states = states[:, :, -mask.shape[1] :]
    square = jnp.mean(jnp.square(states), axis=-1, keepdims=True)
    states = states * jax.lax.rsqrt(jnp.maximum(square, config.epsilon))
    rows = jnp.moveaxis(states, 0, 2).reshape(*mask.shape, -1)
    return jnp.where(mask[..., None], rows, 0), mask


def layer_of(config: LLMConfig, layer: int | None) -> int | None:
    """Return the number of a layer counted from the first; RequestError when the model does not have it."""
    if layer is None:
        return None
    if not 1 <= abs(layer) <= config.layers:
        raise RequestError(
            f"there is no layer {layer}; this model has 1 to {config.layers}, or -1 to -{config.layers} from the last"
        )
    return layer % (config.layers + 1)


def opened_in(folder: Path, settings: LLMFolder) -> Published:
    """Open the published model that the config.json of a folder names."""
    path = folder / settings.weights
    if not path.exists():
        raise RequestError(f"the weights {path} of {folder} are missing; point to them again")
    return files.opened(path)


def check_files(published: Published, folder: Path, settings: LLMFolder) -> None:
    """Raise RequestError unless the files of a published model have the digests in the config.json of a folder."""
    found = published.digests()
    if other := sorted(name for name, _ in found.items() ^ settings.sha256.items()):
        raise RequestError(
            f"{settings.weights}: {other[0]} is not the file that {folder} names (sha256), or one of them is missing; "
            "restore the file, or point to this one again"
        )


def load(folder: Path, *, max_tokens: int) -> LLMEncoder:
    """Open a folder that `point.py` made; see `text_encoders.load`."""
    return LLMEncoder(folder, max_tokens=max_tokens)
