"""Read what steers the pictures besides words, and make the control field of a net from it.

keys, tracks, control, camera, motion  ->  Steering  ->  float32 [t, h or 1, w or 1, C]
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reelm.errors import RequestError
from reelm.lm.control.camera import Camera, camera_field, camera_path
from reelm.lm.control.field import control_field, last_goes_on
from reelm.lm.control.keys import keys_field
from reelm.lm.control.motion import motion_field
from reelm.lm.control.sources import Source
from reelm.lm.control.structure import structure_field
from reelm.lm.control.tracks import Track, points_of, tracks_field
from reelm.lm.net.config import LMConfig
from reelm.media.outlines import STRUCTURES
from reelm.sampling.options import ControlKind, Options
from reelm.sampling.parts import ModelParts
from reelm.tokenizer.families import VideoConfig

from .conditions import Conditions, Steering
from .read import read_clip, recorded_keys
from .sources import Sources, VideoSource

_HELD = 64  # times that the last frame of a control clip is repeated; after that its codes no longer change
_MOVES = 60.0  # seconds that a camera with a named move goes on in an endless clip


def read_steering(
    model: ModelParts, sources: Sources, options: Options, conditions: Conditions, fps: float
) -> tuple[Steering, list[str]]:
    """Return what steers a clip, and sentences about what is done differently than asked.

    RequestError for a source that cannot be read, keys that the model does not have, or half of a control clip.
    """
    config, notes = model.video_tokenizer.config, list[str]()
    if (sources.control is None) != (options.control_kind is None):
        raise RequestError("control is a clip and control_kind says what of it is followed; give both")
    steering = Steering(
        keys=_keys(model, sources, max(1, len(conditions.known))),
        tracks=read_points(sources.tracks, config, conditions.num_frames, fps),
        camera=read_path(sources.camera, config, conditions.num_frames, fps),
        motion=options.motion,
    )
    if sources.control is not None and options.control_kind is not None:
        codes, notes = _structure(model, sources.control, options.control_kind, conditions, fps)
        steering = replace(steering, structure=codes, kind=options.control_kind)
    return steering, notes


def read_points(
    tracks: Sequence[Track | None] | None, config: VideoConfig, num_frames: int | None, fps: float
) -> np.ndarray | None:
    """Return the places float `[n, T, 2]` of tracks in each frame, up to their last point, in whole latent frames."""
    if tracks is None:
        return None
    last = max((track[-1][0] for track in tracks if track), default=0.0)
    return points_of(tracks, _frames(config, num_frames, round(last * fps) + 1), fps)


def read_path(
    camera: str | Sequence[tuple[float, Camera]] | None, config: VideoConfig, num_frames: int | None, fps: float
) -> np.ndarray | None:
    """Return the places float `[T, 3]` of a camera in each frame, until it stays, in whole latent frames."""
    if camera is None:
        return None
    last = _MOVES if isinstance(camera, str) else camera[-1][0]
    return camera_path(camera, _frames(config, num_frames, round(last * fps) + 1), fps)


def field_of(steering: Steering, config: LMConfig, stride: int, grid: tuple[int, int]) -> np.ndarray | None:
    """Return the control field float32 `[t, h or 1, w or 1, C]` of a clip's first latent frames; the last one repeats.

    None for a net without control.

    Args:
        steering: of the clip; sources that the net does not know are left out.
        config: of the net.
        stride: frames of a latent frame after the first.
        grid: rows and columns of a latent frame.
    """
    known, parts = config.channels, dict[Source, np.ndarray]()
    if not known:
        return None
    if "keys" in known and steering.keys is not None:
        parts["keys"] = np.concatenate([steering.keys, 0 * steering.keys[:1]])  # later keys are unknown
    if "tracks" in known and steering.tracks is not None:
        parts["tracks"] = tracks_field(steering.tracks, config.tracks, stride, grid)
    if "structure" in known and steering.structure is not None and steering.kind is not None:
        parts["structure"] = structure_field(steering.structure, steering.kind, config.structures, config.bits)
    if "camera" in known and steering.camera is not None:
        parts["camera"] = camera_field(steering.camera, stride)
    if "motion" in known and steering.motion is not None:
        parts["motion"] = motion_field(steering.motion, 1)
    length = max((len(part) for part in parts.values()), default=1)
    return control_field(known, {name: last_goes_on(part, length) for name, part in parts.items()}, length, grid)


def _frames(config: VideoConfig, num_frames: int | None, most: int) -> int:
    """Return the frames of whole latent frames: up to `most`, but no more than a clip of `num_frames` has."""
    frames = most if num_frames is None else min(most, num_frames)
    return config.frames_of(config.latent_frames(frames))


def _structure(
    model: ModelParts, control: VideoSource, kind: ControlKind, conditions: Conditions, fps: float
) -> tuple[np.ndarray, list[str]]:
    """Return the codes int32 `[t, h, w]` of what a control clip shows, and notes about it."""
    config, (rows, columns) = model.video_tokenizer.config, conditions.known.shape[1:]
    height, width = rows * config.space_stride, columns * config.space_stride
    video = STRUCTURES[kind](read_clip("control", control, height, width, fps).video)
    frames = _frames(config, conditions.num_frames, len(video) + _HELD)
    held = np.concatenate([video, np.repeat(video[-1:], max(0, frames - len(video)), axis=0)])[:frames]
    codes = model.video_tokenizer.encode(held[None])[0]
    if conditions.num_frames is None or conditions.num_frames > len(video):
        return codes, [f"control is {len(video)} frames long; its last one is held"]
    return codes, []


def _keys(model: ModelParts, sources: Sources, known: int) -> np.ndarray | None:
    """Return the keys of `Steering` for a clip whose first `known` latent frames are given; None without a world.

    Given latent frames have the keys of their recording, if it names them. RequestError for keys that the model does
    not have.
    """
    names = {*model.language_model().config.keys}
    if not names and sources.keys is None:
        return None
    asked = list(sources.keys or ())
    recorded, unknown = recorded_keys(sources.video), 1  # the first latent frame has no keys
    if len(recorded) != known - 1 or not names >= {key for each in recorded for key in each}:
        recorded, unknown = [()] * (known - 1), known
    rows = [model.held(each) for each in ((), *recorded, *asked)]
    return keys_field(np.stack(rows), np.arange(len(rows)) >= unknown)
