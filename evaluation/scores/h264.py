"""Compress clips with H.264 to a given size, as the baseline for a tokenizer.

In: clips, and bits. Out: the rebuilt clips. It uses libx264 with the preset "slow" at the best quality whose slices
fit. Headers and container are not counted, since codes have none.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np

_WORST = 51  # the worst quality of the scale
_START = re.compile(rb"\x00\x00\x01")
_LEAST_TREE = 64  # least side in pixels for macroblock trees
_SLICES = (1, 5)  # types of the units that hold pictures (ITU-T H.264, table 7-1)


def at_payload(video: np.ndarray, bits: int, fps: int = 24) -> np.ndarray:
    """Compress and rebuild a clip uint8 `[T, H, W, 3]` of even sides, with at most `bits` bits of slices.

    If no quality fits, the worst one is used.
    """
    low, high = 0, _WORST
    while low < high:  # bisection, since larger numbers give smaller sizes
        middle = (low + high) // 2
        if payload(encode(video, middle, fps)) > bits:
            low = middle + 1
        else:
            high = middle
    return decode(encode(video, low, fps))


def encode(video: np.ndarray, crf: int, fps: int) -> list[bytes]:
    """Return the packets of a clip at a quality from 0 (lossless) to 51."""
    context = cast(Any, av.CodecContext.create("libx264", "w"))
    context.height, context.width, context.pix_fmt, context.framerate = *video.shape[1:3], "yuv420p", fps
    # x264's SIMD code for macroblock trees reads past the rows of small pictures, so results would differ between runs.
    tree = min(video.shape[1:3]) >= _LEAST_TREE
    context.options = {"preset": "slow", "crf": str(crf), "mbtree": str(int(tree))}
    frames = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in video]
    return [bytes(packet) for frame in (*frames, None) for packet in context.encode(frame)]


def decode(packets: Sequence[bytes]) -> np.ndarray:
    context = cast(Any, av.CodecContext.create("h264", "r"))
    frames = [frame for data in packets for frame in context.decode(av.Packet(data))] + context.decode(None)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def payload(packets: Sequence[bytes]) -> int:
    """Return the bits of the slices in packets, whose units are separated by start codes."""
    units = [unit for data in packets for unit in _START.split(data)[1:]]
    return 8 * sum(len(unit) for unit in units if unit[0] & 31 in _SLICES)
