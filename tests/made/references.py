"""What other packages make of fixed inputs: Transformers, lpips, vector-quantize-pytorch, the layers of torch.

Those packages are too large to be locked, so `references.npz` holds what they gave, and tests compare with that
("kept"); where the extra `reference` is installed, with the packages themselves as well ("installed"). Run as a program
there, this file writes `references.npz` anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from reelm.evaluation.features import efficientnet, lpips

Source = Literal["kept", "installed"]

FILE = Path(__file__).with_suffix(".npz")
T5 = {
    "model_type": "t5",
    "feed_forward_proj": "gated-gelu",
    "vocab_size": 64,
    "d_model": 24,
    "d_kv": 8,
    "d_ff": 40,
    "num_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 16,
    "relative_attention_max_distance": 24,
}
# Rows of pieces and the end; the longest goes beyond the furthest distance that T5 tells apart.
T5_IDS = [[*np.random.default_rng(length).integers(2, 64, length).tolist(), 1] for length in (6, 2, 0, 34)]
LATENT = np.random.default_rng(5).normal(size=(2, 30, 8)).astype(np.float32)


def of(name: str, source: Source) -> dict[str, np.ndarray]:
    """Arrays by name: "t5", "lpips", "lfq" or "efficientnet". Skips the test where the packages are not installed."""
    if source == "installed":
        return _MAKERS[name]()
    with np.load(FILE) as kept:
        return {key.partition("/")[2]: kept[key] for key in kept.files if key.startswith(f"{name}/")}


def t5_weights() -> dict[str, np.ndarray]:
    """Random tensors under the published names, and one of a decoder, which is not for us."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape, scale=shape[-1] ** -0.5).astype(np.float32)

    made = {"shared.weight": 8 * draw(64, 24), "encoder.final_layer_norm.weight": 1 + draw(24)}
    made["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = draw(16, 4)
    made["decoder.final_layer_norm.weight"] = draw(24)
    for i in range(3):
        block = f"encoder.block.{i}.layer"
        made |= {f"{block}.0.SelfAttention.{name}.weight": draw(32, 24) for name in "qkv"}
        made[f"{block}.0.SelfAttention.o.weight"] = draw(24, 32)
        made |= {f"{block}.1.DenseReluDense.{name}.weight": draw(40, 24) for name in ("wi_0", "wi_1")}
        made[f"{block}.1.DenseReluDense.wo.weight"] = draw(24, 40)
        made |= {f"{block}.{j}.layer_norm.weight": 1 + draw(24) for j in (0, 1)}
    return made


def lpips_params() -> dict:
    """Random weights of the true shapes, which keep the size of activations."""
    rng, channels, made = np.random.default_rng(0), 3, {}
    for block, widths in enumerate(lpips.WIDTHS):
        made[f"block_{block}"] = {}
        for layer, width in enumerate(widths):
            kernel = rng.normal(size=(3, 3, channels, width), scale=np.sqrt(2 / (9 * channels)))
            bias = rng.normal(size=width, scale=0.1)
            made[f"block_{block}"][f"conv_{layer}"] = {"kernel": np.float32(kernel), "bias": np.float32(bias)}
            channels = width
        made[f"head_{block}"] = np.float32(rng.uniform(size=channels))
    return made


def lpips_pictures(seed: int, *shape: int) -> np.ndarray:
    """float32 `[..., 3]` in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def efficientnet_tensors() -> dict[str, np.ndarray]:
    """Random tensors of EfficientNet-Lite0 by the names of its package, which keep the size of activations."""
    rng, made = np.random.default_rng(0), {}

    def conv(name: str, norm: str, out: int, into: int, side: int) -> None:
        spread = np.sqrt(2 / (into * side * side))
        made[f"{name}.weight"] = rng.normal(size=(out, into, side, side), scale=spread).astype(np.float32)
        made[f"{norm}.weight"] = rng.uniform(0.5, 1.5, out).astype(np.float32)
        made[f"{norm}.bias"] = rng.normal(size=out, scale=0.3).astype(np.float32)
        made[f"{norm}.running_mean"] = rng.normal(size=out, scale=0.3).astype(np.float32)
        made[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, out).astype(np.float32)

    conv("_conv_stem", "_bn0", 32, 3, 3)
    channels, number = 32, 0
    for blocks, side, _, widen, out in efficientnet.STAGES:
        for _ in range(blocks):
            block, inner = f"_blocks.{number}", channels * widen
            if widen > 1:
                conv(f"{block}._expand_conv", f"{block}._bn0", inner, channels, 1)
            conv(f"{block}._depthwise_conv", f"{block}._bn1", inner, 1, side)
            conv(f"{block}._project_conv", f"{block}._bn2", out, inner, 1)
            channels, number = out, number + 1
    conv("_conv_head", "_bn1", 1280, channels, 1)
    made["_fc.weight"] = rng.normal(size=(1000, 1280), scale=0.03).astype(np.float32)
    made["_fc.bias"] = rng.normal(size=1000).astype(np.float32)
    return made


def efficientnet_pictures() -> np.ndarray:
    """float32 `[2, 64, 64, 3]` in [0, 1]."""
    return np.random.default_rng(1).uniform(size=(2, 64, 64, 3)).astype(np.float32)


def _t5() -> dict[str, np.ndarray]:
    """The last hidden state `[L, 24]` of each row, read alone."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.T5Config(**{k: v for k, v in T5.items() if k != "model_type"}, dropout_rate=0.0)
    peer = transformers.T5EncoderModel(config).eval()
    weights = {name: torch.from_numpy(value) for name, value in t5_weights().items() if "decoder" not in name}
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    peer.load_state_dict(weights)
    with torch.no_grad():
        states = [peer(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy() for ids in T5_IDS]
    return {str(row): state for row, state in enumerate(states)}


def _lpips() -> dict[str, np.ndarray]:
    """The distances of two pairs of pictures."""
    torch, package = pytest.importorskip("torch"), pytest.importorskip("lpips")
    peer = package.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False).eval()
    convs = [module for module in peer.net.modules() if isinstance(module, torch.nn.Conv2d)]
    params = lpips_params()
    ours = [conv for block in range(5) for conv in params[f"block_{block}"].values()]
    with torch.no_grad():
        for theirs, conv in zip(convs, ours, strict=True):
            theirs.weight.copy_(torch.from_numpy(conv["kernel"].transpose(3, 2, 0, 1).copy()))
            theirs.bias.copy_(torch.from_numpy(conv["bias"]))
        for block, head in enumerate(peer.lins):
            head.model[-1].weight.copy_(torch.from_numpy(params[f"head_{block}"]).reshape(1, -1, 1, 1))
        pairs = (lpips_pictures(1, 2, 32, 32), lpips_pictures(2, 2, 32, 32))
        distances = peer(*(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()) for x in pairs))
    return {"distances": distances.numpy().ravel()}


def _lfq() -> dict[str, np.ndarray]:
    """What lookup-free quantization makes of `LATENT`, its ids and the terms of its loss."""
    torch, package = pytest.importorskip("torch"), pytest.importorskip("vector_quantize_pytorch")
    peer = package.LFQ(dim=8, codebook_size=1 << 8, entropy_loss_weight=1.0, commitment_loss_weight=1.0)
    (quantized, ids, _), terms = peer(torch.from_numpy(LATENT), inv_temperature=1.0, return_loss_breakdown=True)
    losses = {name: getattr(terms, name) for name in ("per_sample_entropy", "batch_entropy", "commitment")}
    return {name: value.detach().numpy() for name, value in {"quantized": quantized, "ids": ids, **losses}.items()}


def _efficientnet() -> dict[str, np.ndarray]:
    """The first of the pooled features and logits of EfficientNet-Lite0, put together from torch's layers."""
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(value) for name, value in efficientnet_tensors().items()}

    def conv(x: Any, name: str, norm: str, *, stride: int = 1, groups: int = 1, linear: bool = False) -> Any:
        weight = tensors[f"{name}.weight"]
        side, size = weight.shape[-1], x.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + side - size, 0)  # TensorFlow's "same", as the package has it
        x = torch.nn.functional.pad(x, [pad // 2, pad - pad // 2] * 2)
        x = torch.nn.functional.conv2d(x, weight, stride=stride, groups=groups)
        statistics = (tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = torch.nn.functional.batch_norm(x, *statistics, eps=1e-3)
        return x if linear else torch.nn.functional.relu6(x)

    images = (efficientnet_pictures() - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
    x, number = conv(x, "_conv_stem", "_bn0", stride=2), 0
    for blocks, _, stride, widen, _ in efficientnet.STAGES:
        for i in range(blocks):
            block = f"_blocks.{number}"
            y = conv(x, f"{block}._expand_conv", f"{block}._bn0") if widen > 1 else x
            y = conv(y, f"{block}._depthwise_conv", f"{block}._bn1", stride=1 if i else stride, groups=y.shape[1])
            y = conv(y, f"{block}._project_conv", f"{block}._bn2", linear=True)
            x, number = (x + y if x.shape == y.shape else y), number + 1
    pooled = conv(x, "_conv_head", "_bn1").mean((2, 3))
    logits = pooled @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    return {"features": pooled[:, :200].numpy(), "logits": logits[:, :200].numpy()}


_MAKERS: dict[str, Callable[[], dict[str, np.ndarray]]] = {
    "t5": _t5,
    "lpips": _lpips,
    "lfq": _lfq,
    "efficientnet": _efficientnet,
}


if __name__ == "__main__":
    made: dict[str, Any] = {f"{name}/{key}": value for name in _MAKERS for key, value in of(name, "installed").items()}
    np.savez_compressed(FILE, **made)
