"""Conditions of a clip that is continued, or that gets a soundtrack."""

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
    """Return the conditions of a clip to continue.

    Args:
        tokenizer: makes codes of pictures.
        track: makes codes of sound; None for a silent model.
        clip: the clip to continue.
        pictures: frame number -> codes int32 `[h, w]` of key frames.
        num_frames: frames of the result; None for no end.
        dub: whether a silent clip of exactly `num_frames` gets a soundtrack and keeps its pixels.

    Raises:
        RequestError: nothing to continue, or a frame that is given twice.
    """
    length, stride = len(clip.video), tokenizer.config.time_stride
    if num_frames is not None and num_frames <= length:
        if track is None or clip.audio is not None or not dub or num_frames < length:
            sound = "" if track is None else ", without its sound to get another"
            raise RequestError(
                f"the video has {length} frames already; ask for more num_frames than that to continue it{sound}, "
                "or give a mask"
            )
        if pictures:
            raise RequestError(
                f"frame {min(pictures)} is given twice: by the video of {length} frames and as a picture"
            )
        known = known_codes(tokenizer, clip, whole=False)
        fill = np.zeros(clip.video.shape[:3], bool)
        return Conditions(num_frames=num_frames, time_stride=stride, known=known, fill=fill, pixels=clip.video)
    known = known_codes(tokenizer, clip, whole=True)
    covered = tokenizer.config.frames_of(len(known))
    if early := [frame for frame in pictures if frame < covered]:
        raise RequestError(f"frame {early[0]} is given twice: by the video of {covered} frames and as a picture")
    return Conditions(num_frames=num_frames, time_stride=stride, known=known, pictures=pictures)


def known_codes(tokenizer: VideoTokenizer, clip: Clip, *, whole: bool) -> np.ndarray:
    """Return the codes int32 `[m, h, w]` of a clip's latent frames; `whole` leaves out an incomplete last one."""
    stride, length = tokenizer.config.time_stride, len(clip.video)
    count = 1 + (length - 1) // stride if whole else tokenizer.config.latent_frames(length)
    codes = (clip.tokens or {}).get("video")
    wanted = tokenizer.config.frames_of(count)
    # Codes of the same tokenizer are used as they are: decoding and encoding them again would lose a little.
    shape = tokenizer.config.latent_shape(1, *clip.video.shape[1:3])[1:]
    fit = codes is not None and len(codes) >= count and codes.shape[1:] == shape
    if codes is not None and fit and clip.info.get("tokenizer") == tokenizer.hash:
        check_ids(codes, tokenizer.config.code)
        return codes[:count]
    frames = np.pad(clip.video, [(0, max(0, wanted - length)), (0, 0), (0, 0), (0, 0)], mode="edge")
    return tokenizer.encode(frames[:wanted])[0]
