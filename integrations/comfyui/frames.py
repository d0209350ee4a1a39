"""Convert between files and the values of ComfyUI's nodes. Only these functions import packages of ComfyUI."""

from __future__ import annotations

import io
from typing import Any


def read_clip(path: str) -> tuple[Any, dict[str, Any] | None, float]:
    """Return frames float32 [N, H, W, 3] in [0, 1], the sound as ComfyUI's AUDIO or None, and frames a second."""
    import av
    import numpy as np
    import torch

    # What a server sends is opened as what `reelm serve` makes, and by no other decoder.
    with av.open(path, format="mp4", options={"codec_whitelist": "h264,aac"}) as file:
        pictures, sounds = file.streams.video[0], file.streams.audio
        frames, samples = [], []
        for frame in file.decode(pictures, *sounds[:1]):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
            else:
                samples.append(frame.to_ndarray())  # AAC: float32 [C, S]
        fps, rate = float(pictures.average_rate or 1), sounds[0].rate if sounds else None
    images = torch.from_numpy(np.stack(frames).astype(np.float32) / 255)
    if not samples:
        return images, None, fps
    waveform = torch.from_numpy(np.concatenate(samples, axis=1)[None])
    return images, {"waveform": waveform, "sample_rate": rate}, fps


def write_png(images: Any) -> bytes:
    """Return the first of the pictures [B, H, W, C], of values in [0, 1], as a PNG.

    C is 1 for grey, 3, or 4 with transparency, which is shown over black.
    """
    import numpy as np
    from PIL import Image

    first = np.asarray(images[0].cpu() if hasattr(images, "cpu") else images[0])
    first = first[..., :3] * first[..., 3:].clip(0, 1) if first.shape[-1] == 4 else first
    first = first.repeat(3, axis=-1) if first.shape[-1] == 1 else first
    written = io.BytesIO()
    Image.fromarray((first.clip(0, 1) * 255).round().astype(np.uint8)).save(written, "png")
    return written.getvalue()
