"""Put clips side by side into one clip, to look at many at once."""

from collections.abc import Sequence

import numpy as np

from reelm.errors import RequestError

from .clip import Clip


def grid(clips: Sequence[Clip], columns: int | None = None) -> Clip:
    """Return one silent clip that shows all clips, row by row; shorter ones hold their last frame.

    Args:
        clips: at least one, all of one size and frame rate.
        columns: clips in a row; None makes the grid as square as possible.

    Raises:
        RequestError: there is no clip, or sizes or frame rates differ.
    """
    if not clips:
        raise RequestError("a grid needs at least one clip")
    if len({(clip.video.shape[1:], clip.fps) for clip in clips}) > 1:
        raise RequestError("the clips of a grid need one size and one rate")
    columns = columns or int(np.ceil(len(clips) ** 0.5))
    frames, (height, width) = max(len(clip.video) for clip in clips), clips[0].video.shape[1:3]
    rows = -(-len(clips) // columns)
    video = np.zeros((frames, rows, height, columns, width, 3), np.uint8)
    for i, clip in enumerate(clips):
        late = frames - len(clip.video)
        video[:, i // columns, :, i % columns] = np.concatenate([clip.video, np.repeat(clip.video[-1:], late, axis=0)])
    info = {"prompts": [clip.info.get("prompt") for clip in clips], "seeds": [clip.info.get("seed") for clip in clips]}
    return Clip(video=video.reshape(frames, rows * height, columns * width, 3), fps=clips[0].fps, info=info)
