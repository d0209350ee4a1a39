"""The layout of a sample: the order of its slots, what each slot holds, and the code that it predicts.

    slot      0 ...             G    G+1   G+2   G+3   G+4 ...          G+P-1   G+P    G+P+1  ...
    holds     given codes ...   how  rows  cols  fps   text, fillers     ..     code 0 code 1 ...
    predicts  -                 -    -     -     -     -                code 0  code 1 ...

The prefix holds the inputs of a clip: references, given pictures (`PictureKind`), given sound, then words. Attention
within it is bidirectional. The words are always padded to their length with a filler code that is attended to like any
other. The codes of the clip follow, latent frame by latent frame: the picture in raster order, then its audio frames,
one slot each.

Slots have positions on three axes, (time, row, column), with time in latent frames. A picture's code is at its own
row and column, an audio frame at row and column -1. The time of both is their end: the last audio frame of latent frame
i ends with it, at time i. A given picture has its own time in the clip, a reference a time far before it. Word i is
before the clip, at time -(i + 1).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import jax

SLOTS_AT_ONCE = 128  # that a CPU attends to; 64 to 208 are equally fast with the shipped model


def filled_up(slots: int) -> int:
    """Round `slots` up to the slots of a KV cache: whole blocks of those that are attended to at once."""
    return -(-slots // SLOTS_AT_ONCE) * SLOTS_AT_ONCE


def audio_frames(sound: tuple[int, int], latent_frames: int) -> int:
    """Return the number of audio frames of the first `latent_frames` of a stream.

    Args:
        sound: audio frames of the first latent frame, and of each later one.
        latent_frames: 0 or more.
    """
    first, later = sound
    return first + (latent_frames - 1) * later if latent_frames else 0


def reference_grid(rows: int, columns: int) -> tuple[int, int]:
    """Return the rows and columns of a reference, given those of a latent frame."""
    return -(-rows // 2), -(-columns // 2)


def portrait_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return the size of a reference in pixels, given that of a frame; a code spans `stride` pixels."""
    rows, columns = reference_grid(height // stride, width // stride)
    return rows * stride, columns * stride


@dataclass(frozen=True)
class Layout:
    """The order of a sample's slots: references, given pictures, given sound, words, then codes.

    Attributes:
        prefix: slots of words.
        frames, rows, columns: size of the latent grid.
        given_pictures: pictures in the prefix.
        references: references in the prefix.
        sound: audio frames of the stream's first latent frame, and of each later one; (0, 0) for silent models.
        at_start: whether the first latent frame is the stream's first.
        sound_in_prefix: whether the prefix holds the sound of all latent frames.
    """

    prefix: int
    frames: int
    rows: int
    columns: int
    given_pictures: int = 0
    references: int = 0
    sound: tuple[int, int] = (0, 0)
    at_start: bool = True
    sound_in_prefix: bool = False

    @property
    def per_picture(self) -> int:
        """Codes of a latent frame's picture."""
        return self.rows * self.columns

    def sound_of(self, frame: int) -> int:
        """Return the number of audio frames of latent frame `frame` of the sample."""
        return self.sound[0 if self.at_start and frame == 0 else 1]

    def end(self, frames: int) -> int:
        """Return the codes of the first `frames` latent frames."""
        return frames * self.per_picture + sum(map(self.sound_of, range(frames)))

    @property
    def codes(self) -> int:
        """Codes of the sample, audio frames counted as one each."""
        return self.end(self.frames)

    @property
    def before(self) -> int:
        """Slots before the codes."""
        return self.reference_slots + self.given_pictures * self.per_picture + self.shared_slots

    @property
    def reference_slots(self) -> int:
        """Slots of references."""
        return self.references * math.prod(reference_grid(self.rows, self.columns))

    @property
    def sound_slots(self) -> int:
        """Slots of given sound."""
        return self.codes - self.frames * self.per_picture if self.sound_in_prefix else 0

    @property
    def shared_slots(self) -> int:
        """Slots of given sound and words, whose positions are the same in all rows of a batch."""
        return self.sound_slots + self.prefix

    @property
    def slots(self) -> int:
        """Slots of the whole sample."""
        return self.before + self.codes

    def stream_position(self, frame: int) -> int:
        """Return the position, in the whole endless stream, of the first code of latent frame `frame` of the stream."""
        return frame * self.per_picture + audio_frames(self.sound, frame)

    def frame_at(self, stream_positions: "jax.Array") -> "jax.Array":
        """Return the latent frame of the stream that codes belong to, int32; the inverse of `stream_position`."""
        first, later = self.sound
        return (stream_positions + later - first) // (self.per_picture + later)

    def interleave(self, video: "jax.Array", sound: "jax.Array") -> "jax.Array":
        """Return the values of pictures `[B, codes of pictures, ...]` and of sound in the order of the stream.

        It uses slices, because sharding slices over a mesh costs nothing.
        """
        import jax.numpy as jnp

        ends = np.cumsum([0, *map(self.sound_of, range(self.frames))])
        parts = []
        for i in range(self.frames):
            parts += [video[:, i * self.per_picture : (i + 1) * self.per_picture], sound[:, ends[i] : ends[i + 1]]]
        return jnp.concatenate(parts, axis=1)

    def separate(self, stream: "jax.Array") -> "tuple[jax.Array, jax.Array]":
        """Return the values of pictures and those of sound, from `[B, codes, ...]`; the inverse of `interleave`."""
        import jax.numpy as jnp

        ends = [self.end(i) for i in range(self.frames + 1)]
        video = [stream[:, end : end + self.per_picture] for end in ends[:-1]]
        sound = [stream[:, a + self.per_picture : b] for a, b in zip(ends, ends[1:], strict=False)]
        return jnp.concatenate(video, axis=1), jnp.concatenate(sound, axis=1)

    @property
    def key_positions(self) -> np.ndarray:
        """Positions float32 `[shared_slots + codes, 3]` of what each slot after the given pictures holds."""
        return self._positions[:-1]

    @property
    def query_positions(self) -> np.ndarray:
        """Positions float32, like `key_positions`, of what each slot predicts.

        Slots of given sound, and all words but the last, predict nothing: these are their own positions.

        Queries are rotated by the position of the predicted code, keys by that of the code they hold. So "the code one
        latent frame before the predicted one" is the same rotation everywhere, also where a row of the raster ends.
        """
        last = self.shared_slots - 1
        return np.concatenate([self._positions[:last], self._positions[last + 1 :]])

    @property
    def grid(self) -> np.ndarray:
        """Positions float32 `[rows x columns, 3]` of one latent frame at time 0."""
        return _raster(self.rows, self.columns)

    @property
    def reference_grid(self) -> np.ndarray:
        """Positions float32 `[p x q, 3]` of a reference at time 0."""
        return _raster(*reference_grid(self.rows, self.columns))

    @property
    def mask(self) -> np.ndarray:
        """Attention mask bool `[slots, slots]`: slot q (first axis) sees slot k; the whole prefix sees itself."""
        slot = np.arange(self.slots)
        return (slot[None] <= slot[:, None]) | (slot[None] < self.before) & (slot[:, None] < self.before)

    @property
    def _positions(self) -> np.ndarray:
        """Positions of given sound, words and codes, and of the one code that would follow."""
        words = np.zeros((self.prefix, 3), np.float32)
        words[:, 0] = -1.0 - np.arange(self.prefix)
        sounds = [self._sound_positions(i) for i in range(self.frames)]
        codes = [part for i, sound in enumerate(sounds) for part in (self._grid_at(i), sound)]
        following = np.array([[self.frames, 0, 0]], np.float32)
        return np.concatenate([*(sounds if self.sound_in_prefix else []), words, *codes, following])

    def _grid_at(self, frame: int) -> np.ndarray:
        return self.grid + np.array([frame, 0, 0], np.float32)

    def _sound_positions(self, frame: int) -> np.ndarray:
        count, most = self.sound_of(frame), max(self.sound[1], 1)
        positions = np.full((count, 3), -1.0, np.float32)
        positions[:, 0] = frame - np.arange(count)[::-1] / most
        return positions


def _raster(rows: int, columns: int) -> np.ndarray:
    return np.indices((1, rows, columns)).reshape(3, -1).T.astype(np.float32)
