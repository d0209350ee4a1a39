"""A published decoder-only language model: a GGUF file, or a folder of config.json, safetensors and tokenizer.json.

In: a path. Out: its sizes, its tensors and their names, its vocabulary, and the files that they come from. Weights are
read later, by who needs them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reelm.errors import RequestError
from reelm.storage.digests import sha256_of
from reelm.storage.fields import read_json
from reelm.storage.foreign.checkpoint import Checkpoint
from reelm.storage.foreign.gguf import GGUF

from . import published, tokenizer_json, vocabulary
from .config import TowerConfig
from .vocabulary import Vocabulary
from .weights import Names, Tensors, checkpoint_names, gguf_names

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"


class Published(NamedTuple):
    """A published model.

    files: all that embeddings depend on.
    """

    config: TowerConfig
    tensors: Tensors
    names: Names
    vocabulary: Vocabulary
    files: tuple[Path, ...]

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each file by its name, in hex; reads all of them."""
        return {file.name: sha256_of(file) for file in self.files}


def opened(path: Path) -> Published:
    """Open a published model; RequestError when it is of no known family, is damaged, or its parts do not fit."""
    found = _folder(path) if path.is_dir() else _file(path)
    ids = max(max(each.values(), default=0) for each in _tokens(found.vocabulary))
    shape = found.tensors.shape(found.names.embedding)
    if len(shape) != 2 or shape[1] != found.config.width or shape[0] <= ids:
        raise RequestError(
            f"{path}: the table of embeddings is {list(shape)}, for {ids + 1} pieces and a width of "
            f"{found.config.width}; fetch the model again"
        )
    return found


def _file(path: Path) -> Published:
    file = GGUF(path)
    config = published.of_facts(file.facts, str(path))
    names = gguf_names(file.facts["general.architecture"])
    return Published(config, file, names, vocabulary.of_facts(file.facts, str(path)), (path,))


def _folder(path: Path) -> Published:
    fields = read_json(path / _CONFIG)
    config = published.of_json(fields, str(path / _CONFIG))
    checkpoint = Checkpoint(path)
    names = checkpoint_names(checkpoint.names, published.family_of(fields, str(path / _CONFIG)))
    pieces = tokenizer_json.of_json(read_json(path / _TOKENIZER), str(path / _TOKENIZER))
    files = (path / _CONFIG, path / _TOKENIZER, *checkpoint.files)
    return Published(config, checkpoint, names, pieces, files)


def _tokens(pieces: Vocabulary) -> tuple[Mapping[str, int], ...]:
    return pieces.ids, pieces.own, pieces.control
