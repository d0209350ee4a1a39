"""Whether a language model and its cache fit into memory before they are put there, and what would fit if not.

In: the model, and what is to be decoded. Out: nothing, or a RequestError with the figures and a way out.
"""

from typing import TYPE_CHECKING

import jax

from reelm.errors import RequestError
from reelm.lm import size
from reelm.lm.mesh import AXES
from reelm.tokenizer import device_memory

if TYPE_CHECKING:
    from .parts import LanguageModel


_FORMATS = ("bfloat16", "int8")


def check_weights(lm: "LanguageModel") -> None:
    """RequestError when the parameters do not fit a device."""
    free = device_memory.free_bytes()
    whole = sum(4 * leaf.size for leaf in jax.tree.leaves(lm.params))
    if free is None or whole <= free:  # then so does whatever is less
        return
    needed = size.weight_bytes(lm.config, lm.weights, _sizes(lm))
    if needed <= free:
        return
    fits = [f'dtype="{each}"' for each in _FORMATS if size.weight_bytes(lm.config, each, _sizes(lm)) <= free]
    cut = (n for n in range(2, lm.config.kv_heads + 1) if lm.config.kv_heads % n == 0)
    fits += [f'mesh="tensor={n}"' for n in cut if needed // n <= free][:1] if lm.mesh is None else []
    raise RequestError(
        f"the language model takes {_gib(needed)} in {lm.weights} on a device, free are {_gib(free)}; "
        f"what fits: {', '.join(fits) or 'a smaller model'}"
    )


def check_cache(lm: "LanguageModel", clips: int, rows: int, slots: int, itemsize: int) -> None:
    """RequestError when the cache of `clips` clips, in so many rows of `slots` slots, does not fit beside the rest."""
    free = device_memory.free_bytes()
    needed = size.cache_bytes(lm.config, slots, rows, itemsize, _sizes(lm))
    if free is None or needed <= free:
        return
    one = size.cache_bytes(lm.config, slots, rows // clips, itemsize, _sizes(lm))
    fits = f"{free // one} at a time" if one <= free else "a shorter or smaller clip"
    raise RequestError(
        f"decoding {clips} clips of {slots} positions takes a cache of {_gib(needed)} on a device, free are "
        f"{_gib(free)}; what fits: {fits}"
    )


def _sizes(lm: "LanguageModel") -> dict[str, int]:
    return dict.fromkeys(AXES, 1) if lm.mesh is None else dict(lm.mesh.shape)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
