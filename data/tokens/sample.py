"""A sample of a token set, and its bytes: a line of JSON, then the arrays that it names, one after another."""

import json
import math
from typing import Any, NotRequired, TypedDict

import numpy as np

from reelm.errors import RequestError
from reelm.lm.layout import reference_grid

_FORMATS = {name: np.dtype(name).newbyteorder("<") for name in ("bool", "int32", "int64", "float32")}


class TokenSample(TypedDict):
    """The codes of one clip with its captions, some single frames, and its sound.

    `video` is int32[t, h, w]. Codes of pictures are int64 if they have more than 30 bits. `captions` are one or more.
    `stills` is int32[s, h, w], frames tokenized by themselves, and `still_frames` int32[s] their numbers, from 0.
    `sound` is int32[F, L], the audio frames of all latent frames; F is 0 for a clip without a track. A clip of a game
    has `keys` bool[t, K], those that were held in any frame of each latent frame.

    Controls of a clip of T frames: `tracks` float32[n, T, 2], (x, y) of each subject in the order of the words, as
    shares of width and height; `edges`, `silhouette`, `depth` int32[t, h, w], codes of films that show these;
    `camera` float32[T, 3], as for `lm.control.camera`; `motion` float32[1], see `media.outlines.motion`.

    A clip of a story has `references` int32[n, p, q], portraits tokenized by themselves, which `reference_captions`
    call <1> to <n>. Fields that begin with `next_` are those of the clip's next shot, which has as many references.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    stills: np.ndarray
    still_frames: np.ndarray
    sound: np.ndarray
    keys: NotRequired[np.ndarray]
    tracks: NotRequired[np.ndarray]
    edges: NotRequired[np.ndarray]
    silhouette: NotRequired[np.ndarray]
    depth: NotRequired[np.ndarray]
    camera: NotRequired[np.ndarray]
    motion: NotRequired[np.ndarray]
    references: NotRequired[np.ndarray]
    reference_captions: NotRequired[tuple[str, ...]]
    next_video: NotRequired[np.ndarray]
    next_sound: NotRequired[np.ndarray]
    next_captions: NotRequired[tuple[str, ...]]
    next_reference_captions: NotRequired[tuple[str, ...]]


_WORDS = ("captions", "reference_captions", "next_captions", "next_reference_captions")


def pack(sample: TokenSample) -> bytes:
    """Return the bytes of a sample; ValueError for arrays of other types or shapes than `TokenSample` says."""
    _check(sample)
    arrays = {name: np.asarray(value) for name, value in sample.items() if name not in _WORDS}
    named = {name: [array.dtype.name, *array.shape] for name, array in arrays.items()}
    words = {name: value for name, value in sample.items() if name in _WORDS}
    head = json.dumps(words | {"arrays": named}).encode()
    return head + b"\n" + b"".join(a.astype(_FORMATS[a.dtype.name]).tobytes() for a in arrays.values())


def unpack(record: bytes) -> TokenSample:
    """Return the sample in a record that `pack` made; RequestError when it is damaged."""
    try:
        head, payload = record.split(b"\n", 1)
        fields, at = json.loads(head), 0
        sample: Any = {name: tuple(fields[name]) for name in _WORDS if name in fields}
        for name, (dtype, *shape) in fields["arrays"].items():
            kept, count = _FORMATS[dtype], math.prod(shape)
            array = np.frombuffer(payload, kept, count, offset=at).reshape(shape)
            sample[name] = array.astype(kept.newbyteorder("="))
            at += count * kept.itemsize
        if at != len(payload):
            raise ValueError(f"{len(payload) - at} bytes too many")
        _check(sample)
        return sample
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise RequestError(f"a record of the token set is damaged ({error}); tokenize the clips again") from error


def _check(sample: TokenSample) -> None:
    """Check types and shapes; ValueError when they are not those of a sample."""
    length, *grid = sample["video"].shape
    if len(grid) != 2:
        raise ValueError(f"codes are int32[t, h, w], not of shape {sample['video'].shape}")
    codes = "int64" if sample["video"].dtype == np.int64 else "int32"
    shapes: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "video": (codes, (length, *grid)),
        "stills": (codes, (len(sample["still_frames"]), *grid)),
        "still_frames": ("int32", (None,)),
        "sound": ("int32", (None, None)),
        "keys": ("bool", (length, None)),
        "tracks": ("float32", (None, None, 2)),
        **dict.fromkeys(("edges", "silhouette", "depth"), (codes, (length, *grid))),
        "camera": ("float32", (None, 3)),
        "motion": ("float32", (1,)),
        "references": (codes, (None, *reference_grid(*grid))),
        "next_video": (codes, (None, *grid)),
        "next_sound": ("int32", (None, None)),
    }
    for name, array in sample.items():
        if name in _WORDS:
            continue
        dtype, shape = shapes[name]
        array = np.asarray(array)
        fits = len(shape) == array.ndim and all(a in (b, None) for a, b in zip(shape, array.shape, strict=True))
        if array.dtype != dtype or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{name} must be {dtype}[{wanted}], not {array.dtype}{list(array.shape)}")
