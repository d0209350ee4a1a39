"""Models of the Hugging Face hub, by "owner/name" or "owner/name@revision", where its own package is installed.

Comes in: an id. Goes out: the folder into which that package fetched it, from its cache the next time. Knows nothing of
what is in a model folder; what comes is checked as any folder is.
"""

import re
from pathlib import Path

from reelm.storage.hub import asking

_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w.-]+))?")


def is_hub_id(name: str) -> bool:
    """Whether a name that is no folder may be an id."""
    return bool(_ID.fullmatch(name))


def fetch(name: str) -> Path:
    """The folder of a model; RequestError when there is no such model, or no way to fetch it."""
    found = _ID.fullmatch(name)
    assert found is not None, "ask `is_hub_id` first"
    repository, revision = found.groups()
    patterns = ["*.json", "*.safetensors", "*.model", "README.md"]
    with asking(name, "folder") as hub:
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
