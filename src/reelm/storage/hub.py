"""Use the Hugging Face hub, by its own package, if that is installed.

In: a name as it was typed. Out: the package, in a block in which its exceptions become errors of one line. The package
caches what it fetches. Knows nothing of what that is.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install


@contextmanager
def asking(name: str, kind: str, otherwise: str = "") -> Iterator[Any]:
    """Yield the hub's package, to fetch something by its name.

    Args:
        name: of what is fetched.
        kind: what else the name could have been, such as "folder".
        otherwise: end of the message when it fails, with what can be done.

    Raises:
        RequestError: the package is not installed, or it fails.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise RequestError(f"there is no {kind} {name}; to fetch it from the Hugging Face hub: {how_to_install('hub')}")
    import huggingface_hub  # pyright: ignore[reportMissingImports]  (it need not be installed)

    try:
        yield huggingface_hub
    except Exception as error:  # what it raises comes from the network, the hub and the disk alike
        raise RequestError(
            f"{name} is not a {kind} and cannot be fetched from the Hugging Face hub: {reason(error)}{otherwise}"
        ) from error
