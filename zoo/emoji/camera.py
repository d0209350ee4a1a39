"""Animated emoji seen by a camera that moves: the same clips, of which a view is shown that pans and zooms.

Comes in: the set at twice the size. Goes out: clips with their camera, known exactly; what lies beyond the art is its
plain background. The words say nothing of the camera.
"""

import numpy as np

from reelm.data.clips import CaptionedClip
from reelm.media.view import seen

from .altered import AlteredSet

_STILL = 0.4  # share of cameras that stand still: who asks for no move wants none
_FARTHEST = 0.35  # pan at the end, as a share of the view
_DEEPEST = 0.9  # zoom at the end, as a power of two


def moves(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return the camera of a clip, float32 `[T, 3]`: pan x, pan y and log2 of zoom, from the first view on.

    It pans, zooms, or does both, evenly or ever slower.
    """
    pans, zooms = ((True, False), (False, True), (True, True))[int(rng.integers(3))]
    still = rng.random() < _STILL
    end = np.array([*rng.uniform(-_FARTHEST, _FARTHEST, 2) * pans, rng.uniform(-_DEEPEST, _DEEPEST) * zooms])
    along = np.linspace(0, 1, frames) ** (1 if rng.random() < 0.7 else 0.5)
    return (end * (not still) * along[:, None]).astype(np.float32)


class EmojiCameraSet(AlteredSet):
    """Animated emoji by moving cameras."""

    name = "animated_emoji_camera"
    summary = "the emoji by a camera that pans and zooms: 128x128, 8 fps, 3 s, from animated_emoji/256px_8fps"
    art = "256px_8fps"
    side = 128
    seed = 5

    @staticmethod
    def alter(clip: CaptionedClip, rng: np.random.Generator) -> CaptionedClip:
        """Return what a camera sees of a clip, the same `unmoved`, and the `camera`."""
        camera, side = moves(rng, len(clip["video"])), EmojiCameraSet.side
        video, unmoved = (seen(clip["video"], path, (side, side)) for path in (camera, np.zeros_like(camera)))
        return {**clip, "video": video, "unmoved": unmoved, "camera": camera}
