"""The hash that names a tokenizer's codes: another encoder means other codes, whatever else is the same."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from reelm.storage.tensors import flattened


def codes_hash(config: Mapping[str, Any], encoder: dict) -> str:
    """Return sixteen hex digits made of an encoder's weights and of those fields of its config that shape its codes.

    Args:
        config: fields of the configuration by name.
        encoder: its nested parameters; they are read as float32.
    """
    digest = hashlib.sha256(repr(sorted(config.items())).encode())
    for path, leaf in sorted(flattened(encoder).items()):
        digest.update(path.encode() + np.asarray(leaf, np.float32).tobytes())
    return digest.hexdigest()[:16]
