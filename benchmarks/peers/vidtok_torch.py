"""VidTok by its own code: the other half of `benchmarks/peers/vidtok_speed.py`, in an environment of its own.

    git clone https://github.com/microsoft/VidTok
    pip install torch einops beartype rich lightning omegaconf

`write FILE` writes a checkpoint of the real size, 18 bits for 4x8x8, with random weights. `time FILE SIDE THREADS`
compiles its nets and times them on a clip of that side: it prints JSON lines, one when it is ready and one for each
call, and calls once for each line on stdin, so that both halves take turns. What the nets give is kept beside the file,
as `.npz`.
"""
# pyright: reportMissingImports=false

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

LEVELS = (8, 8, 8, 8, 8, 8)
REAL = {
    **{"double_z": False, "z_channels": 6, "in_channels": 3, "out_ch": 3, "ch": 128, "ch_mult": [1, 2, 4, 4]},
    **{"time_downsample_factor": 4, "num_res_blocks": 2, "dropout": 0.0, "use_checkpoint": False},
    **{"init_pad_mode": "replicate", "norm_type": "layernorm", "fix_encoder": False, "fix_decoder": False},
}


def video(side: int) -> np.ndarray:
    """Return the clip, float32 `[1, 17, side, side, 3]` in [-1, 1]."""
    return np.random.default_rng(8).uniform(-1, 1, (1, 17, side, side, 3)).astype(np.float32)


def nets() -> Any:
    """Return the nets with the random weights that they begin with."""
    import torch
    from vidtok.modules.model_3dcausal import DecoderCausal3DPadding, EncoderCausal3DPadding
    from vidtok.modules.regularizers import FSQRegularizer

    torch.manual_seed(0)
    whole = torch.nn.Module()
    whole.encoder, whole.decoder = EncoderCausal3DPadding(**REAL), DecoderCausal3DPadding(**REAL)
    whole.regularization = FSQRegularizer(list(LEVELS))
    return whole.eval()


def write(path: Path) -> None:
    """Write a checkpoint of random weights."""
    import torch

    torch.save({"state_dict": nets().state_dict()}, path)


def serve(path: Path, side: int, threads: int) -> None:
    """Time one encoding and one decoding for each line that comes."""
    import torch

    torch.set_num_threads(threads)
    whole = nets()
    whole.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    clip = torch.from_numpy(video(side)).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        encode, decode = torch.compile(whole.encoder), torch.compile(whole.decoder)
        values, found = whole.regularization(encode(clip))
        pixels = decode(values).permute(0, 2, 3, 4, 1).numpy()
        np.savez(path.with_suffix(".npz"), ids=found["indices"].numpy(), pixels=pixels)
        steps = {"encode": lambda: whole.regularization(encode(clip)), "decode": lambda: decode(values)}
        print(json.dumps({"ready": torch.__version__}), flush=True)
        for _ in sys.stdin:
            taken = {}
            for name, call in steps.items():
                started = time.perf_counter()
                call()
                taken[name] = time.perf_counter() - started
            print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        serve(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
