"""`reelm convert`: a published file of a tokenizer's weights to a model folder.

In: the file, and perhaps the settings beside it. Out: the folder. The kind is seen from the names in the file, and
nothing in it is run.
"""

from functools import cache, partial
from pathlib import Path

import jax

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults
from reelm.storage.digests import sha256_of
from reelm.storage.foreign.torch_checkpoint import opened
from reelm.storage.tensors import flattened
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

from .open_magvit2 import OPEN_MAGVIT2
from .published import Weights, averages, collected, has_averages
from .vidtok import VIDTOK

_KINDS = (VIDTOK, OPEN_MAGVIT2)


def convert(path: Path, output: Path, *, settings: Path | None = None, weights: Weights | None = None) -> Model:
    """Write the tokenizer in a file as the model folder `output`, and return it.

    Args:
        path: file of weights: torch's zip or safetensors.
        output: the folder.
        settings: the YAML that was published beside it; None for what its name and tensors say.
        weights: those of the last step, or their moving average where the file has it; None for those that the authors
            of its kind measure.

    Raises:
        RequestError: the file is damaged, or of a kind that makes no codes, or its tensors are not those of its kind.
    """
    with opened(path) as file:
        kind = next((each for each in _KINDS if each.matches(file.shapes)), None)
        if kind is None:
            known, first = " or ".join(each.name for each in _KINDS), sorted(file.shapes)[0]
            raise RequestError(f"{path} is no tokenizer that is known here, {known}; it holds {first}")
        config = kind.config_of(path, file.shapes, settings)
        shapes = _shapes(config)
        if weights is None:
            weights = kind.weights if has_averages(file) else "plain"
        chosen = averages(path, file, kind.aside) if weights == "ema" else file
        params = collected(path, chosen, kind.wanted(shapes), shapes, kind.aside)
    record = {
        "source": kind.source,
        "licence": kind.licence,
        "file": path.name,
        "sha256": sha256_of(path),
        "weights": weights,
    }
    side = 8 * config.space_stride
    model = Model(
        output.name,
        VideoTokenizer(config, params),
        defaults=Defaults(height=side, width=side),
        record={"video_tokenizer": record},
    )
    model.save(output)
    return model


@cache
def _shapes(config: VideoConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter of a tokenizer, by its path."""
    described = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    return {name: leaf.shape for name, leaf in flattened(described).items()}
