"""`reelm convert`: convert a published file of VidTok's weights to a model folder.

In: the file, and optionally its published YAML. Out: the folder. No code in the file is run.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.storage.digests import sha256_of
from reelm.storage.foreign.torch_checkpoint import OpenFile, opened
from reelm.storage.tensors import flattened, nested
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

from .vidtok import Shape, Wanted, config_of, wanted

_ASIDE = ("loss.", "model_ema.")  # prefixes of tensors that are only used in training


def convert(path: Path, output: Path, *, settings: Path | None = None) -> Model:
    """Write the tokenizer in a file as the model folder `output`, and return it.

    Args:
        path: file of weights: torch's zip or safetensors.
        output: the folder.
        settings: the YAML that was published with it; None takes the settings from its name and tensors.

    Raises:
        RequestError: the file is damaged, it is not a tokenizer with codes, or its tensors do not fit its kind.
    """
    with opened(path) as file:
        config = config_of(path, file.shapes, settings)
        fresh = jax.eval_shape(partial(init_params, config), jax.random.key(0))
        params = _collected(path, file, {name: leaf.shape for name, leaf in flattened(fresh).items()})
    record = {
        "source": "VidTok (github.com/microsoft/VidTok, arXiv 2412.13061)",
        "licence": "MIT",
        "file": path.name,
        "sha256": sha256_of(path),
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


def _collected(path: Path, file: OpenFile, shapes: Mapping[str, Shape]) -> dict:
    """Return the nested parameters of a net, given their shapes by name; tensors are read one by one.

    Raises RequestError when a tensor is missing, has a wrong shape, or does not belong to the net.
    """
    theirs = {name: wanted(name, shape) for name, shape in shapes.items()}
    named = {each.name for each in theirs.values()}
    if missing := sorted(named - {*file.shapes}):
        raise RequestError(f"{path} lacks {_some(missing)}; it is not a complete tokenizer")
    if extra := sorted(name for name in file.shapes if name not in named and not name.startswith(_ASIDE)):
        raise RequestError(f"{path} holds {_some(extra)}, which this kind of net does not have; it is another net")
    for each in theirs.values():
        if file.shapes[each.name] != each.shape:
            raise RequestError(
                f"{path} holds {each.name} of the shape {list(file.shapes[each.name])}; its other tensors ask for "
                f"{list(each.shape)}"
            )
    return nested({ours: _laid_out(file.read, each, shapes[ours], path) for ours, each in theirs.items()})


def _laid_out(read: Callable[[str], np.ndarray], each: Wanted, shape: Shape, path: Path) -> np.ndarray:
    tensor = read(each.name)
    if not np.isfinite(tensor).all():
        raise RequestError(f"{path} holds NaN or infinite numbers in {each.name}")
    if tensor.ndim > 1:
        tensor = np.moveaxis(tensor, (1, 0), (-2, -1))
    return np.ascontiguousarray(tensor).reshape(shape)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"
