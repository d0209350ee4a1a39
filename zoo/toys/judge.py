"""Read clips of toys: the toys, their position in every frame, their motion, and the motion of the camera.

In: frames uint8 [T, 128, 128, 3]. Out: `Reading`. Two nets are trained on renders (`train_judge.py`), never on clips of
a model. One predicts for each pixel the toy and its attributes; the other sees a toy along its track and predicts its
motion. In between, toys are segmented and linked from frame to frame. This module knows nothing of models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.storage.tensors import load_params

from .scenes import CAMERA_MOVES, MOTIONS, CameraMove, Motion, Side
from .toys import COLOURS, MATERIALS, PATTERNS, SHAPES, Colour, Material, Shape

WEIGHTS = Path(__file__).with_name("judge.safetensors")

SIDES: tuple[Side | None, ...] = (None, "left", "right")
SIZE = 128
GRID = SIZE // 2
"""Positions along a side of the first net's output."""
CROP = 48
"""Side in pixels of the second net's crop of a toy. It sees every other pixel."""

KINDS = {"colour": len(COLOURS), "shape": len(SHAPES), "material": len(MATERIALS), "pattern": len(PATTERNS)}
_NEAR = 5.0  # votes within this many positions of a peak belong to the same toy
LEAST = 14  # fewest positions that a toy covers in a frame
PATH = np.array([20.0, 0.3, 0.2], np.float32)
"""Units of the camera's path at the end in the second net's output: degrees, log2 of the zoom, rise."""
_SEEN = 3  # fewest frames in which a toy is seen
_JUMP = 0.22  # largest motion of a toy between two frames, as a fraction of the picture


class PixelNet(nn.Module):
    """Predicts the toy at each second pixel with a small U-Net. Frames [B, 128, 128, 3] in [-1, 1] -> [B, 64, 64, C].

    The channels: whether there is a toy, the offset to its centre (right, down) in tenths of the picture, and logits of
    each of `KINDS`.
    """

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        def block(x: jax.Array, width: int, stride: int = 1) -> jax.Array:
            x = nn.Conv(width, (3, 3), (stride, stride))(x)
            return nn.silu(nn.GroupNorm(8)(x))

        fine = block(frames, 24, 2)
        middle = block(block(fine, 48, 2), 48)
        coarse = block(block(middle, 96, 2), 96)
        lowest = block(block(coarse, 96, 2), 96)
        coarse = block(jnp.concatenate([coarse, _twice(lowest)], -1), 96)
        middle = block(jnp.concatenate([middle, _twice(coarse)], -1), 64)
        fine = block(jnp.concatenate([fine, _twice(middle)], -1), 48)
        return nn.Dense(3 + sum(KINDS.values()))(fine)


class ActNet(nn.Module):
    """Predicts the motion of a toy along its track, and that of the camera.

    In: crops [B, T, 24, 24, 3] around the toy and whole frames [B, T, 32, 32, 3], both in [-1, 1], and [B, T, 4]: the
    centre in tenths of the picture from its middle, whether it is seen, the square root of the positions that it
    covers. Out: logits of motions, sides and camera moves, and the camera's path.
    """

    @nn.compact
    def __call__(self, crops: jax.Array, wholes: jax.Array, track: jax.Array) -> dict[str, jax.Array]:
        def look(x: jax.Array) -> jax.Array:
            batch, time = x.shape[:2]
            x = x.reshape(-1, *x.shape[2:])
            for width in (16, 32, 48):
                x = nn.silu(nn.GroupNorm(8)(nn.Conv(width, (3, 3), (2, 2))(x)))
            return nn.Dense(64)(x.reshape(batch, time, -1))

        both = jnp.concatenate([look(crops), look(wholes), nn.Dense(32)(track)], -1)
        x = nn.silu(both)
        for dilation in (1, 2, 4):
            x += nn.silu(nn.GroupNorm(8)(nn.Conv(x.shape[-1], (3,), kernel_dilation=(dilation,))(x)))
        x = jnp.concatenate([x.mean(1), x.max(1), x[:, -1]], -1)
        x = nn.silu(nn.Dense(128)(x))
        sizes = {"motion": len(MOTIONS), "side": len(SIDES), "move": len(CAMERA_MOVES), "path": 3}
        return {name: nn.Dense(size, name=name)(x) for name, size in sizes.items()}


@dataclass(frozen=True, eq=False)
class SeenToy:
    """A toy that a clip of T frames shows.

    Attributes:
        track: float32 [T, 2], its centre (x, y) as fractions of width and height; NaN where it is not seen.
        area: float32 [T], fraction of the picture that it covers.
    """

    shape: Shape
    colour: Colour
    material: Material
    pattern: str
    motion: Motion
    side: Side | None
    track: np.ndarray
    area: np.ndarray


@dataclass(frozen=True, eq=False)
class Reading:
    """The content of a clip: toys, the largest first; the motion of the camera, and its path at the end.

    Attributes:
        path: float32 [3], degrees to the right, log2 of the zoom, rise.
    """

    toys: tuple[SeenToy, ...]
    camera: CameraMove
    path: np.ndarray


@cache
def weights() -> dict:
    """Return the parameters of the shipped nets, {"pixels", "acts"}."""
    return load_params(WEIGHTS)


def read(video: np.ndarray, params: dict | None = None) -> Reading:
    """Read a clip uint8 [T, 128, 128, 3]; each length compiles once."""
    params = weights() if params is None else params
    found = np.asarray(_pixels(params["pixels"], video))
    tracks = _linked([_instances(frame) for frame in found])
    if not tracks:
        none = np.full((len(video), 2), np.nan, np.float32)
        said = _acts(params["acts"], video, [none], [np.zeros(len(video), np.float32)])
        return Reading((), CAMERA_MOVES[int(said["move"][0].argmax())], said["path"][0])
    places, areas = zip(*(_course(track, len(video)) for track in tracks), strict=True)
    said = _acts(params["acts"], video, places, areas)
    toys = []
    for i, track in enumerate(tracks):
        kinds = {name: int(np.sum([each.votes[name] for each in track.values()], 0).argmax()) for name in KINDS}
        toys.append(
            SeenToy(
                SHAPES[kinds["shape"]],
                COLOURS[kinds["colour"]],
                MATERIALS[kinds["material"]],
                PATTERNS[kinds["pattern"]],
                MOTIONS[int(said["motion"][i].argmax())],
                SIDES[int(said["side"][i].argmax())],
                places[i],
                areas[i],
            )
        )
    order = np.argsort([-each.area.sum() for each in toys], kind="stable")
    move = said["move"].mean(0).argmax()
    return Reading(tuple(toys[i] for i in order), CAMERA_MOVES[int(move)], said["path"].mean(0))


@jax.jit
def _pixels(params: dict, video: jax.Array) -> jax.Array:
    def frame(each: jax.Array) -> jax.Array:
        return PixelNet().apply({"params": params}, each[None] / 127.5 - 1.0)[0]  # type: ignore[return-value]

    return jax.lax.map(frame, video)


@dataclass(frozen=True, eq=False)
class _Instance:
    """A toy in one frame: its centre (x, y) and area in positions, and summed log-probabilities of each kind."""

    centre: np.ndarray
    count: int
    votes: dict[str, np.ndarray]


def _instances(found: np.ndarray) -> list[_Instance]:
    """Return the toys of a frame, from the first net's output [64, 64, C]."""
    rows, columns = np.nonzero(found[..., 0] > 0)
    at = np.stack([columns, rows], -1) + 0.5
    said = found[rows, columns]
    centres = at + said[:, 1:3] * (GRID / 10)
    left, instances = np.ones(len(at), bool), []
    while left.sum() >= LEAST:
        peak = _peak(centres[left])
        mine = left & (np.linalg.norm(centres - peak, axis=-1) < _NEAR)
        if mine.sum() < LEAST:
            break
        left &= ~mine
        votes, first = {}, 3
        for name, count in KINDS.items():
            votes[name] = np.asarray(jax.nn.log_softmax(said[mine, first : first + count])).sum(0)
            first += count
        instances.append(_Instance(np.median(centres[mine], axis=0), int(mine.sum()), votes))
    return instances


def _peak(votes: np.ndarray) -> np.ndarray:
    """Return the position that is near most of the votes [N, 2]."""
    counts, *_ = np.histogram2d(*votes.T, bins=GRID // 2, range=[[-GRID / 4, GRID * 1.25]] * 2)
    padded = np.pad(counts, 1)
    near = np.sum([padded[i : i + len(counts), j : j + len(counts)] for i in range(3) for j in range(3)], axis=0)
    cell = np.array(np.unravel_index(np.argmax(near), near.shape))
    middle = (cell + 0.5) * (GRID * 1.5) / (GRID // 2) - GRID / 4
    close = votes[np.linalg.norm(votes - middle, axis=-1) < _NEAR]
    return np.median(close, axis=0) if len(close) else middle


def _linked(frames: Sequence[list[_Instance]]) -> list[dict[int, _Instance]]:
    """Return each toy's instances by frame; each is linked to the nearest one of similar colour in the next frame."""
    tracks: list[dict[int, _Instance]] = []
    for time, instances in enumerate(frames):
        costs = np.array([[_cost(track, time, each) for each in instances] for track in tracks])
        open_tracks, open_instances = set(range(len(tracks))), set(range(len(instances)))
        for place in np.argsort(costs, axis=None) if costs.size else ():
            track, instance = map(int, np.unravel_index(place, costs.shape))
            if costs[track, instance] < 1 and track in open_tracks and instance in open_instances:
                tracks[track][time] = instances[instance]
                open_tracks.remove(track)
                open_instances.remove(instance)
        tracks += [{time: instances[i]} for i in sorted(open_instances)]
    return [track for track in tracks if len(track) >= _SEEN]


def _cost(track: dict[int, _Instance], time: int, found: _Instance) -> float:
    """Return the distance of an instance from a track; from 1 on it is another toy."""
    last = max(track)
    before = track[last]
    way = np.zeros(2) if last - 1 not in track else before.centre - track[last - 1].centre
    gone = time - last
    distance = np.linalg.norm(found.centre - before.centre - way * min(gone, 2)) / GRID
    one, other = (each.votes["colour"] / each.count for each in (before, found))
    unlike = 1 - float(np.exp(one / 2 + other / 2).sum())
    return float(distance / (_JUMP * (1 + 0.3 * (gone - 1))) + 0.6 * unlike)


def _course(track: dict[int, _Instance], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a toy's position in each frame, float32 [T, 2], NaN where it is not seen, and the fraction it covers."""
    places, areas = np.full((frames, 2), np.nan, np.float32), np.zeros(frames, np.float32)
    for time, each in track.items():
        places[time], areas[time] = each.centre / GRID, each.count / GRID**2
    return places, areas


def _acts(
    params: dict, video: np.ndarray, places: Sequence[np.ndarray], areas: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the second net's output for the toys of a clip along their tracks."""
    seen = [looked_at(video, place, area) for place, area in zip(places, areas, strict=True)]
    filled = seen + seen[-1:] * (3 - len(seen))  # pad, so that one program serves up to three toys
    crops, wholes, tracks = (np.stack(part) for part in zip(*filled, strict=True))
    said = _say(params, crops, wholes, tracks)
    said["path"] = said["path"] * PATH
    return {name: np.asarray(each)[: len(seen)] for name, each in said.items()}


@jax.jit
def _say(params: dict, crops: jax.Array, wholes: jax.Array, tracks: jax.Array) -> dict[str, jax.Array]:
    return ActNet().apply({"params": params}, crops / 127.5 - 1.0, wholes / 127.5 - 1.0, tracks)  # type: ignore


def looked_at(video: np.ndarray, place: np.ndarray, area: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the second net's inputs for a toy: crops and whole frames float32 in 0 to 255, and its track.

    Args:
        video: uint8 [T, 128, 128, 3].
        place: float32 [T, 2], NaN where the toy is not seen; these are interpolated linearly.
        area: float32 [T], fraction of the picture that it covers.
    """
    known, times = ~np.isnan(place[:, 0]), np.arange(len(video))
    filled = np.full_like(place, 0.5)
    if known.any():
        filled = np.stack([np.interp(times, times[known], place[known, axis]) for axis in (0, 1)], -1)
    around = np.round(filled * SIZE).astype(int)[:, None] + np.arange(-CROP // 2, CROP // 2, 2)[:, None]
    columns, rows = np.moveaxis(np.clip(around, 0, SIZE - 1), -1, 0)
    crops = video[times[:, None, None], rows[:, :, None], columns[:, None, :]]
    wholes = video.reshape(len(video), 32, 4, 32, 4, 3).mean((2, 4), dtype=np.float32)
    numbers = np.concatenate([(filled - 0.5) * 10, known[:, None], np.sqrt(area)[:, None] * 10], -1)
    return crops.astype(np.float32), wholes.astype(np.float32), numbers.astype(np.float32)


def _twice(x: jax.Array) -> jax.Array:
    return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
