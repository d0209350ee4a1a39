"""Read the sources of a clip and make codes of them.

    Sources: image, last_image, keyframes, video, mask, audio  ->  Conditions: codes with their times

A picture at frame 0 and a clip that is continued become the first codes themselves, and so does their sound. Pictures
at later frames and the kept part of a masked clip go into the prefix, each with its `PictureKind`. Sound that pictures
are made for goes there, too, because a picture depends on the sound that follows.
"""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.file_info import of_comment
from reelm.media.pixels import Frames, Size, fit
from reelm.media.read import read_image, read_note, read_video
from reelm.media.sound import Recording
from reelm.media.timing import evenly, on_clock
from reelm.tokenizer.video.tokenizer import VideoTokenizer, check_video

from .conditions import Conditions
from .continued import continued
from .given_sound import GivenSound, read_recording, sound_of
from .masks import masked
from .pictures import Picture
from .retake import check_retake, retaken
from .soundtrack import Soundtrack
from .sources import Sources, VideoSource

_log = logging.getLogger("reelm")


def read_conditions(
    tokenizer: VideoTokenizer,
    track: Soundtrack | None,
    sources: Sources,
    *,
    height: int,
    width: int,
    fps: float,
    num_frames: int | None,
    default: int | None,
    retake: Sequence[tuple[float, float]] | None = None,
) -> Conditions:
    """Read and tokenize the sources of a clip.

    Args:
        tokenizer: makes codes of pictures.
        track: makes codes of sound; None for a silent model.
        sources: as the user gave them.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        fps: frames a second.
        num_frames: frames of the clip; None for the length of the given video or sound, or else `default`.
        default: frames of the clip if nothing else says; None for an endless clip.
        retake: seconds of the video to make anew, from and to; None for none.

    Raises:
        RequestError: conditions that contradict each other or the clip's length, or a file that cannot be read.
    """
    mask, audio = sources.mask, sources.audio
    _check(sources, track, retake)
    clip = None if sources.video is None else read_clip("a video", sources.video, height, width, fps)
    heard, sounding = None, None
    if track is not None and audio is not None:
        given = read_recording(audio, track.sample_rate)
        heard = given, track.samples(given)
        sounding = track.frames_for(heard[1], fps)
    # An endless clip may continue the video. A masked clip, and one with a retake, is as long as its video.
    whole = mask is not None or retake is not None
    if num_frames is None and (default is not None or whole):
        num_frames = _length(None if clip is None else len(clip.video), None if whole else sounding, default)

    pictures = _pictures(sources, num_frames)
    fitted = {frame: pixels(each, (height, width)) for frame, each in pictures.items()}
    codes = {frame: tokenizer.encode(each[None])[0, 0] for frame, each in fitted.items()}
    if clip is None:
        conditions = _begun(tokenizer, codes, height, width, num_frames)
    elif retake is not None:
        conditions = retaken(tokenizer, clip, retake, codes, num_frames)
    elif mask is not None:
        conditions = masked(tokenizer, clip.video, mask, codes, num_frames)
    else:
        conditions = continued(tokenizer, track, clip, codes, num_frames, dub=heard is None)
    conditions = replace(conditions, shown=_shown(sources, fitted, clip, num_frames))
    if track is not None and heard is not None:
        given, samples = heard
        frames = num_frames or track.frames_for(samples, fps)
        sound = track.encode(track.fit(samples, frames, fps), tokenizer.config.latent_frames(frames))
        kept = GivenSound(given, np.ones(frames, bool))
        return replace(conditions, sound=sound, sound_in_prefix=True, given_sound=kept)
    if clip is None:
        return conditions
    conditions = replace(conditions, given_sound=_kept_sound(tokenizer, track, clip, conditions))
    if track is None or clip.audio is None:
        return conditions
    count = len(conditions.known) if mask is None else tokenizer.config.latent_frames(len(clip.video))
    return replace(conditions, sound=track.of_clip(clip, count), sound_in_prefix=retake is not None)


def _shown(
    sources: Sources, pictures: Mapping[int, Frames], clip: Clip | None, num_frames: int | None
) -> dict[str, Frames]:
    """Return given pictures by what users call them, and the last frame of a given clip."""
    names = {} if sources.image is None else {0: "the image"}
    names |= {} if sources.last_image is None or num_frames is None else {num_frames - 1: "the last_image"}
    shown = {names.get(frame, f"keyframe {frame}"): picture for frame, picture in pictures.items()}
    return shown | ({} if clip is None else {"the video": clip.video[-1].copy()})


def _kept_sound(
    tokenizer: VideoTokenizer, track: Soundtrack | None, clip: Clip, conditions: Conditions
) -> GivenSound | None:
    """Return the sound of a clip that is continued or changed, silence if it has none; None where all is drawn."""
    length, fill, drawn = len(clip.video), conditions.fill, conditions.drawn
    gets_sound = track is not None and fill is not None and drawn is None and conditions.masked is None
    recording = sound_of(clip)
    if recording is None:
        if track is None or gets_sound:
            return None
        recording = Recording(np.zeros((1, track.tokenizer.config.channels), np.float32), track.sample_rate)
    if fill is None:  # continued after its last whole latent frame
        return GivenSound(recording, np.ones(tokenizer.config.frames_of(len(conditions.known)), bool))
    # A mask leaves the sound alone, and so does a model that knows none.
    return GivenSound(recording, np.ones(length, bool) if drawn is None or track is None else ~fill.any((1, 2)))


def _begun(
    tokenizer: VideoTokenizer, codes: Mapping[int, np.ndarray], height: int, width: int, num_frames: int | None
) -> Conditions:
    """Return the conditions of a clip that begins with nothing, or with the picture of frame 0."""
    config = tokenizer.config
    known = np.zeros((0, *config.latent_shape(1, height, width)[1:]), np.int32) if 0 not in codes else codes[0][None]
    later = {frame: picture for frame, picture in codes.items() if frame}
    return Conditions(num_frames=num_frames, time_stride=config.time_stride, known=known, pictures=later)


def _check(sources: Sources, track: Soundtrack | None, retake: Sequence[tuple[float, float]] | None) -> None:
    """Check that no source lacks another, and that the model takes them; RequestError if not."""
    if sources.mask is not None and sources.video is None:
        raise RequestError("a mask says which part of a video to fill in; give that video too")
    if retake is not None:
        check_retake(sources)
    if sources.audio is not None and track is None:
        raise RequestError("this model knows no sound; leave audio out")


def _length(video: int | None, sound: int | None, default: int | None) -> int | None:
    """Return the frames of a clip without `num_frames`: those of its video or its sound, whichever is longer.

    So a video is continued to the end of a longer sound.
    """
    return max(video or 0, sound or 0) or default


def _pictures(sources: Sources, num_frames: int | None) -> dict[int, Picture]:
    listed = list((sources.keyframes or {}).items())
    listed += [] if sources.image is None else [(0, sources.image)]
    if sources.last_image is not None:
        if num_frames is None:
            raise RequestError("an endless clip has no last_image; say num_frames")
        listed.append((num_frames - 1, sources.last_image))
    pictures: dict[int, Picture] = {}
    for frame, picture in listed:
        if frame < 0 or (num_frames is not None and frame >= num_frames):
            raise RequestError(f"there is no frame {frame} in a clip of {num_frames} frames, counted from 0")
        if frame in pictures:
            raise RequestError(f"frame {frame} is given twice; image is frame 0, last_image the last")
        pictures[frame] = picture
    return pictures


def pixels(picture: Picture, size: Size | None = None) -> Frames:
    """Return a picture as uint8 `[H, W, 3]`; with `size` scaled to cover it and cropped to its centre."""
    if not isinstance(picture, np.ndarray):
        return read_image(picture, size=size)
    if picture.ndim != 3 or picture.shape[-1] != 3:
        raise RequestError(f"an image has the shape [H, W, 3], not {list(picture.shape)}")
    seen = _as_uint8("the image", picture[None])[0]
    return seen if size is None else fit(seen, *size)


def read_clip(name: str, video: VideoSource, height: int, width: int, fps: float) -> Clip:
    """Return a video as a clip of this size and rate; its frame j is seen at j / fps seconds. Errors call it `name`."""
    if isinstance(video, Clip):
        if not math.isclose(video.fps, fps, rel_tol=1e-3):
            frames = np.stack([frame.pixels for frame in on_clock(evenly(video.video, video.fps), fps)])
            video = replace(video, video=frames, fps=fps, tokens=None)
        if video.video.shape[1:3] == (height, width):
            return video
        video = replace(video, tokens=None)
    elif isinstance(video, np.ndarray):
        if video.ndim != 4:
            raise RequestError(f"{name} has the shape [T, H, W, 3], not {list(video.shape)}")
        video = Clip(video=_as_uint8(name, video), fps=fps)
    else:
        frames, _, sound, rate = read_video(video, fps=fps, size=(height, width))
        return Clip(video=frames, fps=fps, audio=sound, sample_rate=rate)
    return replace(video, video=np.stack([fit(frame, height, width) for frame in video.video]))


def info_of(video: VideoSource | None) -> Mapping[str, Any]:
    """Return the `info` that a clip or its file was saved with; {} for one that another program made, or an array."""
    if isinstance(video, Clip):
        return video.info
    return of_comment(read_note(video))[1] if isinstance(video, str | os.PathLike) else {}


def recorded_keys(video: VideoSource | None) -> Sequence[Sequence[str]]:
    """Return the keys that a clip was played with, from its `info`; [] if that has none."""
    keys = info_of(video).get("keys", [])
    lists = isinstance(keys, list) and all(isinstance(each, list | tuple) for each in keys)
    return [[key for key in each if isinstance(key, str)] for each in keys] if lists else []


def _as_uint8(name: str, video: np.ndarray) -> Frames:
    video = check_video(video)
    if video.dtype == np.uint8:
        return video
    if 0 <= video.min() < video.max() <= 1:  # as many libraries hold pictures
        _log.warning("%s lies in [0, 1], and is read as [-1, 1]: nothing is darker than grey; give 2 * x - 1", name)
    return np.round((video + 1) * 127.5).astype(np.uint8)
