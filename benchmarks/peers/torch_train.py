"""The peer of `benchmarks/train.py`: a compiled torch decoder of the same shape, with fused causal attention.

In: our sizes, samples and slots of a batch. Out: seconds of a step of AdamW, and parameters in matrices.
"""

import time
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from reelm.lm.net.config import LMConfig

from .torch_layer import Layer

_VOCABULARY = 1024  # as large as our factorised head, 2 x 512


def seconds_per_step(config: LMConfig, samples: int, slots: int, dtype: str, steps: int) -> tuple[float, int]:
    """(seconds, numbers in matrices that are multiplied by)."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        table, head = nn.Embedding(_VOCABULARY, config.width), nn.Linear(config.width, _VOCABULARY, False)
        layers = nn.ModuleList([_Layer(config, slots) for _ in range(config.layers)])
        codes = torch.randint(_VOCABULARY, (samples, slots + 1))
    parameters = [*table.parameters(), *head.parameters(), *layers.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=device == "cuda")

    def loss() -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            x = table(codes[:, :-1])
            for layer in layers:
                x = checkpoint(layer, x, use_reentrant=False)
            logits = head(x)
        return F.cross_entropy(logits.float().flatten(0, 1), codes[:, 1:].flatten())

    # Elsewhere compiling needs a C++ compiler.
    compiled = torch.compile(loss) if device == "cuda" else loss
    times = []
    for _ in range(steps + 2):
        begun = time.perf_counter()
        optimizer.zero_grad()
        value = compiled()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        value.item()
        times.append(time.perf_counter() - begun)
    return median(times[2:]), sum(p.numel() for part in (head, layers) for p in part.parameters() if p.ndim > 1)


class _Layer(Layer):
    """Over all slots at once, each attending to those before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended = F.scaled_dot_product_attention(*self.read(x, slice(None)), is_causal=True, enable_gqa=True)
        return self.finish(x, attended)
