"""Generate random films with sound, using ffmpeg's program.

Each film flashes white where its sound clicks, its colours change from frame to frame, and the parts of a frame have
colours of their own, so that what is early, late, missing, turned or off in colour shows.
"""

import random
import wave
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import twisted
from ffmpeg import RATE, Ffmpeg

_PICTURES = {  # pixel formats and options of each codec; sizes are even unless `odd`
    "libx264": ("yuv420p yuvj420p yuv422p yuv444p yuv420p10le", ["-preset", "veryfast", "-crf", "8"]),
    "libx265": ("yuv420p yuv420p10le yuv444p", ["-preset", "ultrafast", "-crf", "8", "-x265-params", "log-level=0"]),
    "libvpx-vp9": ("yuv420p yuv444p yuv420p10le yuva420p", ["-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M"]),
    "mpeg4": ("yuv420p", ["-q:v", "2"]),
    "mpeg2video": ("yuv420p yuv422p", ["-q:v", "2"]),
    "prores_ks": ("yuv422p10le", []),
    "ffv1": ("yuv420p yuv422p10le yuv444p bgr0 gray yuv420p10le", []),
    "libtheora": ("yuv420p yuv444p", ["-q:v", "9"]),
    "mjpeg": ("yuvj420p yuvj444p", ["-q:v", "2"]),
    "wmv2": ("yuv420p", ["-q:v", "2"]),
    "flv1": ("yuv420p", ["-q:v", "2"]),
}
_ODD = {"ffv1", "libvpx-vp9", "libtheora", "mjpeg", "mpeg4"}
_SOUNDS = "pcm_s16le aac libmp3lame libopus ac3 flac"
_CONTAINERS = {
    "mp4": ("libx264 libx264 libx265 mpeg4 mpeg2video", "aac libmp3lame ac3 libopus flac"),
    "mov": ("libx264 libx265 prores_ks mpeg4 mjpeg", "aac pcm_s16le"),
    "mkv": (" ".join(_PICTURES), _SOUNDS),
    "webm": ("libvpx-vp9", "libopus libvorbis"),
    "avi": ("libx264 mpeg4 ffv1 mjpeg", "pcm_s16le libmp3lame ac3"),
    "wmv": ("wmv2 libx264", "wmav2 libmp3lame"),
    "asf": ("libx264 mpeg4", "wmav2 aac"),
    "flv": ("flv1 libx264", "libmp3lame aac"),
    "ts": ("libx264 libx265 mpeg2video", "aac mp2 ac3 libmp3lame libopus"),
    "mpg": ("mpeg2video", "mp2 ac3"),
    "ogv": ("libtheora", "libvorbis libopus flac"),
    "gif": ("gif", ""),
    "apng": ("apng", ""),
}
_RATES = [10, 12, 15, 16, 24, 25, 30, 48, 50, 60, *(Fraction(each, 1001) for each in (24000, 30000, 60000))]
_BROADCAST = [24, 25, 30, 50, 60, *(Fraction(each, 1001) for each in (24000, 30000, 60000))]  # the rates of MPEG-2
_HERTZ = {"libopus": [48000], "libmp3lame": [16000, 22050, 44100, 48000], "mp2": [32000, 44100, 48000]}
_HERTZ |= {"ac3": [32000, 44100, 48000], "wmav2": [22050, 44100, 48000]}
_TAGS = {  # matrix, primaries, transfer
    "601": ("smpte170m", "smpte170m", "smpte170m"),
    "709": ("bt709", "bt709", "bt709"),
    "2020": ("bt2020nc", "bt2020", "bt2020-10"),
    "pq": ("bt2020nc", "bt2020", "smpte2084"),
    "hlg": ("bt2020nc", "bt2020", "arib-std-b67"),
}
TWISTS = ("hole in sound", "hole in picture", "joined", "layout changes", "late sound", "late picture", "two tracks")
TWISTS += ("fragments", "few times", "sound goes on")


@dataclass
class Drawn:
    """A file and what it was made of."""

    path: Path
    told: dict[str, str] = field(default_factory=dict)  # for messages
    interlaced: str | None = None  # which field is first, where the file says that it is
    wide: bool = False  # its colours, and the file says so
    alpha: bool = False
    late: float = 0.0  # seconds by which the sound was recorded later than the picture


def draw(rng: random.Random, ffmpeg: Ffmpeg, folder: Path, name: str) -> Drawn:
    """Return a file drawn from `rng`; what an encoder refuses is drawn anew."""
    for _ in range(20):
        drawn = _attempt(rng, ffmpeg, folder, name)
        if drawn is not None:
            return drawn
        for path in folder.glob(f"{name}*"):
            path.unlink()
    raise RuntimeError("ffmpeg makes no file")


def _attempt(rng: random.Random, ffmpeg: Ffmpeg, folder: Path, name: str) -> Drawn | None:
    suffix = rng.choice([*_CONTAINERS])
    pictures, sounds = _CONTAINERS[suffix]
    codec = rng.choice(pictures.split())
    drawn = Drawn(folder / f"{name}.{suffix}", {"codec": codec})
    picture = _picture(rng, codec, suffix, drawn)
    hertz = channels = 0
    sound = rng.choice([*sounds.split(), *sounds.split(), ""]) if sounds else ""
    options: list[str] = []
    if sound:
        hertz = rng.choice(_HERTZ.get(sound, [8000, 16000, 22050, 32000, 44100, 48000]))
        most = 2 if sound in ("libmp3lame", "mp2", "wmav2") else 10 if sound == "pcm_s16le" else 6
        channels = rng.choice([1, 2, 2, most])
        options = ["-c:a", sound, "-ar", str(hertz), *(["-b:a", "128k"] if sound not in ("pcm_s16le", "flac") else [])]
    twist = rng.choice([*TWISTS, "", "", "", "", "", "", ""])
    drawn.told |= {"sound": f"{sound} {hertz} Hz {channels}", "twist": twist} if sound else {"twist": twist}
    return drawn if _made(rng, ffmpeg, drawn, picture, options, channels, twist) else None


def _picture(rng: random.Random, codec: str, suffix: str, drawn: Drawn) -> dict[str, Any]:
    rate = rng.choice(_BROADCAST if codec == "mpeg2video" else _RATES)
    step = 1 if codec in _ODD or suffix in ("gif", "apng") else 2
    height, width = (rng.randrange(16, 201, step) for _ in range(2))
    formats, options = _PICTURES.get(codec, ("", []))
    pixels = rng.choice(formats.split()) if formats else ""
    options = ["-c:v", codec, *options]
    chain = []
    if rng.random() < 0.2 and suffix in ("mp4", "mov", "mkv", "ts", "webm") and not drawn.alpha:
        drawn.told["times"] = "uneven"
        chain.append(f"select='not(eq(mod(n,{rng.choice([3, 5])}),1))*not(eq(mod(n,7),2))'")
    if codec in ("libx264", "libx265", "mpeg4", "mpeg2video"):
        between = rng.choice([0, 1, 2, 3, 4]) if codec == "libx264" else rng.choice([0, 1, 2])
        options += ["-bf", str(between), "-g", str(rng.choice([5, 12, 50]))]
        drawn.told["bf"] = str(between)
    woven = codec in ("libx264", "mpeg2video", "prores_ks") and "times" not in drawn.told and rng.random() < 0.2
    if woven and height >= 32 and pixels != "yuvj420p" and suffix in ("mp4", "mov", "mkv", "ts", "mpg"):
        drawn.interlaced = rng.choice(["tff", "bff"])
        height -= height % 4
        chain.append(f"interlace=scan={drawn.interlaced}:lowpass=off")
        options += ["-flags", "+ildct+ilme"]
        drawn.told["fields"] = drawn.interlaced
    tags = rng.choice(["", "", "601", "709", "2020", "pq", "hlg"])
    if "10" not in pixels and tags in ("pq", "hlg"):
        tags = "709"
    matrix = "" if tags in ("", "601") else f":out_color_matrix={'bt709' if tags == '709' else 'bt2020'}"
    chain.append(f"scale=out_range={'pc' if 'j' in pixels else 'tv'}{matrix}")
    if pixels:
        chain.append(f"format={pixels}")
    if tags and pixels not in ("gray", "bgr0", ""):
        matrix, primaries, transfer = _TAGS[tags]
        chain.append(f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}")
        stored = suffix in ("mp4", "mov", "mkv", "webm") or codec in ("libx264", "libx265", "mpeg2video")
        drawn.wide = stored and tags == "2020"
        drawn.told["tags"] = tags
    # PyAV does not tell what FFV1 alone says of pixels, in AVI.
    if rng.random() < 0.15 and (codec, suffix) != ("ffv1", "avi") and codec not in ("gif", "apng", "flv1"):
        aspect = rng.choice(["16/9", "3/4", "64/45", "1/2", "10/11"])
        chain.append(f"setsar={aspect}")
        drawn.told["aspect"] = aspect
    drawn.alpha = pixels == "yuva420p" or codec in ("gif", "apng")
    drawn.told |= {"rate": str(rate), "size": f"{width}x{height}", "pixels": pixels}
    return {"rate": rate, "size": (height, width), "options": [*options, "-vf", ",".join(chain)], "alpha": drawn.alpha}


def _frames(rng: random.Random, rate: Fraction | int, size: tuple[int, int], seconds: float, alpha: bool) -> bytes:
    """Return frames [T,H,W,4] as bytes: white from each half second to 0.6, else bars that grow brighter."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    bars = np.array([[200, 200, 0], [0, 200, 200], [0, 200, 0], [200, 0, 200], [200, 0, 0], [0, 0, 200], [64, 64, 64]])
    many = min(7, max(1, width // 20))  # so that where the halved colours lie between pixels hardly shows
    still = bars[(columns * many // width + rng.randrange(7)) % 7] * (0.5 + 0.5 * rows / height)[..., None]
    frames = np.empty((max(2, round(seconds * rate)), height, width, 4), np.uint8)
    for number, frame in enumerate(frames):
        share = 0.4 + 0.5 * (number % 16) / 16
        white = 0 <= float(number / rate) % 1 - 0.5 + 1e-6 < 0.1
        frame[..., :3] = 255 if white else still * share
        frame[..., 3] = np.where(columns < width // 2, 255, 128) if alpha else 255
    return frames.tobytes()


def _clicks(path: Path, seconds: float, channels: int) -> None:
    sound = np.zeros((round(seconds * RATE), channels))
    burst = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(400) / RATE)
    for at in np.arange(0.5, seconds - 0.01, 1.0):
        sound[round(at * RATE) :][:400] = burst[: len(sound) - round(at * RATE), None]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def _made(
    rng: random.Random,
    ffmpeg: Ffmpeg,
    drawn: Drawn,
    picture: dict[str, Any],
    sound: list[str],
    channels: int,
    twist: str,
) -> bool:
    """Make the file; False where something refuses."""
    path, (height, width) = drawn.path, picture["size"]
    seconds = rng.choice([1.2, 2.0, 2.7])
    raw = _frames(rng, picture["rate"], picture["size"], seconds, picture["alpha"])
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{width}x{height}", "-framerate", str(picture["rate"])]
    late = str(rng.choice([0.2, 0.37, 0.5]))
    if path.suffix == ".avi" and twist in ("late sound", "late picture", "fragments"):  # it has no place for that
        drawn.told["twist"] = twist = ""
    drawn.late = float(late) * ((twist == "late sound") - (twist in ("late picture", "fragments")))
    inputs = [*(["-itsoffset", late] if twist in ("late picture", "fragments") else []), *inputs, "-i", "-"]
    if channels:
        clicks = path.with_name(f"{path.stem}-clicks.wav")
        _clicks(clicks, seconds + (0.8 if twist == "sound goes on" else 0), channels)
        inputs += [*(["-itsoffset", late] if twist == "late sound" else []), "-i", str(clicks)]
    vary = ["-fps_mode", "vfr"] if "times" in drawn.told else []
    more = ["-strict", "-2", *(["-f", "apng", "-plays", "0"] if path.suffix == ".apng" else [])]
    fragments = twist == "fragments" and path.suffix in (".mp4", ".mov")
    more += ["-movflags", "frag_keyframe+empty_moov+delay_moov"] if fragments else []
    if twist == "two tracks" and path.suffix in (".mkv", ".mp4", ".mov"):
        second = [*inputs, *twisted.other_tracks(bool(channels))]
        inputs, more = second, [*more, *twisted.dispositions(bool(channels))]
    elif twist == "two tracks":
        drawn.told["twist"] = ""
    target = path.with_name(f"{path.stem}-plain{path.suffix}")
    made = ffmpeg.run(*inputs, *vary, *picture["options"], *sound, *more, target, stdin=raw)
    if made.returncode or not target.exists() or target.stat().st_size < 100:
        return False
    return twisted.twisted(rng, ffmpeg, twist, target, path, drawn)
