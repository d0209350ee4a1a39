"""Plain clips, drawn by number: flat colours, gradients, soft skies and edges, still or slowly moving.

Real footage has little of them, and a tokenizer that has never seen them draws textures where there are none. Knows
nothing of files.
"""

from dataclasses import dataclass

import numpy as np

from reelm.media.pixels import Frames


def clip(index: int, frames: int, side: int) -> Frames:
    """Return clip number `index`, uint8 `[frames, side, side, 3]`. What it shows depends only on its number."""
    rng = np.random.default_rng([7, index])
    time = np.linspace(0, 1, frames)[:, None, None, None]
    moves = rng.random() < 0.5
    first, second = np.clip(rng.uniform(-30, 285, (2, 3)), 0, 255)  # so that saturated colours are not rare
    kind = ("flat", "gradient", "sky", "edge")[index % 4]
    if kind == "flat":
        if rng.random() < 0.3:  # greys, on which a tint is most visible
            first, second = (np.full(3, colour[0]) for colour in (first, second))
        share = time if moves else np.zeros_like(time)
    else:
        angle = rng.uniform(0, 2 * np.pi) + (moves * rng.uniform(-0.5, 0.5)) * time[..., 0]
        y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j] - 0.5
        along = x * np.cos(angle) + y * np.sin(angle) + moves * rng.uniform(-0.5, 0.5) * time[..., 0]
        if kind == "gradient":
            share = np.clip(0.5 + along * rng.uniform(0.3, 1.2), 0, 1)[..., None]
        elif kind == "sky":
            waves = rng.uniform(1, 6, 4)
            share = np.mean([0.5 + 0.5 * np.sin(2 * np.pi * wave * along + k) for k, wave in enumerate(waves)], 0)
            share = share[..., None]
        else:
            share = np.clip(0.5 + along * side, 0, 1)[..., None]
    pixels = first + (second - first) * share
    return np.broadcast_to(np.rint(pixels), (frames, side, side, 3)).astype(np.uint8)


@dataclass(frozen=True)
class PlainClips:
    """A source of as many examples {"video": uint8 `[frames, side, side, 3]`} as Grain may ask for."""

    frames: int
    side: int

    def __len__(self) -> int:
        return 1 << 20

    def __getitem__(self, index: int) -> dict[str, Frames]:
        return {"video": clip(int(index), self.frames, self.side)}
