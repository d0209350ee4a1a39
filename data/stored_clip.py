"""A clip as a data set stores it: an mp4 of nearly lossless H.264, 16-bit sound, and where it comes from.

In: frames and sound. Out: bytes, the same for the same frames, and frames again. The mp4 keeps full colour (4:4:4),
which matters at the sizes that tokenizers learn at. It has a fiftieth of the size of the pixels, so reading is bound by
the decoder and not by the disk. Knows nothing of folders and TFDS.
"""

import io
import json
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np

from reelm.media.pixels import Frames

from .stored_set import Array

# Fixed, so that a clip's bytes depend only on its frames. One thread, because x264's output depends on their number. No
# macroblock tree, because on pictures a few macroblocks wide x264's SIMD code for it reads uninitialized memory.
_X264 = {"crf": "8", "preset": "veryfast", "bf": "0", "threads": "1", "mbtree": "0"}


@dataclass(frozen=True, kw_only=True)
class StoredClip:
    """One clip.

    Attributes:
        video: an mp4.
        audio: int16 [S] little-endian, one channel, S = round(frames / fps * sample_rate); empty for none.
        sample_rate: of `audio` in Hz; 0 for none.
        captions: one or more; "" for none.
        source: name of the file it comes from; `start` is its time in that file, in seconds, `shot` the number of its
            shot.
    """

    video: bytes
    audio: bytes
    sample_rate: int
    captions: tuple[str, ...]
    fps: float
    frames: int
    height: int
    width: int
    source: str
    start: float
    shot: int

    def pack(self) -> bytes:
        """Return the clip as one record of bytes."""
        head = {name: value for name, value in asdict(self).items() if name not in ("video", "audio")}
        line = json.dumps({**head, "video_bytes": len(self.video)})
        return line.encode() + b"\n" + self.video + self.audio

    @classmethod
    def unpack(cls, record: bytes) -> "StoredClip":
        """Return the clip in a record that `pack` made."""
        line, payload = record.split(b"\n", 1)
        head: dict[str, Any] = json.loads(line)
        length, captions = head.pop("video_bytes"), tuple(head.pop("captions"))
        return cls(**head, captions=captions, video=payload[:length], audio=payload[length:])

    def example(self) -> dict[str, Any]:
        """Return the values of `FIELDS`, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "audio": np.frombuffer(self.audio, "<i2").astype(np.int16)}


FIELDS: dict[str, Any] = {
    "video": bytes,
    "audio": Array((None,), np.int16),
    "sample_rate": np.int32,
    "captions": tuple[str, ...],
    "fps": np.float32,
    "frames": np.int32,
    "height": np.int32,
    "width": np.int32,
    "source": str,
    "start": np.float64,
    "shot": np.int32,
}
"""What a record of a `StoredClip` holds."""


def encode(frames: Frames, fps: float) -> bytes:
    """Return an mp4 of frames uint8 [T, H, W, 3]; height and width are even."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    rate = Fraction(fps).limit_denominator(1001)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_range = 6, 1  # BT.601, limited: what readers without regard for tags take
        for index, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv444p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
            )
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode(video: bytes, frames: int | None = None) -> Frames:
    """Return the first `frames` frames of an mp4 that `encode` made, uint8 [T, H, W, 3]; None: all."""
    import av

    kept = []
    with av.open(io.BytesIO(video), "r", format="mp4") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # many readers run in parallel
        for frame in container.decode(stream):
            kept.append(frame.to_ndarray(format="rgb24"))
            if len(kept) == frames:
                break
    return np.stack(kept)
