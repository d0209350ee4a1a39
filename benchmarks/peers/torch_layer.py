"""The layer that the peers of `benchmarks/decode.py` and `benchmarks/train.py` share: a Llama's, of our sizes."""

import torch
import torch.nn.functional as F
from torch import nn

from reelm.lm.net.config import LMConfig


class Layer(nn.Module):
    """Norms, projections and rotary positions. What attends to what is the subclass's own."""

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

    def read(self, x: torch.Tensor, place: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return query, key and value `[B, heads, S, width]` of the slots at `place`."""
        parts = self.qkv(self.norms[0](x)).split(self.sizes, dim=-1)
        query, key, value = (part.unflatten(-1, (-1, self.width)).transpose(1, 2) for part in parts)
        return self._turned(query, place), self._turned(key, place), value

    def finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Return what the layer gives, from what it was given and `[B, heads, S, width]` of its attention."""
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norms[1](x)).split(self.hidden, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def _turned(self, x: torch.Tensor, place: torch.Tensor | slice) -> torch.Tensor:
        cos, sin = self.cos[place].to(x.dtype), self.sin[place].to(x.dtype)
        one, two = x.chunk(2, dim=-1)
        return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
