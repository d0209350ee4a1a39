"""Words to video.

`reelm.load()` gives a `Model` that makes clips from words and holds the video tokenizer; `reelm.Clip` is one video
with its codes, settings and file formats; `reelm.Camera` says where a camera looks, `reelm.Shot` is one shot of a
storyboard. `reelm.functional` has pure functions for your own JAX code, and `reelm.train` trains a part of a model on
your own clips. `reelm.RequestError` is raised when the request is at fault, and `reelm.RequestWarning` warns of one
that the model was not trained for. The names are imported when first used, so that `import reelm` costs nothing and the
command line starts at once.
"""

import importlib
from typing import TYPE_CHECKING

from .cores import give_fake_devices_threads

if TYPE_CHECKING:
    from reelm import functional
    from reelm.errors import RequestError, RequestWarning
    from reelm.lm.control.camera import Camera
    from reelm.media.clip import Clip
    from reelm.sampling.conditions.storyboard import Shot
    from reelm.sampling.folder.load import load
    from reelm.train.start import train

    __version__: str

give_fake_devices_threads()

__all__ = ["Camera", "Clip", "RequestError", "RequestWarning", "Shot", "__version__", "functional", "load", "train"]

_HOMES = {
    "Camera": "reelm.lm.control.camera",
    "Clip": "reelm.media.clip",
    "RequestError": "reelm.errors",
    "RequestWarning": "reelm.errors",
    "Shot": "reelm.sampling.conditions.storyboard",
    "load": "reelm.sampling.folder.load",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("reelm")
    elif name in ("functional", "train"):
        value = importlib.import_module(f"reelm.{name}")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        from reelm.guesses import OF_PACKAGE

        hint = f"; {OF_PACKAGE[name]}" if name in OF_PACKAGE else ""
        raise AttributeError(f"module 'reelm' has no attribute {name!r}{hint}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
