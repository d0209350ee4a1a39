"""What VidTok's own code makes of a fixed clip: a tiny random checkpoint, its codes, latents and pixels.

Torch and that code are no packages of the tests, so `vidtok_tiny.ckpt` and `vidtok_tiny.npz` hold what they gave. Run
as a program, in an environment of its own, this file writes both anew:

    git clone https://github.com/microsoft/VidTok
    pip install torch einops beartype rich lightning omegaconf
    PYTHONPATH=VidTok python tests/made/vidtok_reference.py

With `--sizes` it prints what `REAL` holds instead. The checkpoint is a file of Lightning's kind: beside the weights it
names a callback, an optimizer and a configuration.
"""
# pyright: reportMissingImports=false

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

CHECKPOINT, EXPECTED = (Path(__file__).with_name(f"vidtok_tiny.{suffix}") for suffix in ("ckpt", "npz"))
LEVELS = (8, 8, 8, 8, 8, 8)
SIZES = {
    "double_z": False,
    "z_channels": 6,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 4,
    "ch_mult": [1, 2, 1, 1],
    "time_downsample_factor": 4,
    "num_res_blocks": 1,
    "dropout": 0.0,
    "use_checkpoint": False,
    "init_pad_mode": "replicate",
    "norm_type": "layernorm",
    "fix_encoder": False,
    "fix_decoder": False,
}

# Of each file that was published: its parameters, and a hash of their names and shapes.
REAL = {
    "488-18": (157_451_661, "a4d51144b79baa1b"),
    "488-15": (157_424_012, "5c7a3dd1de229113"),
    "488-12": (157_396_363, "9de47151f292cec2"),
    "41616-18": (198_967_949, "1d4784e4a32281ff"),
}


def video() -> np.ndarray:
    """Return the clip, float32 `[1, 17, 32, 40, 3]` in [-1, 1]."""
    return np.random.default_rng(8).uniform(-1, 1, (1, 17, 32, 40, 3)).astype(np.float32)


def some(pixels: np.ndarray) -> np.ndarray:
    """Return those of the pixels `[1, T, H, W, 3]` that are kept: of every frame, some rows and columns."""
    return pixels[:, :, ::5, ::3]


def _write() -> None:
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint
    from omegaconf import OmegaConf
    from vidtok.modules.model_3dcausal import DecoderCausal3DPadding, EncoderCausal3DPadding
    from vidtok.modules.regularizers import FSQRegularizer

    torch.manual_seed(0)
    whole = torch.nn.Module()
    whole.encoder, whole.decoder = EncoderCausal3DPadding(**SIZES), DecoderCausal3DPadding(**SIZES)
    whole.regularization = FSQRegularizer(list(LEVELS))
    with torch.no_grad():
        for name, leaf in whole.named_parameters():
            # Fresh nets leave whole layers at zero, which would hide what they do.
            around = 1.0 if leaf.ndim == 1 and name.endswith("norm.weight") else 0.0
            spread = 0.2 if leaf.ndim == 1 else (1.0 / leaf[0].numel()) ** 0.5
            leaf.copy_(around + spread * torch.randn(leaf.shape))
        whole.encoder.conv_out.conv.weight.mul_(3.0)
        x = torch.from_numpy(video()).permute(0, 4, 1, 2, 3)
        latent = whole.encoder(x)
        values, found = whole.regularization(latent)
        rebuilt = whole.decoder(values)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    torch.save(
        {
            "epoch": 0,
            "global_step": 1,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": whole.state_dict(),
            "callbacks": {"saved": ModelCheckpoint(dirpath="checkpoints")},
            "optimizer_states": [optimizer.state_dict(), torch.optim.Adam],
            "hyper_parameters": OmegaConf.create({"levels": list(LEVELS)}),
        },
        CHECKPOINT,
    )
    np.savez_compressed(
        EXPECTED,
        ids=found["indices"].numpy().astype(np.int32),
        bounded=whole.regularization.bound(latent.permute(0, 2, 3, 4, 1)).numpy(),
        pixels=some(rebuilt.permute(0, 2, 3, 4, 1).numpy()),
    )


def _print_sizes() -> None:
    import torch
    from vidtok.modules.model_3dcausal import DecoderCausal3DPadding, EncoderCausal3DPadding

    real = SIZES | {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2}
    changes = ({}, {"z_channels": 5}, {"z_channels": 4}, {"ch_mult": [1, 2, 4, 4, 4]})
    for name, change in zip(REAL, changes, strict=True):
        with torch.device("meta"):
            parts = {"encoder": EncoderCausal3DPadding, "decoder": DecoderCausal3DPadding}
            nets = {part: net(**(real | change)).state_dict() for part, net in parts.items()}
        shapes = sorted([f"{part}.{key}", [*leaf.shape]] for part, net in nets.items() for key, leaf in net.items())
        count = sum(leaf.numel() for net in nets.values() for leaf in net.values())
        print(name, count, hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16])


if __name__ == "__main__":
    _print_sizes() if sys.argv[1:] == ["--sizes"] else _write()
