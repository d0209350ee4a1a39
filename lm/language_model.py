"""A language model with its text reader: the part of a model that knows codes and words, but no pixels.

Before its weights and its KV cache are put on a device, this module checks that they fit.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import jax
from jax.sharding import Mesh

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.device_memory import free_bytes, gibibytes
from reelm.tokenizer.text.encoder import Text

from . import size
from .mesh import AXES
from .parameters import NumberFormat, for_decoding
from .prompts import check_text
from .tasks import Task
from .training_domain import TrainingDomain

_NARROW: tuple[NumberFormat, ...] = ("bfloat16", "int8")


@dataclass(frozen=True)
class LanguageModel:
    """A language model and the text encoder that reads its prompts.

    Attributes:
        config: sizes of the net.
        params: layers stacked, matrices whole and in float32.
        text: reads prompts.
        tasks: that the model was trained for.
        number_format: of the matrices that decoding reads.
        mesh: the devices that decoding runs on; None for one.
        training_domain: sizes, rates and words of its training data.
    """

    config: LMConfig
    params: dict = field(repr=False)
    text: Text = field(repr=False)
    tasks: tuple[Task, ...] = ("t2v",)
    number_format: NumberFormat = "float32"
    mesh: Mesh | None = None
    training_domain: TrainingDomain = TrainingDomain()

    def __post_init__(self):
        check_text(self.config, self.text)

    @cached_property
    def decoding_params(self) -> dict:
        """The parameters with unrolled layers, on the devices; RequestError when they do not fit."""
        check_weights(self.config, self.params, self.number_format, self.mesh_sizes)
        return for_decoding(self.config, self.params, self.number_format, self.mesh)

    @property
    def mesh_sizes(self) -> Mapping[str, int]:
        """Number of devices along each axis; 1 everywhere without a mesh."""
        return dict.fromkeys(AXES, 1) if self.mesh is None else dict(self.mesh.shape)

    def on_mesh(self) -> AbstractContextManager:
        """Return the context in which programs run on the mesh."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)


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
    if free is None or in_float32 <= free:  # if float32 fits, every narrower format does
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
    """Check that the KV cache fits in the free memory of the device.

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
