"""The pictures, clips, sounds and controls of a generation, as the user gives them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import numpy as np

from reelm.errors import RequestError
from reelm.lm.control.camera import Camera, read_camera
from reelm.lm.control.tracks import Track, read_tracks
from reelm.media.clip import Clip
from reelm.media.sound import Recording, as_recording
from reelm.sampling.options import FILES
from reelm.storage.digests import sha256_of
from reelm.value_checks import whole

from .pictures import FileContent, Picture, read_references, read_source
from .storyboard import Shot, read_shots

VideoSource = Clip | str | os.PathLike[str] | np.ndarray
SoundSource = Clip | str | os.PathLike[str] | np.ndarray | tuple[np.ndarray, int] | Recording


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """The inputs of a generation that are files, arrays or lists.

    Pictures and clips are paths, the bytes of a file, an open file, arrays (uint8, or float in [-1, 1]), JAX's too, or
    pictures of Pillow. Other sizes are scaled and cropped about the centre.

    Attributes:
        image: The first frame. A model draws it anew with what it knows, so a photo does not stay one.
        last_image: The last frame.
        keyframes: Frame number from 0 -> picture.
        video: Clip to continue after its last whole latent frame. With `mask`, clip to edit. A silent clip of exactly
            `num_frames` gets a soundtrack, from a model with sound.
        mask: Part of `video` to fill in: bool `[T, H, W]` or `[H, W]`, True there, or a picture that is white there.
            All other pixels stay.
        audio: Sound of the clip: a path, a Clip, `(samples, rate)`, or samples at the audio tokenizer's rate. Samples
            are `[S]` or `[S, C]`, float in [-1, 1] or integers of 8, 16 or 32 bits. It is cut, or padded with silence,
            to the length of the pictures, and is else the clip's sound as it is.
        control: Clip whose edges, silhouette or depth (`control_kind`) the pictures follow. One that is shorter
            than the clip holds its last frame.
        tracks: The path of each subject, in the order of the words: a list of (seconds, (x, y)) with x to the right and
            y down, as shares of width and height, straight in between; None for a subject that is not steered.
        camera: How the camera moves: "circle left", "circle right", "zoom in", "zoom out", "rise" or "static",
            or a list of (seconds, reelm.Camera), between which it moves evenly.
        references: Up to four pictures of the subjects that the words call <1> to <4>, one subject in each.
        storyboard: Shots of the clip, instead of a prompt: a list of `reelm.Shot`, or of dicts with the same fields.
        keys: For a world: names of the keys held in each latent frame after the first, or after `video`. `Clip.info` of
            a played clip has them.

    Raises:
        RequestError: a value of another kind or out of its range.
    """

    image: Picture | None = None
    last_image: Picture | None = None
    keyframes: Mapping[int, Picture] | None = None
    video: VideoSource | None = None
    mask: Picture | None = None
    audio: SoundSource | None = None
    control: VideoSource | None = None
    tracks: Sequence[Track | None] | None = None
    camera: str | Sequence[tuple[float, Camera]] | None = None
    references: Sequence[Picture] | None = None
    storyboard: Sequence[Shot] | None = None
    keys: Sequence[Sequence[str]] | None = None

    def __post_init__(self):
        if isinstance(self.audio, tuple | list):
            object.__setattr__(self, "audio", recording(self.audio))
        for name in FILES:
            value = getattr(self, name)
            if value is not None and not isinstance(value, Recording):
                object.__setattr__(self, name, read_source(name, value, clips=name in ("video", "audio", "control")))
        if self.keyframes is not None:
            if not isinstance(self.keyframes, Mapping):
                raise RequestError(f"keyframes are a {type(self.keyframes).__name__}; give {{frame number: picture}}")
            frames = {
                whole("the frame of a keyframe", frame): read_source(f"keyframe {frame}", each)
                for frame, each in self.keyframes.items()
            }
            object.__setattr__(self, "keyframes", frames)
        if self.tracks is not None:
            object.__setattr__(self, "tracks", read_tracks(self.tracks))
        if self.camera is not None:
            object.__setattr__(self, "camera", read_camera(self.camera))
        object.__setattr__(self, "references", read_references(self.references))
        if self.storyboard is not None:
            object.__setattr__(self, "storyboard", read_shots(self.storyboard))
        if self.keys is not None:
            lists = isinstance(self.keys, list | tuple) and all(isinstance(each, list | tuple) for each in self.keys)
            if not lists:
                raise RequestError("keys are a list with a list of names for each latent frame, such as [['left'], []]")
            object.__setattr__(self, "keys", tuple(tuple(each) for each in self.keys))

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The shots of the storyboard; none without one."""
        return tuple(self.storyboard or ())

    def summary(self) -> dict[str, Any]:
        """Return the given sources for `Clip.info`: paths as they are, arrays by their shapes.

        `sha256` has a digest of each file, which identifies its content.
        """
        given = {name: value for name, value in vars(self).items() if value is not None}
        summary = {name: _summary(value) for name, value in given.items() if name not in STRUCTURED}
        summary |= json.loads(json.dumps({name: given[name] for name in STRUCTURED if name in given}, default=_plain))
        files = {name: value for name, value in vars(self).items() if isinstance(value, str | os.PathLike)}
        files |= {f"keyframe {frame}": each for frame, each in (self.keyframes or {}).items()}
        files |= {f"reference {number}": each for number, each in enumerate(self.references or (), 1)}
        for count, shot in enumerate(self.shots, 1):
            own = enumerate(shot.references or (), 1)
            files |= {f"reference {number} of shot {count}": each for number, each in own}
        digests = {name: digest for name, path in files.items() if (digest := file_digest(path))}
        return summary | ({"sha256": digests} if digests else {})


# Fields that JSON can hold; the others are pictures and sounds.
STRUCTURED = ("keys", "tracks", "camera", "storyboard")


class SourceFields(TypedDict, total=False):
    """The fields of `Sources` as keyword arguments."""

    image: Picture | FileContent | None
    last_image: Picture | FileContent | None
    keyframes: Mapping[int, Picture | FileContent] | None
    video: VideoSource | FileContent | None
    mask: Picture | FileContent | None
    audio: SoundSource | FileContent | None
    control: VideoSource | FileContent | None
    tracks: Sequence[Track | None] | None
    camera: str | Sequence[tuple[float, Camera]] | None
    references: Sequence[Picture | FileContent] | None
    storyboard: Sequence[Shot] | None
    keys: Sequence[Sequence[str]] | None


def file_digest(path: Any) -> str | None:
    """Return the sha256 of a file's bytes; None for anything else, such as a pipe, which cannot be read twice."""
    if not isinstance(path, str | os.PathLike) or not os.path.isfile(path):
        return None
    return sha256_of(path)


def recording(pair: Sequence[Any]) -> Any:
    """Return `(samples, rate)` as a Recording, and a list of samples as it is; RequestError for `(rate, samples)`."""
    if len(pair) != 2 or (numbers := [np.ndim(each) == 0 for each in pair]) == [True, True]:
        return pair
    if numbers == [True, False]:
        raise RequestError("audio is (rate, samples); give the samples first: audio=(samples, rate)")
    if numbers == [False, False]:
        if isinstance(pair, list):
            return pair
        raise RequestError("audio is a pair of arrays; give (samples, rate) with samples [S] or [S, C], or an array")
    return as_recording(pair[0], np.asarray(pair[1]).item())


def _plain(value: Any) -> Any:
    """Return a JSON value for a value that JSON cannot hold: the fields of a shot or a camera, or a summary."""
    if isinstance(value, Shot):
        return {name: each for name, each in vars(value).items() if each is not None}
    return asdict(value) if isinstance(value, Camera) else _summary(value)


def _summary(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _summary(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_summary(each) for each in value]
    if isinstance(value, Clip):
        return f"clip of {len(value.video)} frames"
    if isinstance(value, Recording):
        return f"array {list(value.samples.shape)} at {value.sample_rate} Hz"
    return f"array {list(value.shape)}" if isinstance(value, np.ndarray) else str(value)
