"""The stream: how one sample lies in a row, what each slot holds and which code it predicts.

    slot      0 ...             G    G+1   G+2   G+3   G+4 ...          G+P-1   G+P    G+P+1  ...
    holds     given codes ...   how  rows  cols  fps   text, fillers     ..     code 0 code 1 ...
    predicts  -                 -    -     -     -     -                code 0  code 1 ...

The prefix is what is known of a clip before its first code, read in both directions: pictures it must show (`Given`),
sound it must go with, then words. The words are always filled up to their bucket with a filler code that is attended to
like any other. After them come the codes of the clip, latent frame by latent frame: the picture in raster order, then
the audio frames that sound while it is seen, one slot each.

Slots have places on three axes, (time, row, column), time in latent frames. A picture's code is at its own place, an
audio frame beside the picture at row and column -1. Time is one clock for both, which says when a thing ends: the last
audio frame beside latent frame i ends with it, at time i. A given picture stands where it belongs in the clip, and word
i stands before the clip at time -(i + 1).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


def audio_frames(sound: tuple[int, int], latent_frames: int) -> int:
    """Audio frames beside the first `latent_frames` of a stream; `sound` are those beside the first, and each later."""
    first, later = sound
    return first + (latent_frames - 1) * later if latent_frames else 0


@dataclass(frozen=True)
class Layout:
    """Where everything stands in a sample of given pictures and sound, `prefix` words, and codes.

    Attributes:
        prefix: slots of words.
        frames, rows, columns: of the latent grid.
        given: pictures in the prefix.
        sound: audio frames beside the stream's first latent frame, and beside each later one; none for silent models.
        begins: whether the first latent frame is the stream's first.
        heard: whether the sound of all latent frames is in the prefix, too.
    """

    prefix: int
    frames: int
    rows: int
    columns: int
    given: int = 0
    sound: tuple[int, int] = (0, 0)
    begins: bool = True
    heard: bool = False

    @property
    def per_picture(self) -> int:
        """Codes of a latent frame's picture."""
        return self.rows * self.columns

    def sound_of(self, frame: int) -> int:
        """Audio frames beside latent frame `frame` of the sample."""
        return self.sound[0 if self.begins and frame == 0 else 1]

    def end(self, frames: int) -> int:
        """Codes of the first `frames` latent frames."""
        return frames * self.per_picture + sum(map(self.sound_of, range(frames)))

    @property
    def codes(self) -> int:
        return self.end(self.frames)

    @property
    def before(self) -> int:
        """Slots in front of the codes."""
        return self.given * self.per_picture + self.heard_slots + self.prefix

    @property
    def heard_slots(self) -> int:
        """Slots of given sound."""
        return self.codes - self.frames * self.per_picture if self.heard else 0

    @property
    def slots(self) -> int:
        return self.before + self.codes

    def place(self, frame: int) -> int:
        """Place of the first code of latent frame `frame` of the whole endless stream."""
        return frame * self.per_picture + audio_frames(self.sound, frame)

    def frame_at(self, place: jax.Array) -> jax.Array:
        """The latent frame of the whole stream that places int32 of codes belong to; inverse of `place`."""
        first, later = self.sound
        return (place + later - first) // (self.per_picture + later)

    def interleave(self, video: jax.Array, sound: jax.Array) -> jax.Array:
        """What belongs to pictures `[B, codes of pictures, ...]` and to sound, in the order of the stream.

        By slices, which cost nothing to cut over a mesh.
        """
        ends = np.cumsum([0, *map(self.sound_of, range(self.frames))])
        parts = []
        for i in range(self.frames):
            parts += [video[:, i * self.per_picture : (i + 1) * self.per_picture], sound[:, ends[i] : ends[i + 1]]]
        return jnp.concatenate(parts, axis=1)

    def separate(self, stream: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What belongs to pictures and what to sound, of `[B, codes, ...]`; the inverse of `interleave`."""
        begins = [self.end(i) for i in range(self.frames + 1)]
        video = [stream[:, begin : begin + self.per_picture] for begin in begins[:-1]]
        sound = [stream[:, a + self.per_picture : b] for a, b in zip(begins, begins[1:], strict=False)]
        return jnp.concatenate(video, axis=1), jnp.concatenate(sound, axis=1)

    @property
    def places(self) -> np.ndarray:
        """float32 `[heard_slots + prefix + codes, 3]`: place of what each slot after the given pictures holds."""
        return self._line[:-1]

    @property
    def aims(self) -> np.ndarray:
        """float32, like `places`: place of what a slot predicts; of given sound and of words but the last, their own.

        Queries turn by their aim and keys by their place, so "the code one latent frame before the one to be predicted"
        is the same rotation everywhere, also where a row of the raster ends.
        """
        last = self.heard_slots + self.prefix - 1
        return np.concatenate([self._line[:last], self._line[last + 1 :]])

    @property
    def grid(self) -> np.ndarray:
        """float32 `[rows x columns, 3]`: places of one latent frame at time 0."""
        return np.indices((1, self.rows, self.columns)).reshape(3, -1).T.astype(np.float32)

    @property
    def mask(self) -> np.ndarray:
        """bool `[slots, slots]`: slot q (first axis) sees slot k; all of the prefix sees all of the prefix."""
        slot = np.arange(self.slots)
        return (slot[None] <= slot[:, None]) | (slot[None] < self.before) & (slot[:, None] < self.before)

    @property
    def _line(self) -> np.ndarray:
        """Places of given sound, words and codes, and of the one code after them."""
        words = np.zeros((self.prefix, 3), np.float32)
        words[:, 0] = -1.0 - np.arange(self.prefix)
        sounds = [self._sound_places(i) for i in range(self.frames)]
        codes = [part for i, sound in enumerate(sounds) for part in (self._grid_at(i), sound)]
        following = np.array([[self.frames, 0, 0]], np.float32)
        return np.concatenate([*(sounds if self.heard else []), words, *codes, following])

    def _grid_at(self, frame: int) -> np.ndarray:
        return self.grid + np.array([frame, 0, 0], np.float32)

    def _sound_places(self, frame: int) -> np.ndarray:
        count, most = self.sound_of(frame), max(self.sound[1], 1)
        places = np.full((count, 3), -1.0, np.float32)
        places[:, 0] = frame - np.arange(count)[::-1] / most
        return places
