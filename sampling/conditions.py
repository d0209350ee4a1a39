"""What a clip must show besides its words: pictures, the clip it goes on from, the part of a clip that stays, sound.

    image, last_image, keyframes, video, mask, audio  ->  Conditions: codes, and where they stand

A picture at frame 0 and a clip that is continued become the first codes themselves, and so does given sound. Pictures
at later frames and the kept part of a masked clip are read before the first code, as `Given` pictures of the prefix;
sound that pictures are to be made for is read there, too, since a picture must know what will be heard.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reelm.lm.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.stream import Given, audio_frames
from reelm.tokenizer.codes import check_ids
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.video import VideoTokenizer, check_video

from .clip import Clip
from .frames import Frames
from .media import read_image, read_video
from .pictures import fit
from .soundtrack import SoundSource, Soundtrack

Picture = str | os.PathLike[str] | np.ndarray
Source = Clip | str | os.PathLike[str] | np.ndarray


@dataclass(frozen=True, eq=False)
class Conditions:
    """Codes that are known of a clip, and pixels that stay. The same for every prompt and seed of a call.

    Attributes:
        num_frames: of the clip; None for an endless one.
        known: int32 `[m, h, w]`, the clip's first latent frames.
        pictures: frame number -> int32 `[h, w]`, a picture tokenized alone.
        masked: int32 `[t, h, w]`, codes of a clip of which a part stays; None for no such clip.
        unknown: bool `[t, h, w]`, where `masked` is to be filled in.
        fill: bool `[T, H, W]`, the pixels to be filled in; all others are those of `pixels`.
        pixels: uint8 `[T, H, W, 3]`.
        sound: int32 `[F, L]`, the clip's first audio frames; None for none.
        heard: whether they are given before the pictures, which are to go with them.
    """

    num_frames: int | None
    known: np.ndarray
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    masked: np.ndarray | None = None
    unknown: np.ndarray | None = None
    fill: np.ndarray | None = None
    pixels: Frames | None = None
    sound: np.ndarray | None = None
    heard: bool = False

    def draws_pictures(self, latent_frames: int | None) -> bool:
        """Whether a clip of that many has some that are not given."""
        return latent_frames is None or len(self.known) < latent_frames

    def tells_pictures(self, latent_frames: int | None) -> bool:
        """Whether some of the clip's latent frames are given and others to be drawn, of which the given ones tell."""
        given = len(self.known) or self.pictures or self.masked is not None
        return self.draws_pictures(latent_frames) and bool(given)

    def picture(self, latent_frame: int) -> np.ndarray | None:
        """Codes int32 `[h, w]` of a latent frame's picture, where they are known."""
        return self.known[latent_frame] if latent_frame < len(self.known) else None

    def sound_beside(self, latent_frame: int, lm: LMConfig) -> np.ndarray | None:
        """Codes int32 `[s, L]` of all the sound beside a latent frame, where they are known."""
        begin, end = (audio_frames(lm.sound_frames, n) for n in (latent_frame, latent_frame + 1))
        return None if self.sound is None or len(self.sound) < end else self.sound[begin:end]

    def paste(self, video: Frames, first: int) -> Frames:
        """Frames uint8 `[B, n, H, W, 3]` of the clip from frame `first` on, with what stays put back."""
        if self.fill is None or self.pixels is None:
            return video
        span = slice(first, first + video.shape[1])
        fill, pixels = self.fill[span], self.pixels[span]
        stays = video.copy()
        stays[:, : len(fill)] = np.where(fill[..., None], video[:, : len(fill)], pixels)
        return stays

    def prefix(
        self, words: Prefix, lm: LMConfig, *, start: int, frames: int, stride: int, anchor: np.ndarray | None
    ) -> Prefix:
        """The prefix of a window of `frames` latent frames from latent frame `start` on, for R rows of words alone.

        anchor: int32 `[R or 1, h, w]`, the stream's first latent frame, when the window continues it.
        """
        rows, (h, w) = len(words.words), self.known.shape[1:]
        codes, kinds, times = [], [], []

        def add(picture: np.ndarray, kind: np.ndarray | Given, time: float) -> None:
            codes.append(np.broadcast_to(picture, (rows, h, w)))
            kinds.append(np.broadcast_to(np.asarray(kind, np.int32), (rows, h, w)))
            times.append(time)

        if anchor is not None:
            add(anchor, Given.ANCHOR, -1.0)
        for frame, picture in sorted(self.pictures.items()):
            if start - 1 < frame / stride < start + frames:
                add(picture, Given.FRAME, frame / stride - start)
        if self.masked is not None and self.unknown is not None:
            for i in range(start, min(start + frames, len(self.masked))):
                kind = np.where(self.unknown[i], Given.UNKNOWN, Given.KNOWN)
                add(self.masked[i], kind, float(i - start))
        # Each number of pictures compiles a program of its own, so they are filled up to powers of two.
        while len(codes) & (len(codes) - 1):
            add(np.zeros((1, h, w), np.int32), Given.NOTHING, 0.0)
        prefix = words
        if codes:
            prefix = prefix.replace(
                codes=np.stack(codes, axis=1).astype(np.int32),
                kinds=np.stack(kinds, axis=1),
                times=np.broadcast_to(np.asarray(times, np.float32), (rows, len(times))),
            )
        return prefix.replace(sound=self._heard(lm, start, frames, rows)) if self.heard else prefix

    def _heard(self, lm: LMConfig, start: int, frames: int, rows: int) -> np.ndarray:
        """int32 `[rows, S, L]`, the sound beside a window, -1 beyond its end."""
        assert self.sound is not None
        begin, end = (audio_frames(lm.sound_frames, n) for n in (start, start + frames))
        sound = self.sound[begin:end]
        sound = np.pad(sound, ((0, end - begin - len(sound)), (0, 0)), constant_values=-1)
        return np.broadcast_to(sound, (rows, *sound.shape))


def conditions(
    tokenizer: VideoTokenizer,
    track: Soundtrack | None,
    *,
    height: int,
    width: int,
    fps: float,
    num_frames: int | None,
    default: int | None,
    image: Picture | None = None,
    last_image: Picture | None = None,
    keyframes: Mapping[int, Picture] | None = None,
    video: Source | None = None,
    mask: Picture | None = None,
    audio: SoundSource | None = None,
) -> Conditions:
    """Reads and tokenizes what is given; see `Model.generate` for the arguments.

    Args:
        track: makes codes of sound; None for a silent model.
        num_frames: of the clip; None for as many as are given, or else the default.
        default: None for an endless clip.

    Raises:
        RequestError: conditions that contradict each other or the clip's length, or a file that cannot be read.
    """
    if mask is not None and video is None:
        raise RequestError("a mask says which part of a video to fill in; give that video too")
    if audio is not None and track is None:
        raise RequestError("this model knows no sound; leave audio out")
    clip = None if video is None else _clip(video, height, width, fps)
    samples = None if track is None or audio is None else track.samples(audio)
    there = None if clip is None else len(clip.video)
    heard = None if track is None or samples is None else track.frames_beside(samples, fps)
    # A clip without an end may go on after what is given; one with a mask is as long as its video.
    if num_frames is None and (default is not None or mask is not None):
        num_frames = there or heard or default

    pictures = _pictures(image, last_image, keyframes, num_frames)
    codes = {frame: tokenizer.encode(_still(picture, height, width)[None])[0, 0] for frame, picture in pictures.items()}
    if clip is None:
        rows, columns = tokenizer.config.latent_shape(1, height, width)[1:]
        first = codes.pop(0, None)
        known = np.zeros((0, rows, columns), np.int32) if first is None else first[None]
        given = Conditions(num_frames=num_frames, known=known, pictures=codes)
    elif mask is not None:
        given = _masked(tokenizer, clip.video, mask, codes, num_frames)
    else:
        given = _continued(tokenizer, track, clip, codes, num_frames, dub=samples is None)
    if track is None:
        return given
    if samples is not None and heard is not None:
        frames = num_frames or heard
        sound = track.encode(track.fit(samples, frames, fps), tokenizer.config.latent_frames(frames))
        return replace(given, sound=sound, heard=True)
    if clip is None or clip.audio is None:
        return given
    whole = len(given.known) if mask is None else tokenizer.config.latent_frames(len(clip.video))
    return replace(given, sound=track.of_clip(clip, whole))


def _continued(
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


def _pictures(
    image: Picture | None, last_image: Picture | None, keyframes: Mapping[int, Picture] | None, num_frames: int | None
) -> dict[int, Picture]:
    """Frame number -> picture."""
    given = list((keyframes or {}).items())
    given += [] if image is None else [(0, image)]
    if last_image is not None:
        if num_frames is None:
            raise RequestError("an endless clip has no last_image; say num_frames")
        given.append((num_frames - 1, last_image))
    pictures: dict[int, Picture] = {}
    for frame, picture in given:
        if frame != int(frame) or frame < 0 or (num_frames is not None and frame >= num_frames):
            raise RequestError(f"there is no frame {frame} in a clip of {num_frames} frames, counted from 0")
        if frame in pictures:
            raise RequestError(f"frame {frame} is given twice; image is frame 0, last_image the last")
        pictures[int(frame)] = picture
    return pictures


def _still(picture: Picture, height: int, width: int) -> Frames:
    """uint8 `[height, width, 3]`, fitted and centre-cropped."""
    if not isinstance(picture, np.ndarray):
        return fit(read_image(picture), height, width)
    if picture.ndim != 3:
        raise RequestError(f"an image has the shape [H, W, 3], not {list(picture.shape)}")
    return fit(_as_uint8(picture[None])[0], height, width)


def _clip(video: Source, height: int, width: int, fps: float) -> Clip:
    """A clip of that size; with frames at `fps` when it comes from a file."""
    if isinstance(video, Clip):
        if video.video.shape[1:3] == (height, width):
            return video
        video = replace(video, tokens=None)
    elif isinstance(video, np.ndarray):
        if video.ndim != 4:
            raise RequestError(f"a video has the shape [T, H, W, 3], not {list(video.shape)}")
        video = Clip(video=_as_uint8(video), fps=fps)
    else:
        frames, _, sound, rate = read_video(video, fps=fps)
        video = Clip(video=frames, fps=fps, audio=sound, sample_rate=rate)
    return replace(video, video=np.stack([fit(frame, height, width) for frame in video.video]))


def _as_uint8(video: np.ndarray) -> Frames:
    video = check_video(video)
    return video if video.dtype == np.uint8 else np.round((video + 1) * 127.5).astype(np.uint8)


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


def _masked(
    tokenizer: VideoTokenizer, frames: Frames, mask: Picture, pictures: dict[int, np.ndarray], num_frames: int | None
) -> Conditions:
    length, height, width = frames.shape[:3]
    if num_frames is not None and num_frames != length:
        raise RequestError(f"the masked video has {length} frames; num_frames must be the same, not {num_frames}")
    fill = _fill(mask, (length, height, width))
    if 0 in pictures:
        raise RequestError("frame 0 is given twice: by the masked video and as a picture")
    stride, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    late = -(length - 1) % stride
    # What is to be filled in must not be seen: it is painted over before the clip is tokenized.
    visible = np.where(fill[..., None], np.uint8(0), frames)
    padded = np.pad(visible, [(0, late), (0, 0), (0, 0), (0, 0)], mode="edge")
    hidden = np.pad(fill, [(0, late), (0, 0), (0, 0)], mode="edge")
    hidden = np.concatenate([np.repeat(hidden[:1], stride - 1, axis=0), hidden])  # the first latent frame is one frame
    cells = hidden.reshape(-1, stride, height // space, space, width // space, space)
    return Conditions(
        num_frames=length,
        known=np.zeros((0, height // space, width // space), np.int32),
        pictures=pictures,
        masked=tokenizer.encode(padded)[0],
        unknown=cells.any(axis=(1, 3, 5)),
        fill=fill,
        pixels=frames,
    )


def _fill(mask: Picture, shape: tuple[int, int, int]) -> np.ndarray:
    """bool `[T, H, W]`, from a mask of that shape or one `[H, W]` for all frames; a file's bright pixels are True."""
    if not isinstance(mask, np.ndarray):
        mask = fit(read_image(mask), *shape[1:])[..., 0] >= 128
    if mask.dtype != bool:
        raise RequestError(f"a mask is bool, True where the video is to be filled in, not {mask.dtype}")
    if mask.shape not in (shape, shape[1:]):
        raise RequestError(
            f"the mask has the shape {list(mask.shape)}; this video needs {list(shape)} or {list(shape[1:])}"
        )
    if not mask.any():
        raise RequestError("the mask is False everywhere: there is nothing to fill in")
    return np.broadcast_to(mask, shape)


def summary(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `Clip.info` says of the conditions: paths as they are, arrays by their shapes."""

    def say(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): say(each) for key, each in value.items()}
        if isinstance(value, Clip):
            return f"clip of {len(value.video)} frames"
        return f"array {list(value.shape)}" if isinstance(value, np.ndarray) else str(value)

    return {name: say(value) for name, value in given.items() if value is not None}
