"""`reelm convert`: a published file of a tokenizer's weights to a model folder.

In: the file, and perhaps the settings beside it. Out: the folder. The kind is seen from the names in the file, and
nothing in it is run.
"""

from functools import cache, partial
from pathlib import Path
from typing import Literal

import jax

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults
from reelm.storage.digests import sha256_of
from reelm.storage.foreign.torch_checkpoint import opened
from reelm.storage.tensors import flattened
from reelm.tokenizer.published.vidtok_config import VidTokConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

from . import vidtok
from .published import averages, collected
from .settings import of_name, read_settings

Weights = Literal["plain", "ema"]


def convert(path: Path, output: Path, *, settings: Path | None = None, weights: Weights = "plain") -> Model:
    """Write the tokenizer in a file as the model folder `output`, and return it.

    Args:
        path: file of weights: torch's zip or safetensors.
        output: the folder.
        settings: the YAML that was published beside it; None for what its name and tensors say.
        weights: those of the last step, or their moving average where the file has it.

    Raises:
        RequestError: the file is damaged, or of a kind that makes no codes, or its tensors are not those of its kind.
    """
    known = of_name(path) if settings is None else read_settings(settings)
    with opened(path) as file:
        if not vidtok.is_vidtok(file.shapes):
            first = sorted(file.shapes)[0]
            raise RequestError(f"{path} is no tokenizer that is known here, VidTok FSQ causal; it holds {first}")
        config = vidtok.config_of(path, file.shapes, known)
        shapes = _shapes(config)
        chosen = averages(path, file, vidtok.ASIDE) if weights == "ema" else file
        params = collected(path, chosen, vidtok.wanted(shapes), shapes, vidtok.ASIDE)
    record = {
        "source": vidtok.SOURCE,
        "licence": vidtok.LICENCE,
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
def _shapes(config: VidTokConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter of a tokenizer, by its path."""
    described = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    return {name: leaf.shape for name, leaf in flattened(described).items()}
