"""Training: from clips, token sets and configs to checkpoints and model folders. `reelm.train(...)` starts it."""

import inspect
import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package that can be called, because `reelm.train` is both this package and the function `start.train`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from .start import train

        return train(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        from .start import train

        return inspect.signature(train)

    def _of_the_function(self) -> str | None:
        from .start import train

        return train.__doc__

    __doc__ = property(_of_the_function)  # type: ignore[assignment]


sys.modules[__name__].__class__ = _Room
