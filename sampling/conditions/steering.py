"""What steers the pictures besides words, from what a user gives to parts of the control field.

    keys, tracks, control, camera, motion  ->  Source -> float32 [t, h or 1, w or 1, c]

The language model that is asked knows all of them (`sampling/planning/specialists.py`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError
from reelm.lm.control.camera import camera_field, camera_path
from reelm.lm.control.keys import keys_field
from reelm.lm.control.motion import motion_field
from reelm.lm.control.sources import Source
from reelm.lm.control.structure import VIEW, structure_field
from reelm.lm.control.tracks import points_of, tracks_field
from reelm.lm.net.config import LMConfig
from reelm.media.outlines import STRUCTURES
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions
from .read import read_clip, recorded_keys
from .sources import Sources

_HELD = 64  # frames for which the last frame of a control clip is encoded again; then its codes no longer change
_MOVES = 60.0  # seconds for which a camera that words move goes on in a clip without end


class Steering(NamedTuple):
    """What steers a clip.

    Attributes:
        parts: of the control field, of the sources that speak.
        camera: float `[T, 3]`, whose view of the first frame is shown, too; None for none.
        warnings: sentences about what is done otherwise than asked.
    """

    parts: Mapping[Source, np.ndarray]
    camera: np.ndarray | None
    warnings: Sequence[str]


def steering(model: ModelParts, sources: Sources, options: Options, conditions: Conditions, fps: float) -> Steering:
    """Return what steers a clip.

    Raises:
        RequestError: a source that cannot be read, or a kind of control clip that the model does not know.
    """
    assert model.lm is not None, "plans are made of models that generate"
    config, codes = model.lm.config, model.video_tokenizer.config
    grid = (int(conditions.known.shape[1]), int(conditions.known.shape[2]))
    found, warnings, camera = dict[Source, np.ndarray](), list[str](), None
    _check(config, model.name, sources, options)
    if config.keys or sources.keys is not None:
        found["keys"] = _keys(model, sources, max(1, len(conditions.known)))
    if sources.tracks is not None:
        if len(sources.tracks) > config.tracks:
            raise RequestError(f"there are {len(sources.tracks)} tracks; {model.name!r} follows {config.tracks}")
        last = max(track[-1][0] for track in sources.tracks if track) if any(sources.tracks) else 0.0
        points = points_of(sources.tracks, _frames(codes, conditions, round(last * fps) + 1), fps)
        found["tracks"] = tracks_field(points, config.tracks, codes.time_stride, grid)
    if sources.control is not None:
        found["structure"], warnings = _structure(model.video_tokenizer, config, sources, options, conditions, fps)
    if sources.camera is not None:
        last = _MOVES if isinstance(sources.camera, str) else sources.camera[-1][0]
        path = camera_path(sources.camera, _frames(codes, conditions, round(last * fps) + 1), fps)
        found["camera"] = camera_field(path, codes.time_stride)
        if VIEW in config.structures and sources.control is None:  # a control clip shows how the camera moves
            camera = path
    if options.motion is not None:
        found["motion"] = motion_field(options.motion, 1)
    return Steering(found, camera, warnings)


def _check(config: LMConfig, name: str, sources: Sources, options: Options) -> None:
    """Check that a control clip comes with its kind, and that the model knows it."""
    if (sources.control is None) != (options.control_kind is None):
        raise RequestError("control is a clip and control_kind says what of it is followed; give both")
    if options.control_kind is not None and options.control_kind not in config.control_kinds:
        raise RequestError(f"{name!r} follows {', '.join(config.control_kinds)}, not {options.control_kind}")


def _frames(config: VideoConfig, conditions: Conditions, most: int) -> int:
    """Return the frames of whole latent frames: up to `most`, but no more than the clip has."""
    frames = most if conditions.num_frames is None else min(most, conditions.num_frames)
    return config.frames_of(config.latent_frames(frames))


def _structure(
    tokenizer: VideoTokenizer,
    config: LMConfig,
    sources: Sources,
    options: Options,
    conditions: Conditions,
    fps: float,
) -> tuple[np.ndarray, list[str]]:
    """Return the part of structure of the control clip, and what is to be said about it."""
    assert sources.control is not None and options.control_kind is not None
    rows, columns = conditions.known.shape[1:]
    space = tokenizer.config.space_stride
    height, width = rows * space, columns * space
    video = STRUCTURES[options.control_kind](read_clip("control", sources.control, height, width, fps).video)
    frames = _frames(tokenizer.config, conditions, len(video) + _HELD)
    held = np.concatenate([video, np.repeat(video[-1:], max(0, frames - len(video)), axis=0)])[:frames]
    codes = structure_field(tokenizer.encode(held[None])[0], options.control_kind, config.structures, config.bits)
    if conditions.num_frames is None or conditions.num_frames > len(video):
        return codes, [f"control is {len(video)} frames long; its last one is held"]
    return codes, []


def _keys(model: ModelParts, sources: Sources, known: int) -> np.ndarray:
    """Return the part of keys of the first latent frames, of which `known` come without a draw.

    Those of a recording have its keys, where it says which. RequestError for keys that the model does not have.
    """
    names = {*model.language_model().config.keys}
    pressed = list(sources.keys or ())
    recorded, unknown = recorded_keys(sources.video), 1  # no key made the first
    if len(recorded) != known - 1 or not names >= {key for each in recorded for key in each}:
        recorded, unknown = [()] * (known - 1), known
    rows = [model.held(each) for each in ((), *recorded, *pressed)]
    return keys_field(np.stack(rows), np.arange(len(rows)) >= unknown)
