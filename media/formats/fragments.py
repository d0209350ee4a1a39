"""Write frames and sound to a fragmented mp4, piece by piece, which a browser plays while it is being made.

Each frame is a fragment of its own. The head comes with the first fragment, which needs two frames. Pictures and sound
are those of `mp4.py`.
"""

import io
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

from reelm.media.pixels import Frames
from reelm.media.sound import Sound

from .mp4 import DEFAULT_CRF, PictureTrack, SoundTrack, check

CODECS = 'video/mp4; codecs="avc1.64001F, mp4a.40.2"'  # for the `MediaSource` of a browser; without sound the first

# A head that is written before the first fragment (`empty_moov`) cannot say that the encoder of sound begins with a
# block of silence: players would play all sound late by it, 64 ms at 16 kHz.
# Every picture is a key frame, and each begins a fragment: a player may join anywhere. (Fragments of any one frame,
# FFmpeg's `frag_every_frame`, get wrong times as soon as there are two tracks.)
_FLAGS = "+frag_keyframe+delay_moov+default_base_moof"


class FragmentedVideo:
    """A fragmented mp4 that is being written.

    Args:
        fps: frames a second.
        sample_rate: of the sound, in Hz; None for a silent video.
        channels: of the sound.
        crf: quality, 1 (best) to 51 (worst).
        scale: side of the block that each pixel becomes.

    Raises:
        RequestError: a value out of its range.
    """

    def __init__(
        self,
        *,
        fps: float,
        sample_rate: int | None = None,
        channels: int = 1,
        crf: float = DEFAULT_CRF,
        scale: int = 1,
    ):
        import av

        check(fps, crf, scale)
        self._rate, self._scale, self._crf, self._at = Fraction(fps).limit_denominator(1001), scale, crf, 0
        self._made = _Written()
        self._container = av.open(self._made, "w", format="mp4", options={"movflags": _FLAGS})
        self._pictures: PictureTrack | None = None
        self._sound, self._heard = (sample_rate, channels), _Pieces()
        self._track: SoundTrack | None = None

    def add(self, frames: Frames, sound: Sound | None = None) -> bytes:
        """Return the bytes of the next frames uint8 `[T, H, W, 3]` and of their sound float32 `[S, C]`."""
        if self._pictures is None:
            at_once = {"tune": "zerolatency", "g": "1"}
            first, tick = frames[0], 1 / self._rate
            self._pictures = PictureTrack(self._container, first, self._rate, tick, self._crf, self._scale, at_once)
            if self._sound[0] is not None:
                self._track = SoundTrack(self._container, self._heard, self._sound[1], self._sound[0])
        if sound is not None:
            self._heard.append(sound)
        for frame in frames:
            start, self._at = self._at / self._rate, self._at + 1
            self._pictures.write(frame, start, self._at / self._rate)
            if self._track is not None:
                self._track.write_until(float(self._at / self._rate))
        return self._made.taken()

    def finish(self) -> bytes:
        """Return the last bytes of the file; `add` may not be called after it."""
        if self._pictures is not None:
            self._pictures.finish()
        if self._track is not None:
            self._track.finish()
        self._container.close()
        return self._made.taken()


class _Pieces(deque[Sound]):
    """A queue of unwritten pieces of sound; the iterator goes on when more are appended."""

    def __iter__(self) -> Iterator[Sound]:
        return self

    def __next__(self) -> Sound:
        if not self:
            raise StopIteration
        return self.popleft()


class _Written(io.RawIOBase):
    """A file that cannot seek; `taken` returns and removes the bytes written so far."""

    def __init__(self):
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data) -> int:
        self._bytes += data
        return len(data)

    def taken(self) -> bytes:
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken
