"""Fetch a file of weights from the Hugging Face hub by OWNER/NAME/PATH, optionally followed by @REVISION.

In: that name. Out: the file, which the hub's own package fetches and caches. Known files are pinned to one revision,
and their sha256 is in a table. The sha256 of any other file must equal the one that the hub lists.
"""

import re
from pathlib import Path
from typing import NamedTuple

from reelm.errors import RequestError
from reelm.storage.digests import sha256_of
from reelm.storage.hub import asking

_PLACE = re.compile(r"([\w][\w.-]*/[\w.-]+)/([\w][\w./-]*?)(?:@([\w.-]+))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Pinned(NamedTuple):
    """The revision and digest of a known file.

    Attributes:
        revision: of the repository.
        path: in that revision.
        sha256: of the file.
    """

    revision: str
    path: str
    sha256: str


_FIRST, _SECOND = "5eb8cf9e2c44321761b26db36af82e4b7552368e", "deb5e5203968359ebe67feac7d0b8156e1a9f353"
_PINNED = {
    "microsoft/VidTok/checkpoints/vidtok_fsq_causal_488_262144.ckpt": _Pinned(
        _FIRST,
        "checkpoints/vidtok-fsq_causal_488_262144.ckpt",
        "3f546bd9bdf20691e0f60b37de625483225467282d3f407b9dbac20fffa272bd",
    ),
    "microsoft/VidTok/checkpoints/vidtok_fsq_causal_488_32768.ckpt": _Pinned(
        _FIRST,
        "checkpoints/vidtok-fsq_causal_488_32768.ckpt",
        "65ef404fc44cc0ed95a61129d1fe73a34c16b4d25464ae3d91d3c3f781bec4ab",
    ),
    "microsoft/VidTok/checkpoints/vidtok_fsq_causal_488_4096.ckpt": _Pinned(
        _SECOND,
        "checkpoints/vidtok_fsq_causal_488_4096.ckpt",
        "22c45558789b942858aa163da27f862453118c8c1131c91374cf1072ee0b009e",
    ),
    "microsoft/VidTok/checkpoints/vidtok_fsq_causal_41616_262144.ckpt": _Pinned(
        _SECOND,
        "checkpoints/vidtok_fsq_causal_41616_262144.ckpt",
        "eea057fe31932586474906647feed67088603491703132d6b5cf7a48f6d6e6bf",
    ),
}


def is_place(name: str) -> bool:
    """Return whether a name that is not a local file may name a file on the hub."""
    return bool(_PLACE.fullmatch(name)) and ".." not in name.split("/")


def fetch(name: str) -> Path:
    """Return the fetched file, after its sha256 is verified.

    Raises:
        RequestError: the file does not exist, cannot be fetched, or has the wrong sha256.
    """
    found = _PLACE.fullmatch(name)
    assert found is not None, "ask `is_place` first"
    repository, path, revision = found.groups()
    pinned = _PINNED.get(f"{repository}/{path}") if revision is None else None
    with asking(name, "file", f"; {name}@main is the newest" if pinned else "") as hub:
        if pinned is None:
            digest = hub.get_hf_file_metadata(hub.hf_hub_url(repository, path, revision=revision)).etag or ""
        else:
            path, revision, digest = pinned.path, pinned.revision, pinned.sha256
        file = Path(hub.hf_hub_download(repository, path, revision=revision))
    # The hub lists no sha256 for small files.
    if _SHA256.fullmatch(digest) and (there := sha256_of(file)) != digest:
        raise RequestError(f"{file} is damaged or another file: its sha256 is {there}, not {digest}; fetch it again")
    return file
