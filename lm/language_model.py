"""A language model with what reads its prompts: the part of a model that knows codes and words, and no pixels."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import jax
from jax.sharding import Mesh

from reelm.lm.net.config import LMConfig
from reelm.tokenizer.text.encoder import Text

from .memory import check_weights
from .mesh import AXES
from .parameters import NumberFormat, for_decoding
from .prompts import check_text
from .scope import Scope
from .tasks import Task


@dataclass(frozen=True)
class LanguageModel:
    """A language model and the text encoder that reads its prompts.

    Attributes:
        config: sizes of the net.
        params: layers stacked, matrices whole and in float32.
        text: reads prompts.
        tasks: what the model was trained for.
        number_format: of the matrices that decoding reads.
        mesh: the devices that decoding runs on; None for one.
        scope: what its training saw.
    """

    config: LMConfig
    params: dict = field(repr=False)
    text: Text = field(repr=False)
    tasks: tuple[Task, ...] = ("begins",)
    number_format: NumberFormat = "float32"
    mesh: Mesh | None = None
    scope: Scope = Scope()

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
