"""Check that a language model and its KV cache fit into a device's memory before they are put there.

In: configuration, parameters, number format, sizes of the mesh. Out: nothing, or a RequestError that says what fits.
"""

from collections.abc import Mapping

import jax

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.device_memory import free_bytes, gibibytes

from . import size
from .parameters import NumberFormat

_NARROW: tuple[NumberFormat, ...] = ("bfloat16", "int8")


def check_weights(config: LMConfig, params: dict, number_format: NumberFormat, mesh: Mapping[str, int]) -> None:
    """Check that the parameters fit a device.

    Args:
        config: of the language model.
        params: its parameters in float32.
        number_format: of the matrices on the device.
        mesh: number of devices along each axis.

    Raises:
        RequestError: they do not fit; the message names number formats and meshes that do.
    """
    free = free_bytes()
    in_float32 = sum(4 * leaf.size for leaf in jax.tree.leaves(params))
    if free is None or in_float32 <= free:  # then every narrower format fits, too
        return
    needed = size.weight_bytes(config, number_format, mesh)
    if needed <= free:
        return
    fits = [f'dtype="{each}"' for each in _NARROW if size.weight_bytes(config, each, mesh) <= free]
    if all(devices == 1 for devices in mesh.values()):
        cut = (n for n in range(2, config.kv_heads + 1) if config.kv_heads % n == 0)
        fits += [f'mesh="tensor={n}"' for n in cut if needed // n <= free][:1]
    raise RequestError(
        f"the language model takes {gibibytes(needed)} in {number_format} on a device, free are {gibibytes(free)}; "
        f"what fits: {', '.join(fits) or 'a smaller model'}"
    )


def check_cache(config: LMConfig, mesh: Mapping[str, int], clips: int, rows: int, slots: int, itemsize: int) -> None:
    """Check that the KV cache fits beside what is on the device already.

    Args:
        config: of the language model.
        mesh: number of devices along each axis.
        clips: decoded together.
        rows: of the cache; with guidance two for each clip.
        slots: positions in a row.
        itemsize: bytes of a number in the cache.

    Raises:
        RequestError: it does not fit; the message says how many clips do.
    """
    free = free_bytes()
    needed = size.cache_bytes(config, slots, rows, itemsize, mesh)
    if free is None or needed <= free:
        return
    one = size.cache_bytes(config, slots, rows // clips, itemsize, mesh)
    fits = f"{free // one} at a time" if one <= free else "a shorter or smaller clip"
    raise RequestError(
        f"decoding {clips} clips of {slots} positions takes a cache of {gibibytes(needed)} on a device, free are "
        f"{gibibytes(free)}; what fits: {fits}"
    )
