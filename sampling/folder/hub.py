"""Models of the Hugging Face hub, by "owner/name" or "owner/name@revision", where its own package is installed.

Comes in: an id. Goes out: the folder into which that package fetched it, from its cache the next time. Knows nothing of
what is in a model folder; what comes is checked as any folder is.
"""

import importlib.util
import re
from pathlib import Path

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install

_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w.-]+))?")


def is_hub_id(name: str) -> bool:
    """Whether a name that is no folder may be an id."""
    return bool(_ID.fullmatch(name))


def fetch(name: str) -> Path:
    """The folder of a model; RequestError when there is no such model, or no way to fetch it."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise RequestError(f"there is no folder {name}; to fetch it from the Hugging Face hub: {how_to_install('hub')}")
    from huggingface_hub import snapshot_download  # pyright: ignore[reportMissingImports]  (it need not be installed)

    found = _ID.fullmatch(name)
    assert found is not None, "ask `is_hub_id` first"
    repository, revision = found.groups()
    try:
        patterns = ["*.json", "*.safetensors", "*.model", "README.md"]
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # what it raises comes from the network, the hub and the disk alike
        raise RequestError(
            f"{name} is no folder and cannot be fetched from the Hugging Face hub: {reason(error)}"
        ) from error
