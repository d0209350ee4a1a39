"""Conditions of a clip of which some seconds are made anew."""

from collections.abc import Sequence

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions
from .continued import known_codes
from .sources import Sources

_NONE = 1e-6  # seconds that round to nothing: times are decimals


def check_retake(sources: Sources) -> None:
    """Check that a retake has a video, and neither a mask nor a sound; RequestError if not."""
    if sources.video is None:
        raise RequestError("a retake makes some seconds of a video anew; give that video too")
    for name in ("mask", "audio"):
        if getattr(sources, name) is not None:
            raise RequestError(f"a retake makes all of its seconds anew, their sound too; leave {name} out")


def retaken(
    tokenizer: VideoTokenizer,
    clip: Clip,
    times: Sequence[tuple[float, float]],
    pictures: dict[int, np.ndarray],
    num_frames: int | None,
) -> Conditions:
    """Return the conditions of a clip of which some stretches of time are drawn anew.

    Latent frames outside of the stretches keep their codes, and frames outside keep their pixels.

    Args:
        tokenizer: makes codes of pictures.
        clip: the clip to change.
        times: the stretches, from and to, in seconds.
        pictures: frame number -> codes int32 `[h, w]` of key frames within them.
        num_frames: None, or the length of the clip.

    Raises:
        RequestError: a stretch without a frame, another length, or a picture where the clip stays.
    """
    length, stride = len(clip.video), tokenizer.config.time_stride
    if num_frames not in (None, length):
        raise RequestError(f"the video has {length} frames; num_frames of a retake must be the same, not {num_frames}")
    anew = np.zeros(length, bool)
    for begin, end in times:
        seconds = np.arange(length) / clip.fps
        inside = (seconds > begin - _NONE) & (seconds < end - _NONE)
        if not inside.any():
            lasts = length / clip.fps
            raise RequestError(f"the video lasts {lasts:g} seconds and shows no frame from {begin:g} to {end:g}")
        anew |= inside
    if kept := [frame for frame in pictures if not anew[frame]]:
        raise RequestError(f"frame {kept[0]} stays as it is in the video; give pictures for the seconds of the retake")
    known = known_codes(tokenizer, clip, whole=False)
    # The first latent frame is one frame.
    of_frame = np.concatenate([[0], 1 + np.arange(length - 1) // stride]) if length else np.zeros(0, int)
    drawn = np.isin(np.arange(len(known)), of_frame[anew])
    return Conditions(
        num_frames=length,
        time_stride=stride,
        known=known,
        drawn=drawn,
        pictures=pictures,
        fill=np.broadcast_to(anew[:, None, None], clip.video.shape[:3]),
        pixels=clip.video,
    )
