"""A clip: its frames, its sound, the codes that they came from, and the files that hold them.

In a file, `info` is in the comment of the metadata (`file_info.py`). Importing this module loads no JAX and no codec.
"""

import base64
import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelm import value_checks
from reelm.errors import RequestError
from reelm.media.formats.animations import write_animation, write_picture
from reelm.media.formats.mp4 import DEFAULT_CRF, write_video
from reelm.media.formats.pictures import is_picture
from reelm.storage.atomic import replacing

from .file_info import FileLayout, of_comment, to_comment
from .limits import BUDGET_BYTES, MAX_FPS, MIN_FPS, check_budget
from .pixels import Frames, scale_within
from .read import read_note, read_video
from .sound import Sound, check_track

SUFFIXES = (".mp4", ".gif", ".webp", ".png")

_EMBED_BYTES = 8 * 2**20  # of video inside a notebook; above it a link
_NOTEBOOK_SIDE = 256  # pixels; a small clip is enlarged to nearly as many

_log = logging.getLogger("reelm")


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """A clip. `save` writes it, `Clip.open` reads one, and in a notebook it shows itself.

    Raises:
        RequestError: a field has another type, shape or range than stated.
    """

    video: Frames  # uint8 [T,H,W,3], T >= 1
    fps: float  # 0.01 to 1000
    audio: Sound | None = None  # float32 [S,C] in [-1,1], C = 1 or 2; S = T * sample_rate / fps, or made so by `save`
    sample_rate: int | None = None  # Hz
    tokens: Mapping[str, NDArray[np.int32] | None] | None = None  # {"video": [t,h,w], "audio": [F,levels] or None}
    info: dict[str, Any] = field(default_factory=dict)  # prompt, seed, settings, model: what JSON can hold

    def __post_init__(self) -> None:
        video = self.video
        if not isinstance(video, np.ndarray) or video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
            found = f"{video.dtype} of shape {video.shape}" if isinstance(video, np.ndarray) else type(video).__name__
            raise RequestError(f"a clip's video is {found}; it must be a uint8 array [frames, height, width, 3]")
        if 0 in video.shape:
            raise RequestError(f"a clip's video has the shape {video.shape}; it must hold at least one pixel")
        object.__setattr__(self, "fps", value_checks.real("a clip's fps", self.fps))
        value_checks.within("a clip's fps", self.fps, MIN_FPS, MAX_FPS)
        if self.audio is not None:
            check_track(self.audio, self.sample_rate)
        elif self.sample_rate is not None:
            raise RequestError(f"a clip has the sample_rate {self.sample_rate} and no audio; give both or neither")
        for name, kind in (("tokens", Mapping), ("info", dict)):
            if (value := getattr(self, name)) is not None and not isinstance(value, kind):
                raise RequestError(f"a clip's {name} are a {type(value).__name__}; they must be values by name")

    @classmethod
    def join(cls, pieces: Sequence["Clip"]) -> "Clip":
        """Return one clip of successive pieces, as `Model.stream` and `PlaySession.step` return them.

        Its `info` is that of the last piece, with the keys of all.
        """
        if not pieces:
            raise RequestError("there are no pieces to join; give one Clip or more")

        def whole(parts: list[np.ndarray | None]) -> np.ndarray | None:
            known = [part for part in parts if part is not None]
            return np.concatenate(known) if known else None

        tokens = [piece.tokens or {} for piece in pieces]
        keys = [each for piece in pieces for each in piece.info.get("keys", ())]
        return replace(
            pieces[-1],
            video=np.concatenate([piece.video for piece in pieces]),
            audio=whole([piece.audio for piece in pieces]),
            tokens={name: whole([each.get(name) for each in tokens]) for name in ("video", "audio")},
            info=pieces[-1].info | ({"keys": keys} if "keys" in pieces[-1].info else {}),
        )

    def save(self, path: str | os.PathLike[str], *, crf: float | None = None, scale: int = 1) -> None:
        """Write .mp4 (H.264 and AAC), .gif, .webp (lossless) or .png (one frame), by the suffix, whole or not at all.

        An existing file is replaced. Only an mp4 has sound, which is cut, or padded with silence, to the length of the
        pictures. See `mp4.py` and `animations.py` for what each format does to pixels and time.

        Args:
            crf: Quality of an mp4, 1 (best) to 51 (smallest file); None takes 12.
            scale: Each pixel becomes a block of scale x scale, which keeps small clips sharp in players; `Clip.open`
                gives the clip's own size back.

        Raises:
            RequestError: Another suffix, a value out of range, or a path that cannot be written.
            OSError: The disk is full.
        """
        path = value_checks.path("the file", path)
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise RequestError(f"{path!r} ends in {suffix!r}; a clip is saved as {', '.join(SUFFIXES)}")
        if crf is not None and suffix != ".mp4":
            raise RequestError(f"crf is only for .mp4; leave it out to save {suffix}")
        if suffix == ".png" and len(self.video) > 1:
            raise RequestError(f".png holds one frame, the clip has {len(self.video)}; save .mp4, .gif or .webp")
        scale = value_checks.whole("scale", scale, least=1)
        frames, height, width, _ = self.video.shape
        count = None if suffix == ".mp4" else frames
        layout = FileLayout(height=height, width=width, scale=scale, fps=float(self.fps), frames=count)
        comment = to_comment(layout, self.info)
        if suffix == ".mp4":
            sound: dict[str, Any] = {"audio": self.audio, "sample_rate": self.sample_rate}
            crf = DEFAULT_CRF if crf is None else value_checks.real("crf", crf)
            write_video(path, self.video, fps=self.fps, **sound, comment=comment, crf=crf, scale=scale)
            return
        if self.audio is not None:
            _log.warning("%s holds no sound: the clip's is left out; save an mp4 to keep it", suffix)
        if suffix == ".png":
            write_picture(path, self.video[0], comment=comment, scale=scale)
        else:
            seconds = np.arange(frames + 1) / self.fps
            write_animation(path, self.video, seconds=seconds, comment=comment, scale=scale)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, budget_bytes: int = BUDGET_BYTES) -> "Clip":
        """Read a clip from any video or picture; one that `save` wrote comes back with its `info`, size and rate.

        Codes are not in files: `tokens` is None. `info` is empty for files made by others.

        Raises:
            RequestError: see `read.read_video`.
        """
        budget_bytes = value_checks.whole("budget_bytes", budget_bytes)
        layout, info = of_comment(read_note(path))
        # An animation merges equal neighbours: only its original rate tells how many they were.
        merged = layout is not None and is_picture(path)
        fps = layout.fps if layout is not None and merged else None
        video, fps, audio, sample_rate = read_video(path, fps=fps, budget_bytes=budget_bytes)
        if layout is not None:
            if merged and layout.frames and len(video) == 1:  # all were equal, so the file is a still
                _, height, width, _ = video.shape
                check_budget(repr(os.fspath(path)), layout.frames, height, width, budget_bytes)
                video = video.repeat(layout.frames, axis=0)
            video = layout.undone(video)
        return cls(video=video, fps=fps, audio=audio, sample_rate=sample_rate, info=info)

    def __repr__(self) -> str:
        frames, height, width, _ = self.video.shape
        parts = [f"{frames} frames of {width}x{height}", f"{self.fps:g} fps", f"{frames / self.fps:.2f} s"]
        if self.audio is not None:
            parts.append(f"sound of {self.audio.shape[1]} channels at {self.sample_rate} Hz")
        parts += [f"{key} {self.info[key]!r}" for key in ("prompt", "seed") if self.info.get(key) is not None]
        return f"Clip({', '.join(parts)})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return the text and the HTML player for notebooks. It contains an mp4, or above 8 MiB links to a file."""
        height, width = self.video.shape[1:3]
        scale = scale_within(_NOTEBOOK_SIDE, height, width)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.mp4"
            self.save(file, scale=scale)
            data = file.read_bytes()
        if len(data) <= _EMBED_BYTES:
            source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
        else:
            source = f"reelm-{hashlib.sha256(data).hexdigest()[:12]}.mp4"  # the same file each time it is shown
            with replacing(source) as temporary:
                temporary.write_bytes(data)
        play = "autoplay loop muted" if self.audio is None else "loop"
        player = f'<video src="{source}" width="{width * scale}" height="{height * scale}" controls {play}></video>'
        return {"text/plain": repr(self), "text/html": player}
