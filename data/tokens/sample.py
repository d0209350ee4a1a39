"""One sample of a token set, and its bytes."""

import json
import math
from typing import NotRequired, TypedDict

import numpy as np

from reelm.errors import RequestError


class TokenSample(TypedDict):
    """Codes of one clip, int32[t, h, w], and what is said of it; some of its frames, each tokenized alone; its sound.

    `captions` are one or more. `stills` is int32[s, h, w], `still_frames` int32[s] their frame numbers, from 0. `sound`
    is int32[F, L], the audio frames beside all latent frames; F is 0 when the clip has no track. A clip of a game has
    `keys` bool[t, K], those that were held in any frame of each latent frame.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    stills: np.ndarray
    still_frames: np.ndarray
    sound: np.ndarray
    keys: NotRequired[np.ndarray]


def pack(sample: TokenSample) -> bytes:
    video = np.asarray(sample["video"])
    if video.ndim != 3 or video.dtype != np.int32:
        raise ValueError(f"codes must be int32[t, h, w], not {video.dtype}{list(video.shape)}")
    stills, frames = np.asarray(sample["stills"]), [int(frame) for frame in sample["still_frames"]]
    if stills.shape != (len(frames), *video.shape[1:]) or stills.dtype != np.int32:
        shape = [len(frames), *video.shape[1:]]
        raise ValueError(f"stills of this clip must be int32{shape}, not {stills.dtype}{list(stills.shape)}")
    sound = np.asarray(sample["sound"])
    if sound.ndim != 2 or sound.dtype != np.int32:
        raise ValueError(f"codes of sound must be int32[F, L], not {sound.dtype}{list(sound.shape)}")
    keys = np.asarray(sample.get("keys", np.zeros((len(video), 0), bool)))
    if keys.ndim != 2 or len(keys) != len(video) or keys.dtype != bool:
        raise ValueError(f"keys must be bool[{len(video)}, K], not {keys.dtype}{list(keys.shape)}")
    head = {"captions": sample["captions"], "shape": video.shape, "still_frames": frames, "sound": sound.shape}
    head |= {"keys": keys.shape[1]}
    codes = np.concatenate([video.reshape(-1), stills.reshape(-1), sound.reshape(-1)])
    return json.dumps(head).encode() + b"\n" + codes.astype("<i4").tobytes() + keys.tobytes()


def unpack(record: bytes) -> TokenSample:
    """Return the sample in a record that `pack` made; RequestError when it is none."""
    try:
        head, payload = record.split(b"\n", 1)
        fields = json.loads(head)
        length, *grid = fields["shape"]
        split = len(payload) - length * fields["keys"]
        ids = np.frombuffer(payload[:split], "<i4").astype(np.int32)
        pictures = (length + len(fields["still_frames"])) * math.prod(grid)
        frames = ids[:pictures].reshape(-1, *grid)
        sample: TokenSample = {
            "video": frames[:length],
            "captions": tuple(fields["captions"]),
            "stills": frames[length:],
            "still_frames": np.array(fields["still_frames"], np.int32),
            "sound": ids[pictures:].reshape(fields["sound"]),
        }
        if fields["keys"]:
            sample["keys"] = np.frombuffer(payload[split:], bool).reshape(length, fields["keys"])
        return sample
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise RequestError(f"a record of the token set is damaged ({error}); tokenize the clips again") from error
