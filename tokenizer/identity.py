"""The name of a tokenizer's codes: who has another encoder has other codes, whatever else is the same."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util


def codes_name(config: Mapping[str, Any], encoder: dict) -> str:
    """Sixteen hex digits made from an encoder's weights, and from those fields of its config that shape its codes."""
    digest = hashlib.sha256(repr(sorted(config.items())).encode())
    for path, leaf in sorted(traverse_util.flatten_dict(encoder, sep="/").items()):
        digest.update(path.encode() + np.asarray(leaf, np.float32).tobytes())
    return digest.hexdigest()[:16]
