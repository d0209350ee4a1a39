"""A decoder-only language model as a writer: a prompt in the words of captions.

In: a prompt as a user says it. Out: one line, the likeliest behind a template with examples. What HunyuanVideo and Wan
do with instructed models of billions of parameters, examples do for a small one that only goes on with a text.
"""

from functools import cached_property
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_json
from reelm.tokenizer.text.encoder import CONFIG_FILE, content_hash
from reelm.tokenizer.text.words import normalised

from . import source
from .encoder import TowerFolder, check_files, opened_in
from .greedy import go_on
from .template import PROMPT, Template
from .weights import read_params, read_table

EXAMPLES = Path(__file__).with_name("examples.txt")
"""The template of a writer that has none of its own."""

_NEW = 64  # tokens at most of what is written


class Writer:
    """A published language model that says a prompt as captions say such things.

    where: a GGUF file or a folder as published, or the folder of `point.py`, whose template then holds the examples.
        Weights are read when a prompt first needs them, and stay in memory.

    Raises:
        RequestError: the model is not known or damaged; at the first prompt, that it is not the one of its folder.
    """

    def __init__(self, where: Path):
        self._where, self._settings, self.template = where, None, EXAMPLES.read_text(encoding="utf-8").rstrip("\n")
        if (where / CONFIG_FILE).is_file() and "weights" in (fields := read_json(where / CONFIG_FILE)):
            self._settings = parsed(TowerFolder, fields, str(where / CONFIG_FILE))
            self._published, digests = opened_in(where, self._settings), self._settings.sha256
            self.template = self.template if self._settings.template == PROMPT else self._settings.template
        else:
            self._published = source.opened(where)
            digests = self._published.digests()
        self._template = Template(self.template, self._published.vocabulary)
        self.hash = content_hash(self.template.encode(), *(digest.encode() for digest in sorted(digests.values())))
        self._written: dict[str, str] = {}

    def write(self, prompt: str) -> str:
        """Return one line for a prompt, "" if the model has nothing to say; the same prompt is asked for once.

        RequestError for a prompt that is too long for the model.
        """
        if prompt not in self._written:
            self._written[prompt] = self._write(normalised(prompt))
        return self._written[prompt]

    def _write(self, prompt: str) -> str:
        config, pieces = self._published.config, self._published.vocabulary
        begun = [*self._template.head, *self._template.behind(prompt)]
        length = -(-(len(begun) + _NEW) // _NEW) * _NEW
        if length > config.longest:
            raise RequestError(
                f"the prompt and the examples in front of it take {len(begun)} tokens; this language model reads "
                f"{config.longest - _NEW}"
            )
        ids = np.zeros(length, np.int32)
        ids[: len(begun)] = begun
        made, count = go_on(config, self._params, self._table, jnp.asarray(ids), jnp.int32(len(begun)), self._ends)
        line = pieces.decode(np.asarray(made)[len(begun) : min(int(count), len(begun) + _NEW)].tolist())
        return " ".join("".join(letter if letter.isprintable() else " " for letter in line.partition("\n")[0]).split())

    @cached_property
    def _params(self) -> dict:
        if self._settings is not None:
            check_files(self._published, self._where, self._settings)
        config, tensors, names, *_ = self._published
        return read_params(config, tensors, names, config.layers)

    @cached_property
    def _table(self) -> tuple[jnp.ndarray, jnp.ndarray]:
        config, tensors, names, *_ = self._published
        return read_table(config, tensors, names)

    @cached_property
    def _ends(self) -> jnp.ndarray:
        """Bool `[V]`: the tokens with a line break, and control tokens, such as the end of a text."""
        ends = np.zeros(self._table[0].shape[0], bool)
        pieces = self._published.vocabulary
        ends[
            [number for number, text in pieces.pieces.items() if b"\n" in text or number in pieces.control.values()]
        ] = 1
        return jnp.asarray(ends)
