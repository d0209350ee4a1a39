"""I3D: a classifier of 400 actions of Kinetics (arXiv 1705.07750), the net of FVD (arXiv 1812.01717).

In: clips. Out: logits of 400 actions. The weights are not part of this package: `load` reads a file that the user
names, `rgb_imagenet.pt` of the PyTorch port pytorch-i3d or another file with the same tensor names. Pure functions over
a nested dict; batch norms are folded into the convolutions before them.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from jax.typing import ArrayLike
from safetensors import SafetensorError

from reelm.errors import RequestError
from reelm.storage.foreign.torch_file import read_tensors
from reelm.storage.tensors import nested

SIDE = 224  # pixels of the clips that it was trained on
LEAST_FRAMES = 9  # time is reduced to an eighth, and the last mean is over two of the remaining steps
CLASSES = 400

# Output channels of the convolutions of each block: 1x1x1 | 1x1x1, 3x3x3 | 1x1x1, 3x3x3 | 1x1x1 after max pooling.
BLOCKS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Window and stride, in time and in space, of the max pooling before a block.
_POOLED = {"Mixed_3b": ((1, 3), (1, 2)), "Mixed_4b": ((3, 3), (2, 2)), "Mixed_5b": ((2, 2), (2, 2))}
_EPSILON = 1e-3  # of its batch norms


@jax.jit
def features(params: dict, clips: ArrayLike) -> jax.Array:
    """Return the features of FVD: `logits` `[B, 400]` of clips uint8 `[B, T, H, W, 3]` resized to 224 x 224.

    As in the authors' code, frames are resized bilinearly as in TensorFlow 1: row i of 224 is read at i H / 224,
    without a shift by half a pixel, and without smoothing before frames shrink. The authors' weights on TensorFlow Hub
    differ from `rgb_imagenet.pt`, so only figures from the same file can be compared.
    """
    return logits(params, _prepared(clips))


def _prepared(clips: ArrayLike) -> jax.Array:
    """Return clips uint8 `[B, T, H, W, 3]` as float32 `[B, T, 224, 224, 3]` in [-1, 1]."""
    height, width = jnp.shape(clips)[2:4]
    clips = jnp.asarray(clips, jnp.float32)
    return jnp.einsum("ih,bthwc,jw->btijc", _places(height), clips, _places(width)) * (2 / 255) - 1


def _places(size: int) -> np.ndarray:
    """Return the interpolation weights `[224, size]`: each row of 224 reads the two rows around it."""
    at = np.arange(SIDE) * size / SIDE
    below = at.astype(int)
    weights, rows = np.zeros((SIDE, size), np.float32), np.arange(SIDE)
    weights[rows, below] = 1 - (at - below)
    weights[rows, np.minimum(below + 1, size - 1)] += at - below
    return weights


def logits(params: dict, clips: ArrayLike) -> jax.Array:
    """Return logits `[B, 400]`, averaged over time, of clips float `[B, T, H, W, 3]` in [-1, 1] of at least 9 frames.

    At 224 x 224 the last mean is over 7 x 7 positions as in the original; at another size it is over all positions.

    Args:
        params: {layer: {"kernel" `[t, h, w, in, out]`, "bias"}}, blocks {branch: the same}, as `load` gives.
    """
    x = jnp.asarray(clips)
    if x.shape[1] < LEAST_FRAMES:
        raise RequestError(f"I3D needs clips of {LEAST_FRAMES} frames or more, not of {x.shape[1]}")
    x = _pool(_conv(params["Conv3d_1a_7x7"], x, stride=2), (1, 3), (1, 2))
    x = _conv(params["Conv3d_2c_3x3"], _conv(params["Conv3d_2b_1x1"], x))
    for name in BLOCKS:
        x = _block(params[name], _pool(x, *_POOLED[name]) if name in _POOLED else x)
    x = jnp.mean(x, axis=(2, 3))
    x = jnp.mean((x[:, 1:] + x[:, :-1]) / 2, axis=1)
    return x @ params["logits"]["kernel"] + params["logits"]["bias"]


def _block(params: dict, x: jax.Array) -> jax.Array:
    """Return the output of four branches, concatenated along the channels."""
    branches = (
        _conv(params["b0"], x),
        _conv(params["b1b"], _conv(params["b1a"], x)),
        _conv(params["b2b"], _conv(params["b2a"], x)),
        _conv(params["b3b"], _pool(x, (3, 3), (1, 1))),
    )
    return jnp.concatenate(branches, axis=-1)


def _conv(p: dict, x: jax.Array, *, stride: int = 1) -> jax.Array:
    kernel = p["kernel"]
    if kernel.shape[:3] == (1, 1, 1):
        y = x @ kernel[0, 0, 0]
    else:
        layout = ("NDHWC", "DHWIO", "NDHWC")
        y = jax.lax.conv_general_dilated(x, kernel, (stride,) * 3, "SAME", dimension_numbers=layout)
    return jax.nn.relu(y + p["bias"])


def _pool(x: jax.Array, window: tuple[int, int], stride: tuple[int, int]) -> jax.Array:
    """Max-pool `[B, T, H, W, C]` over (time, side) with TensorFlow's "same" padding: an odd pad goes to the end."""
    windows, strides = ((1, t, s, s, 1) for t, s in (window, stride))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, windows, strides, "SAME")


def load(path: Path) -> dict:
    """Read the weights in a file: a state dict of PyTorch, or a .safetensors with the same names.

    Raises:
        RequestError: it is neither, or tensors of I3D are missing; the message names them.
    """
    try:
        data = path.read_bytes()
        return convert(safetensors.numpy.load(data) if path.suffix == ".safetensors" else read_tensors(data))
    except KeyError as error:
        raise RequestError(f"{path} cannot be used: its numbers are of the type {error}") from error
    except (RequestError, OSError, SafetensorError) as error:
        raise RequestError(f"{path} cannot be used: {error}") from error


def convert(tensors: dict[str, np.ndarray]) -> dict:
    """Return a file's tensors of I3D in this module's layout; RequestError as for `load`."""
    wanted = shapes()
    if missing := [name for name in wanted if name not in tensors]:
        raise RequestError(f"{len(missing)} of the {len(wanted)} tensors of I3D are missing, among them {missing[0]}")
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            raise RequestError(f"{name} should be {shape}, but is {tensors[name].shape}")
    weights = {name: np.asarray(tensors[name], np.float32) for name in wanted}
    layers = [name.removesuffix(".bn.weight") for name in wanted if name.endswith(".bn.weight")]
    params = nested({layer: _folded(weights, layer) for layer in layers}, separator=".")
    kernel = weights["logits.conv3d.weight"][:, :, 0, 0, 0]
    return params | {"logits": {"kernel": np.ascontiguousarray(kernel.T), "bias": weights["logits.conv3d.bias"]}}


def _folded(tensors: dict[str, np.ndarray], layer: str) -> dict[str, np.ndarray]:
    weight, bias, mean, variance = (tensors[f"{layer}.bn.{part}"] for part in _NORM)
    scale = weight / np.sqrt(variance + _EPSILON)
    # Output and input channels are the first axes in the file, and the last here.
    kernel = np.moveaxis(tensors[f"{layer}.conv3d.weight"], (0, 1), (4, 3)) * scale
    return {"kernel": np.ascontiguousarray(kernel), "bias": bias - mean * scale}


_NORM = ("weight", "bias", "running_mean", "running_var")


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a file, by its name: output channels, input channels, time, height, width."""
    found: dict[str, tuple[int, ...]] = {}

    def conv(layer: str, into: int, out: int, side: int) -> int:
        found[f"{layer}.conv3d.weight"] = (out, into, side, side, side)
        found.update({f"{layer}.bn.{part}": (out,) for part in _NORM})
        return out

    channels = conv("Conv3d_2c_3x3", conv("Conv3d_2b_1x1", conv("Conv3d_1a_7x7", 3, 64, 7), 64, 1), 192, 3)
    for name, (b0, b1a, b1b, b2a, b2b, b3b) in BLOCKS.items():
        conv(f"{name}.b0", channels, b0, 1)
        conv(f"{name}.b1b", conv(f"{name}.b1a", channels, b1a, 1), b1b, 3)
        conv(f"{name}.b2b", conv(f"{name}.b2a", channels, b2a, 1), b2b, 3)
        conv(f"{name}.b3b", channels, b3b, 1)
        channels = b0 + b1b + b2b + b3b
    return found | {"logits.conv3d.weight": (CLASSES, channels, 1, 1, 1), "logits.conv3d.bias": (CLASSES,)}
