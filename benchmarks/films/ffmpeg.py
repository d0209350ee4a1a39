"""Read a file with FFmpeg's own program: frames with their times, and sound on the clock of the picture.

In: a file. Out: arrays. FFmpeg's filters do here what reelm does on purpose: deinterlacing, square pixels, conversion
of wide gamuts to that of a screen, transparency over black, silence in holes.
"""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 48_000  # Hz to which all sound is resampled
_SQUARE = "scale=w='if(gte(sar,1),round(iw*sar),iw)':h='if(gte(sar,1),ih,round(ih/sar))':flags=bicubic"
_WIDE = "format=gbrp16,setparams=colorspace=gbr:range=pc,zscale=primaries=709:transfer=709"
# Output of `showinfo` for a frame. Before FFmpeg 6 it has no duration.
_FRAME = r"n: *\d+ pts: *(-?\d+) .*?(?:duration: *(\d+) .*?)? s:(\d+)x(\d+) "
_EXACT = "scale=flags=bicubic+accurate_rnd+full_chroma_int"


def program() -> str | None:
    """Return the path of an ffmpeg: the one on PATH, or that of the package imageio-ffmpeg; None without one."""
    if importlib.util.find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg  # pyright: ignore[reportMissingImports]

        return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    return shutil.which("ffmpeg")


@dataclass(frozen=True)
class Shown:
    """The frames of a picture: seconds from the first one, and mean colours."""

    times: np.ndarray  # float64 [T]
    last: float  # seconds that the last one is shown; 0 means unknown
    looks: np.ndarray  # float64 [T,4,4,3], mean colours of the parts of each frame, 0 to 255
    size: tuple[int, int]  # height and width
    start: float  # second of FFmpeg's clock at which the first one is shown


class Ffmpeg:
    """The program, called with options that make it quiet and non-interactive."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.wide = " zscale " in self._said("-filters")

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
        """Run it; the status of the result tells whether it succeeded."""
        command = [self._path, "-hide_banner", "-y", *(("-nostdin",) if stdin is None else ()), *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=120)

    def _said(self, *arguments: str | Path) -> str:
        ended = self.run(*arguments)
        return (ended.stdout + ended.stderr).decode(errors="replace")

    def tracks(self, file: Path) -> tuple[str, str | None]:
        """Return the default picture and sound tracks of a file, or else its first ones."""
        found = re.findall(r"Stream #(0:\d+).*?: (Video|Audio): (.*)", self._said("-i", file))

        def chosen(kind: str) -> str | None:
            these = [(at, rest) for at, each, rest in found if each == kind and "attached pic" not in rest]
            return next((at for at, rest in these if "(default)" in rest), these[0][0] if these else None)

        return chosen("Video") or "0:v", chosen("Audio")

    def picture(
        self, file: Path, track: str, *, joined: bool, woven: str | None, wide: bool, alpha: bool
    ) -> Shown | None:
        """Return the frames, deinterlaced if `woven` names the first field; None if it reads none."""
        chain = [f"bwdif=mode=send_frame:deint=all:parity={woven}"] if woven else []
        chain += [_WIDE] if wide and self.wide else []
        chain += [_SQUARE, _EXACT]
        chain += ["format=rgba", "premultiply=inplace=1"] if alpha else []
        chain += ["format=rgb24", "showinfo=checksum=0"]
        decoder = ["-c:v", "libvpx-vp9"] if alpha and file.suffix in (".webm", ".mkv") else []
        raw = ["-fps_mode", "passthrough", "-f", "rawvideo", "-"]
        before, after = _clock(joined)
        ended = self.run(*before, *decoder, "-i", file, "-map", track, "-vf", ",".join(chain), *raw, *after)
        told = ended.stderr.decode(errors="replace")
        frames = re.findall(_FRAME, told)
        base = re.search(r"config in time_base: (\d+)/(\d+)", told)
        if not frames or base is None:
            return None
        tick = int(base[1]) / int(base[2])
        width, height = int(frames[0][2]), int(frames[0][3])
        pixels = np.frombuffer(ended.stdout, np.uint8)
        count = min(len(frames), len(pixels) // (height * width * 3))
        pixels = pixels[: count * height * width * 3].reshape(count, height, width, 3)
        times = np.array([int(pts) for pts, *_ in frames[:count]]) * tick
        return Shown(times - times[0], int(frames[count - 1][1] or 0) * tick, looks(pixels), (height, width), times[0])

    def sound(self, file: Path, track: str, start: float, *, joined: bool) -> np.ndarray:
        """Return the loudest channel [S] at `RATE` from second `start` of its clock on, with silence in the holes."""
        placed = f"aresample={RATE}:async=1:min_hard_comp=0.035,ashowinfo"
        before, after = _clock(joined)
        wav = ["-c:a", "pcm_f32le", "-f", "wav", "-"]
        written = self.run(*before, "-i", file, "-map", track, "-af", placed, *wav, *after)
        first = re.search(rb"n:0 pts:(-?\d+)", written.stderr)
        begin = written.stdout.find(b"data") + 8
        if begin < 8 or first is None:
            return np.zeros(0)
        channels = int.from_bytes(written.stdout[22:24], "little")  # kept, since mixing them does not affect timing
        most = (len(written.stdout) - begin) // (4 * channels) * channels
        samples = np.abs(np.frombuffer(written.stdout, "<f4", most, begin).reshape(-1, channels)).max(1, initial=0)
        late = int(first[1]) - round(start * RATE)  # not `first_pts`, which gives nothing if much is dropped
        return np.concatenate([np.zeros(max(0, late)), samples[max(0, -late) :]])


def _clock(joined: bool) -> tuple[list[str], list[str]]:
    """Return arguments for before and after the input, so that picture and sound use one clock.

    It is the file's clock, or for joined recordings FFmpeg's own, which starts with the first of all decoded tracks.
    """
    before, after = ([], ["-map", "0:v", "-map", "0:a?", "-f", "null", "-"]) if joined else (["-copyts"], [])
    return ["-threads", "1", *before], after  # with several threads, Theora's colours are sometimes wrong


def looks(pixels: np.ndarray) -> np.ndarray:
    """Return the mean colours [T,4,4,3] of the sixteenths of frames [T,H,W,3]."""
    rows, columns = (np.linspace(0, side, 5).round().astype(int) for side in pixels.shape[1:3])
    sums = np.add.reduceat(pixels.astype(np.float64), rows[:-1], axis=1)
    sums = np.add.reduceat(sums, columns[:-1], axis=2)
    return sums / (np.diff(rows)[:, None] * np.diff(columns))[None, :, :, None]


def clicks(sound: np.ndarray, rate: int) -> np.ndarray:
    """Return the seconds at which a sound [S] starts after silence."""
    if not len(sound) or sound.max() < 0.02:
        return np.zeros(0)
    loud = np.flatnonzero(sound > 0.35 * sound.max()) / rate
    return loud[np.diff(loud, prepend=-1) > 0.1]
