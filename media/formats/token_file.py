"""Read token files: the codes of a clip as .npz, with everything that decoding them into a film needs."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reelm.errors import RequestError
from reelm.media.limits import MAX_FPS, MIN_FPS, Timeline
from reelm.value_checks import within

if TYPE_CHECKING:
    import numpy as np


class TokenFile(NamedTuple):
    """The content of a token file.

    Attributes:
        video: int32 `[t, h, w]`.
        fps: frames a second, on average.
        height, width: of the clip in pixels, before it was padded to whole codes.
        times: float64 `[frames + 1]`, seconds at which each frame begins and the last one ends.
        tokenizer_hash: of the video tokenizer.
        model: its name or folder.
        audio: int32 `[F, levels]`; None without sound.
        audio_tokenizer_hash: of the audio tokenizer; None without sound.
    """

    video: "np.ndarray"
    fps: float
    height: int
    width: int
    times: "np.ndarray"
    tokenizer_hash: str
    model: str
    audio: "np.ndarray | None"
    audio_tokenizer_hash: str | None


def read_token_file(path: Path) -> TokenFile:
    """Return the content of a token file; RequestError unless its fields fit together."""
    from reelm.storage.arrays import ArrayField, read_arrays

    try:
        held = read_arrays(
            path,
            {
                "video": ArrayField("i", "thw"),
                "fps": ArrayField("f"),
                "frames": ArrayField("i"),
                "height": ArrayField("i"),
                "width": ArrayField("i"),
                "times": ArrayField("f", "n"),
                "tokenizer_hash": ArrayField("U"),
                "model": ArrayField("U"),
                "audio": ArrayField("i", "fl", needed=False),
                "audio_tokenizer_hash": ArrayField("U", needed=False),
            },
        )
    except RequestError as error:
        raise RequestError(f"{error}; `reelm tokenize` writes token files") from error
    fps, frames, height, width = (held[name].item() for name in ("fps", "frames", "height", "width"))
    name, times = repr(str(path)), held["times"]
    within(f"the fps of {name}", fps, MIN_FPS, MAX_FPS)
    if min(frames, height, width) < 1:
        raise RequestError(f"{name} holds {frames} frames of {width}x{height}; each must be 1 or more")
    if len(times) != frames + 1:
        raise RequestError(f"{name} has {len(times)} times for {frames} frames; it must have one more than frames")
    if times[0] != 0 or not (times[1:] > times[:-1]).all():
        raise RequestError(f"{name} has times that do not rise from 0; each frame must begin after the one before")
    timeline = Timeline(name)
    for seconds in times:
        timeline.check(float(seconds))
    if ("audio" in held) != ("audio_tokenizer_hash" in held):
        raise RequestError(f"{name} has codes of sound without the hash of their tokenizer, or the hash without codes")
    audio_hash = held.get("audio_tokenizer_hash")
    return TokenFile(
        video=held["video"],
        fps=fps,
        height=height,
        width=width,
        times=times,
        tokenizer_hash=held["tokenizer_hash"].item(),
        model=held["model"].item(),
        audio=held.get("audio"),
        audio_tokenizer_hash=None if audio_hash is None else audio_hash.item(),
    )
