"""Damage a good film as happens in practice: lost packets, joined recordings, missing times.

In: a film that ffmpeg wrote. Out: another film; the remaining packets keep their bytes and times.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffmpeg import Ffmpeg

if TYPE_CHECKING:
    from drawn import Drawn


def other_tracks(sound: bool) -> list[str]:
    """Return the input arguments of a second picture, and of a second sound."""
    picture = ["-f", "lavfi", "-t", "1", "-i", "testsrc=s=48x48:r=10"]
    return [*picture, *(["-f", "lavfi", "-t", "1", "-i", "sine=440:sample_rate=48000"] if sound else [])]


def dispositions(sound: bool) -> list[str]:
    """Return the arguments for the tracks of the file: the last of a kind is the default, the second is not."""
    maps = ["-map", "1:v" if not sound else "2:v", "-map", "0:v", *(["-map", "3:a", "-map", "1:a"] if sound else [])]
    marks = ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    return [*maps, *marks, *(["-disposition:a:0", "0", "-disposition:a:1", "default"] if sound else [])]


def twisted(rng: random.Random, ffmpeg: Ffmpeg, twist: str, plain: Path, path: Path, drawn: "Drawn") -> bool:
    """Write `path` from `plain`; return False if that is not possible."""
    if twist in ("hole in sound", "hole in picture"):
        return _without(plain, path, "audio" if "sound" in twist else "video", 0.7, rng.choice([1.0, 1.4]))
    if twist in ("joined", "layout changes") and path.suffix in (".ts", ".mpg"):
        other = plain
        if twist == "layout changes":
            other = plain.with_name(f"{plain.stem}-other{plain.suffix}")
            codec = drawn.told.get("sound", "").split(" ")[0]
            if not codec or codec in ("mp2", "libmp3lame"):
                return False
            changed = ["-c:a", codec, "-ac", rng.choice(["1", "2", "6"])]
            if ffmpeg.run("-i", plain, "-c:v", "copy", *changed, "-strict", "-2", other).returncode:
                return False
        path.write_bytes(plain.read_bytes() + other.read_bytes())
        return True
    if twist == "few times" and path.suffix == ".ts":
        return _timed_seldom(plain, path)
    if twist in ("joined", "layout changes", "few times"):
        drawn.told["twist"] = ""
    shutil.copy(plain, path)
    return True


def _without(plain: Path, path: Path, kind: str, begin: float, end: float) -> bool:
    """Leave out the packets of one kind from `begin` to `end`; pictures up to the next key frame."""
    lost = False

    def kept(packet: Any, seconds: float) -> bool:
        nonlocal lost
        if packet.stream.type != kind:
            return True
        if kind == "audio":
            return not begin <= seconds < end
        if packet.is_keyframe:
            lost = begin <= seconds < end
        return not lost

    return _remuxed(plain, path, kept)


def _timed_seldom(plain: Path, path: Path) -> bool:
    """Remove the times of the pictures between key frames."""
    import av

    def kept(packet: Any, seconds: float) -> bool:
        if packet.stream.type == "video" and not packet.is_keyframe:
            packet.pts = packet.dts = None
        return True

    with av.open(str(plain)) as container:
        if not container.streams.video:
            return False
    return _remuxed(plain, path, kept)


def _remuxed(plain: Path, path: Path, kept: Callable[[Any, float], bool]) -> bool:
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(plain)) as source, av.open(str(path), "w") as target:
            streams = {each.index: target.add_stream_from_template(each) for each in source.streams}
            first: float | None = None
            for packet in source.demux():
                if packet.dts is None:
                    continue
                seconds = float((packet.dts if packet.pts is None else packet.pts) * packet.time_base)
                first = seconds if first is None else first
                if kept(packet, seconds - first):
                    packet.stream = streams[packet.stream_index]
                    target.mux(packet)
    except (FFmpegError, ValueError, KeyError):
        return False
    return True
