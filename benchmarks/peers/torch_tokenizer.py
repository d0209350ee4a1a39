"""The video tokenizer's nets once more in torch, with native 3D convolutions: the peer of `benchmarks/tokenizer.py`.

In: a `VideoTokenizerConfig` and JAX parameters. Out: modules from `[B, C, T, H, W]` to the same, with those weights.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from reelm.tokenizer.video.config import VideoTokenizerConfig


class CausalConv(nn.Module):
    def __init__(self, params: dict, stride: tuple[int, int] = (1, 1)):
        super().__init__()
        kernel = _tensor(params["kernel"]).permute(4, 3, 0, 1, 2)
        self.conv = nn.Conv3d(
            kernel.shape[1], kernel.shape[0], tuple(kernel.shape[2:]), (stride[0], stride[1], stride[1])
        )
        self.conv.weight.data, self.conv.bias.data = kernel.contiguous(), _tensor(params["bias"])
        # As "SAME" pads: what is needed beyond the stride, the larger half behind.
        sides = [((k - s) // 2, k - s - (k - s) // 2) for k, s in zip(kernel.shape[3:], stride[1:] * 2, strict=True)]
        self.padding = (*sides[1], *sides[0], kernel.shape[2] - 1, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.pad(x, self.padding))


class Norm(nn.Module):
    def __init__(self, params: dict):
        super().__init__()
        self.scale = nn.Parameter(_tensor(params["scale"])[None, :, None, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * self.scale


class Dense(nn.Module):
    def __init__(self, params: dict):
        super().__init__()
        kernel = _tensor(params["kernel"]).T[:, :, None, None, None]
        self.conv = nn.Conv3d(kernel.shape[1], kernel.shape[0], 1, bias="bias" in params)
        self.conv.weight.data = kernel.contiguous()
        if "bias" in params:
            self.conv.bias.data = _tensor(params["bias"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Block(nn.Module):
    def __init__(self, params: dict):
        super().__init__()
        self.norm_in, self.conv_in = Norm(params["norm_in"]), CausalConv(params["conv_in"])
        self.norm_out, self.conv_out = Norm(params["norm_out"]), CausalConv(params["conv_out"])
        self.modulation = Dense(params["modulation"]) if "modulation" in params else None
        self.skip = Dense(params["skip"]) if "skip" in params else nn.Identity()

    def forward(
        self, x: torch.Tensor, condition: torch.Tensor | None = None, times: tuple[int, int] = (1, 1)
    ) -> torch.Tensor:
        y = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.modulation is not None and condition is not None:
            spread = self.modulation(condition).repeat_interleave(times[0], 2)[:, :, times[0] - 1 :]
            spread = spread.repeat_interleave(times[1], 3).repeat_interleave(times[1], 4)
            scale, shift = spread.chunk(2, 1)
            y = y * (1 + scale) + shift
        return self.skip(x) + self.conv_out(F.silu(y))


class Encoder(nn.Module):
    """Frames `[B, 3, T, H, W]` to latents `[B, K, t, h, w]`."""

    def __init__(self, config: VideoTokenizerConfig, params: dict):
        super().__init__()
        self.patch, self.layers = config.patch, nn.ModuleList([CausalConv(params["conv_in"])])
        for stage in range(len(config.encoder_channels)):
            self.layers += [Block(params[f"block_{stage}_{i}"]) for i in range(config.encoder_blocks)]
            if stage < len(config.strides):
                self.layers.append(CausalConv(params[f"down_{stage}"], config.strides[stage]))
        self.norm, self.latent = Norm(params["norm_out"]), Dense(params["latent"])

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        x = _space_to_depth(video, self.patch)
        for layer in self.layers:
            x = layer(x)
        return self.latent(F.silu(self.norm(x)))


class Decoder(nn.Module):
    """Latents `[B, K, t, h, w]` of -1 and +1 to frames `[B, 3, T, H, W]`."""

    def __init__(self, config: VideoTokenizerConfig, params: dict):
        super().__init__()
        self.config, self.conv_in = config, CausalConv(params["conv_in"])
        self.blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        for stage in reversed(range(len(config.decoder_channels))):
            self.blocks.append(
                nn.ModuleList([Block(params[f"block_{stage}_{i}"]) for i in range(config.decoder_blocks)])
            )
            if stage:
                self.ups.append(CausalConv(params[f"up_{stage}"]))
        self.norm, self.pixels = Norm(params["norm_out"]), Dense(params["pixels"])

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        x, times = self.conv_in(latent), (1, 1)
        for number, blocks in enumerate(self.blocks):
            for block in blocks:
                x = block(x, latent, times)
            if number < len(self.ups):
                time, space = self.config.strides[-1 - number]
                x = _depth_to_space(self.ups[number](x), (time, space, space))
                times = (times[0] * time, times[1] * space)
        return _depth_to_space(self.pixels(F.silu(self.norm(x))), self.config.patch)


def _space_to_depth(x: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    (pt, ph, pw), (b, c, _, height, width) = patch, x.shape
    x = F.pad(x, (0, 0, 0, 0, pt - 1, 0))
    x = x.reshape(b, c, x.shape[2] // pt, pt, height // ph, ph, width // pw, pw)
    return x.permute(0, 3, 5, 7, 1, 2, 4, 6).reshape(b, pt * ph * pw * c, -1, height // ph, width // pw)


def _depth_to_space(x: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    (pt, ph, pw), (b, _, t, h, w) = patch, x.shape
    x = x.reshape(b, pt, ph, pw, -1, t, h, w).permute(0, 4, 5, 1, 6, 2, 7, 3)
    return x.reshape(b, -1, t * pt, h * ph, w * pw)[:, :, pt - 1 :]


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))
