"""A clip that is continued, or that gets its sound."""

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.tokenizer.codes import check_ids
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions
from .soundtrack import Soundtrack


def continued(
    tokenizer: VideoTokenizer,
    track: Soundtrack | None,
    clip: Clip,
    pictures: dict[int, np.ndarray],
    num_frames: int | None,
    *,
    dub: bool,
) -> Conditions:
    """A clip that goes on, or with `dub` one of just that length that gets its sound and keeps its pixels."""
    there = len(clip.video)
    if num_frames is not None and num_frames <= there:
        if track is None or clip.audio is not None or not dub or num_frames < there:
            sound = "" if track is None else ", without its sound to get another"
            raise RequestError(
                f"the video has {there} frames already; ask for more num_frames than that to continue it{sound}, "
                "or give a mask"
            )
        if pictures:
            raise RequestError(f"frame {min(pictures)} is given twice: by the video of {there} frames and as a picture")
        known = _known(tokenizer, clip, whole=False)
        fill = np.zeros(clip.video.shape[:3], bool)
        return Conditions(num_frames=num_frames, known=known, fill=fill, pixels=clip.video)
    known = _known(tokenizer, clip, whole=True)
    length = 1 + tokenizer.config.time_stride * (len(known) - 1)
    if early := [frame for frame in pictures if frame < length]:
        raise RequestError(f"frame {early[0]} is given twice: by the video of {length} frames and as a picture")
    return Conditions(num_frames=num_frames, known=known, pictures=pictures)


def _known(tokenizer: VideoTokenizer, clip: Clip, *, whole: bool) -> np.ndarray:
    """Codes int32 `[m, h, w]` of a clip's latent frames; with `whole` only of those that all frames are there of."""
    stride, length = tokenizer.config.time_stride, len(clip.video)
    count = 1 + (length - 1) // stride if whole else tokenizer.config.latent_frames(length)
    codes = (clip.tokens or {}).get("video")
    # Codes of this very tokenizer are taken as they are: to decode and encode them again would lose a little.
    if codes is not None and clip.info.get("tokenizer") == tokenizer.hash:
        check_ids(codes, tokenizer.config.code)
        return codes[:count]
    wanted = 1 + stride * (count - 1)
    frames = np.pad(clip.video, [(0, max(0, wanted - length)), (0, 0), (0, 0), (0, 0)], mode="edge")
    return tokenizer.encode(frames[:wanted])[0]
