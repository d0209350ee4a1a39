"""Fetch models of the Hugging Face hub, by "owner/name" or "owner/name@revision", with the package of the hub.

In: an id. Out: the folder into which that package fetched it, or its cache. Knows nothing of what is in a model folder,
which is checked like any other.
"""

import re
from pathlib import Path

from reelm.storage.hub import asking

_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w.-]+))?")


def is_hub_id(name: str) -> bool:
    """Return whether a name, which is not a folder, may be an id."""
    return bool(_ID.fullmatch(name))


def fetch(name: str) -> Path:
    """Return the folder of a model; RequestError when there is no such model, or no way to fetch it."""
    found = _ID.fullmatch(name)
    assert found is not None, "ask `is_hub_id` first"
    repository, revision = found.groups()
    patterns = ["*.json", "*.safetensors", "*.model", "README.md"]
    with asking(name, "folder") as hub:
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
