"""Hash a tokenizer's encoder, to identify its codes: another encoder makes other codes."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from reelm.storage.tensors import flattened


def codes_hash(config: Mapping[str, Any], encoder: dict) -> str:
    """Return sixteen hex digits that hash an encoder's weights and the fields of its config that affect the codes.

    Args:
        config: fields of the configuration by name.
        encoder: its nested parameters; they are hashed as float32.
    """
    digest = hashlib.sha256(repr(sorted(config.items())).encode())
    for path, leaf in sorted(flattened(encoder).items()):
        digest.update(path.encode() + np.asarray(leaf, np.float32).tobytes())
    return digest.hexdigest()[:16]
