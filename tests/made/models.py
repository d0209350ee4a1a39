"""Models of random weights beside those of `conftest.py`."""

from dataclasses import replace

import jax
import numpy as np

from reelm.lm.net.transformer import init_params
from reelm.lm.specials import HEAD
from reelm.sampling.model import Model
from reelm.sampling.parts import LanguageModel


def reader(tiny_model, encoder) -> Model:
    """The tiny model with random weights that read an encoder."""
    config = replace(
        tiny_model.lm.config, text_vocabulary=1, text_width=encoder.width, prefix=HEAD + encoder.max_tokens
    )
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: (0.2 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    return replace(tiny_model, lm=LanguageModel(config, params, encoder))
