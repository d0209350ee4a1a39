"""Conditions of inpainting: a masked part of a clip is filled in."""

import numpy as np

from reelm.errors import RequestError
from reelm.media.pixels import Frames
from reelm.media.read import read_image
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions
from .pictures import Picture


def masked(
    tokenizer: VideoTokenizer, frames: Frames, mask: Picture, pictures: dict[int, np.ndarray], num_frames: int | None
) -> Conditions:
    """Return the conditions of a masked clip.

    Args:
        tokenizer: makes codes of pictures.
        frames: uint8 `[T, H, W, 3]`, the clip.
        mask: bool `[T, H, W]` or `[H, W]`, True where it is filled in, or a picture that is white there.
        pictures: frame number -> codes int32 `[h, w]` of key frames.
        num_frames: None, or the length of the clip.

    Raises:
        RequestError: a mask that does not fit the clip, or frame 0 given twice.
    """
    length, height, width = frames.shape[:3]
    if num_frames is not None and num_frames != length:
        raise RequestError(f"the masked video has {length} frames; num_frames must be the same, not {num_frames}")
    fill = _fill(mask, (length, height, width))
    if 0 in pictures:
        raise RequestError("frame 0 is given twice: by the masked video and as a picture")
    stride, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    late = -(length - 1) % stride
    # The masked part is painted black before the clip is tokenized, so that the codes around do not reveal it.
    visible = np.where(fill[..., None], np.uint8(0), frames)
    padded = np.pad(visible, [(0, late), (0, 0), (0, 0), (0, 0)], mode="edge")
    hidden = np.pad(fill, [(0, late), (0, 0), (0, 0)], mode="edge")
    hidden = np.concatenate([np.repeat(hidden[:1], stride - 1, axis=0), hidden])  # the first latent frame is one frame
    cells = hidden.reshape(-1, stride, height // space, space, width // space, space)
    return Conditions(
        num_frames=length,
        time_stride=stride,
        known=np.zeros((0, height // space, width // space), np.int32),
        pictures=pictures,
        masked=tokenizer.encode(padded)[0],
        unknown=cells.any(axis=(1, 3, 5)),
        fill=fill,
        pixels=frames,
    )


def _fill(mask: Picture, shape: tuple[int, int, int]) -> np.ndarray:
    """Return bool `[T, H, W]` from a mask of that shape or one `[H, W]`; bright pixels of a file are True."""
    if not isinstance(mask, np.ndarray):
        mask = read_image(mask, size=shape[1:])[..., 0] >= 128
    if mask.dtype != bool:
        raise RequestError(f"a mask is bool, True where the video is to be filled in, not {mask.dtype}")
    if mask.shape not in (shape, shape[1:]):
        raise RequestError(
            f"the mask has the shape {list(mask.shape)}; this video needs {list(shape)} or {list(shape[1:])}"
        )
    if not mask.any():
        raise RequestError("the mask is False everywhere: there is nothing to fill in")
    return np.broadcast_to(mask, shape)
