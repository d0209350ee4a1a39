"""The Hugging Face hub, by its own package where that is installed.

In: a name as it was typed. Out: the package, for as long as it is asked; what it raises becomes an error in one line.
The package keeps what it fetched. Knows nothing of what that is.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install


@contextmanager
def asking(name: str, kind: str, otherwise: str = "") -> Iterator[Any]:
    """Yield the hub's package, to fetch what a name stands for.

    Args:
        name: what is fetched.
        kind: what else the name could have been, such as "folder".
        otherwise: what can be done when it fails, for the end of the message.

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
            f"{name} is no {kind} and cannot be fetched from the Hugging Face hub: {reason(error)}{otherwise}"
        ) from error
