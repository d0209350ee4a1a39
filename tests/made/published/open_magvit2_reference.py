"""What Open-MAGVIT2's own code makes of a fixed clip: codes, latents and pixels of a tiny random checkpoint.

Torch and that code are no packages of the tests, so `open_magvit2_tiny.npz` holds what they gave. The numbers of the
weights are drawn by their names, here and there alike; the file holds the pickle that says where each lies. Run as a
program, in an environment of its own, this file writes it anew:

    git clone https://github.com/TencentARC/SEED-Voken
    pip install torch einops omegaconf
    PYTHONPATH=SEED-Voken python tests/made/published/open_magvit2_reference.py

With `--sizes` it prints what `REAL` holds instead. The checkpoint is of Lightning's kind: beside the weights and their
moving averages it holds a discriminator, and names an optimizer and a configuration.
"""
# pyright: reportMissingImports=false

import hashlib
import io
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

EXPECTED = Path(__file__).with_name("open_magvit2_tiny.npz")
SIZES = {
    "double_z": False,
    "z_channels": 18,
    "resolution": 32,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2, 2, 1],
    "num_res_blocks": 2,
}

# Of the file that was published: its parameters, and a hash of their names and shapes.
REAL = (370_547_349, "ecf16f91033a4259")


def video() -> np.ndarray:
    """Return the clip, float32 `[1, 17, 32, 40, 3]` in [-1, 1]."""
    return np.random.default_rng(8).uniform(-1, 1, (1, 17, 32, 40, 3)).astype(np.float32)


def some(pixels: np.ndarray) -> np.ndarray:
    """Return those of the pixels `[1, T, H, W, 3]` that are kept: of every frame, some rows and columns."""
    return pixels[:, :, ::7, ::5]


def tensor(name: str, shape: list[int]) -> np.ndarray:
    """Return the tensor of a name; moving averages have other names, so they are other numbers."""
    if name.endswith("num_updates"):
        return np.array(-1, np.int32)
    if name.endswith("decay"):
        return np.array(0.999, np.float32)
    # Fresh nets leave whole layers at zero or one, which would hide what they do.
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, np.float32)
    spread = 0.2 if len(shape) == 1 else np.float32(np.prod(shape[1:])) ** -0.5
    around = 1.0 if len(shape) == 1 and "norm" in name and name.endswith("weight") else 0.0
    return np.float32(around) + np.float32(spread) * drawn


def write_checkpoint(path: Path) -> None:
    """Write the checkpoint, byte for byte the storages that torch gave."""
    held = np.load(EXPECTED)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", held["pickle"].tobytes())
        for key, (name, shape) in enumerate(json.loads(str(held["tensors"]))):
            archive.writestr(f"archive/data/{key}", tensor(name, shape).tobytes())


def _whole():
    """Return their nets beside a discriminator, with their moving averages, and numbers drawn for all."""
    import torch
    from src.Open_MAGVIT2.modules.diffusionmodules.improved_video_model import Decoder, Encoder
    from src.Open_MAGVIT2.modules.ema import LitEma

    whole = torch.nn.Module()
    whole.encoder, whole.decoder, whole.loss = Encoder(**SIZES), Decoder(**SIZES), torch.nn.Module()
    whole.loss.discriminator = torch.nn.Conv3d(3, 2, 3)
    whole.model_ema = LitEma(whole)
    drawn = {name: torch.from_numpy(tensor(name, [*leaf.shape])) for name, leaf in whole.state_dict().items()}
    whole.load_state_dict(drawn)
    return whole


def _saved(whole) -> dict[str, Any]:
    """Return the pickle of the checkpoint, and its tensors by the order of their storages."""
    import torch
    from omegaconf import OmegaConf

    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    state, file = whole.state_dict(), io.BytesIO()
    content = {
        "epoch": 0,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": state,
        "optimizer_states": [optimizer.state_dict(), torch.optim.Adam],
        "hyper_parameters": OmegaConf.create({"ddconfig": SIZES}),
    }
    torch.save(content, file)
    tensors = [(name, [*leaf.shape]) for name, leaf in state.items()]
    with zipfile.ZipFile(file) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        for key, each in enumerate(tensors):
            assert archive.read(f"{pickled.removesuffix('.pkl')}/{key}") == tensor(*each).tobytes()
        return {
            "pickle": np.frombuffer(archive.read(pickled), np.uint8),
            "tensors": np.array(json.dumps(tensors)),
        }


def _write() -> None:
    import torch
    from src.Open_MAGVIT2.modules.vqvae.lookup_free_quantize import LFQ

    whole, quantize = _whole(), LFQ(dim=18, codebook_size=2**18).eval()
    found = _saved(whole)
    x = torch.from_numpy(video()).permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        for weights in ("plain", "ema"):
            if weights == "ema":
                whole.model_ema.copy_to(whole)
            latent = whole.encoder(x)
            code, _, ids = quantize(latent)
            latent = latent.permute(0, 2, 3, 4, 1)
            found[f"{weights}_latent"] = latent.numpy()
            found[f"{weights}_ids"] = ids.reshape(latent.shape[:-1]).numpy().astype(np.int32)
            found[f"{weights}_pixels"] = some(whole.decoder(code).permute(0, 2, 3, 4, 1).numpy())
        latent = whole.encoder(x[:, :, :1])
        found["still_latent"] = latent.permute(0, 2, 3, 4, 1).numpy()
        found["still"] = some(whole.decoder(quantize(latent)[0]).permute(0, 2, 3, 4, 1).numpy())
    np.savez_compressed(EXPECTED, **found)


def _print_sizes() -> None:
    import torch
    from src.Open_MAGVIT2.modules.diffusionmodules.improved_video_model import Decoder, Encoder

    real = SIZES | {"resolution": 128, "ch": 128, "ch_mult": [1, 2, 2, 4], "num_res_blocks": 4}
    with torch.device("meta"):
        nets = {part: net(**real).state_dict() for part, net in {"encoder": Encoder, "decoder": Decoder}.items()}
    shapes = sorted([f"{part}.{key}", [*leaf.shape]] for part, net in nets.items() for key, leaf in net.items())
    count = sum(leaf.numel() for net in nets.values() for leaf in net.values())
    print(count, hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16])


if __name__ == "__main__":
    _print_sizes() if sys.argv[1:] == ["--sizes"] else _write()
