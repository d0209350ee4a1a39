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


class _Layer(nn.Module):
    def __init__(self, config: LMConfig, slots: int):
        super().__init__()
        self.sizes = [n * config.head_width for n in (config.heads, config.kv_heads, config.kv_heads)]
        self.width, self.hidden = config.head_width, config.hidden
        self.qkv = nn.Linear(config.width, sum(self.sizes), False)
        self.out = nn.Linear(self.sizes[0], config.width, False)
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, False)
        self.down = nn.Linear(config.hidden, config.width, False)
        self.norms = nn.ModuleList([nn.RMSNorm(config.width), nn.RMSNorm(config.width)])
        angle = torch.outer(torch.arange(slots), 1e4 ** -torch.linspace(0, 1, config.head_width // 2))
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(self.norms[0](x)).split(self.sizes, dim=-1)
        query, key, value = (part.unflatten(-1, (-1, self.width)).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(
            self._turned(query), self._turned(key), value, is_causal=True, enable_gqa=True
        )
        x = x + self.out(y.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norms[1](x)).split(self.hidden, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def _turned(self, x: torch.Tensor) -> torch.Tensor:
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        one, two = x.chunk(2, dim=-1)
        return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
