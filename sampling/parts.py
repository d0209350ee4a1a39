"""The parts of a model."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import jax
from jax.sharding import Mesh

from reelm.lm.net.config import LMConfig
from reelm.lm.parameters import Weights, for_decoding
from reelm.lm.prompts import check_text
from reelm.lm.specials import Task
from reelm.tokenizer.text.encoder import Text

from .memory import check_weights


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What `generate` uses where nothing is said: size in pixels, rate, length, guidance, how unlikely a draw may be.

    `min_p` is for what words or given pictures tell of. Where neither does, as in a clip from nothing or for a sound,
    what happens is rare beside that nothing does: then no draw is left out.

    `window` is the number of codes that parallel decoding reads at once; None for what suits the device.
    """

    height: int = 64
    width: int = 64
    fps: float = 8.0
    num_frames: int = 17
    cfg_scale: float = 1.0
    min_p: float = 0.0
    window: int | None = None


@dataclass(frozen=True)
class LanguageModel:
    """The language model with its words.

    Attributes:
        params: layers stacked, matrices whole and in float32.
        text: reads prompts.
        tasks: what it was trained for.
        weights: number format of the matrices that decoding reads.
        mesh: the devices that decoding runs on; None for one.
    """

    config: LMConfig
    params: dict = field(repr=False)
    text: Text = field(repr=False)
    tasks: tuple[Task, ...] = ("begins",)
    weights: Weights = "float32"
    mesh: Mesh | None = None

    def __post_init__(self):
        check_text(self.config, self.text)

    @cached_property
    def decoding_params(self) -> dict:
        """The parameters with unrolled layers, on the devices; RequestError when they do not fit."""
        check_weights(self)
        return for_decoding(self.config, self.params, self.weights, self.mesh)

    def on_mesh(self) -> AbstractContextManager:
        """Programs that are called in this context run on the mesh."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)
