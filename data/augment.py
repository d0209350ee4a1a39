"""Augment clips for training: random crops, mirrored, reversed or at a higher speed.

In: {"video": uint8 `[T, H, W, 3]`}. Out: float32 in [-1, 1]. Grain runs these in its readers, with a generator that
depends only on the seed and the position in the data.
"""

from collections.abc import Mapping
from typing import Any

import grain
import numpy as np

from reelm.errors import RequestError


class RandomClip(grain.transforms.RandomMap):
    """Take a random crop `[frames, crop, crop, 3]` of a clip, preferably one with content.

    Args:
        frames, crop: size of the crop. RequestError for smaller clips.
        mirror: flip half of the crops left to right.
        reverse: play half of the crops backwards.
        speeds: strides in time. Each crop uses a random one for which the clip is long enough.
    """

    def __init__(
        self, frames: int, crop: int, *, mirror: bool = False, reverse: bool = False, speeds: tuple[int, ...] = (1,)
    ):
        self.frames, self.crop = frames, crop
        self.mirror, self.reverse, self.speeds = mirror, reverse, speeds

    def random_map(self, element: Mapping[str, Any], rng: np.random.Generator) -> Any:
        video = element["video"]

        def span(speed: int) -> int:
            return 1 + (self.frames - 1) * speed

        speeds = [speed for speed in self.speeds if span(speed) <= len(video)]
        if not speeds or min(video.shape[1:3]) < self.crop:
            raise RequestError(
                f"a clip of {len(video)} frames of {video.shape[1]}x{video.shape[2]} holds no crop of "
                f"{span(min(self.speeds))} frames of {self.crop}x{self.crop}"
            )
        speed = speeds[0] if len(speeds) == 1 else int(rng.choice(speeds))
        wanted = (span(speed), self.crop, self.crop)
        starts = [has - takes + 1 for has, takes in zip(video.shape, wanted, strict=False)]
        piece = video[:0]
        # A few tries: flat crops teach nothing after the first steps, but some must be seen.
        for _ in range(4):
            t, y, x = rng.integers(0, starts)
            piece = video[t : t + wanted[0] : speed, y : y + self.crop, x : x + self.crop]
            if piece.std() > 16:
                break
        if self.mirror and rng.random() < 0.5:
            piece = piece[:, :, ::-1]
        if self.reverse and rng.random() < 0.5:
            piece = piece[::-1]
        return piece.astype(np.float32) / 127.5 - 1
