"""Encode and decode clips of any length a few frames at a time; memory does not grow with the length.

In: frames one by one, or latent frames. Out: latent frames, or frames, as they are made. These functions call the chunk
methods of `VideoTokenizer`. Clips need not be 1 + k strides long nor fit whole codes: they are padded as in
`VideoTokenizer.reconstruct`. In tiles (`tile` and `overlap` are as in `VideoTokenizer.encode`) only the frames of a
chunk grow with the size of the frames, not the memory of the nets; each tile has its own state.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice, tee

import numpy as np

from . import tiling
from .tokenizer import ChunkState, VideoTokenizer


def encode_stream(
    tokenizer: VideoTokenizer, frames: Iterable[np.ndarray], *, tile: int | None = None, overlap: int = 64
) -> Iterator[np.ndarray]:
    """Yield the latent frames int32 `[h, w]` of a clip, `config.latent_frames(T)` of T frames.

    frames: uint8, or float in [-1, 1], `[H, W, 3]`, all of one size.
    """
    time, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    side, shared = tokenizer.tile_in_codes(tile, overlap)
    step = tokenizer.config.chunk
    coming, states, first = iter(frames), deque[ChunkState](), True

    def encode(piece: np.ndarray) -> np.ndarray:  # called tile by tile, in the same order for every chunk
        height, width = piece.shape[2:4]
        state = tokenizer.init_encode_state(height=height, width=width) if first else states.popleft()
        ids, state = tokenizer.encode_chunk(piece, state)
        states.append(state)
        return ids

    while chunk := list(islice(coming, step * time + first)):
        height, width = chunk[0].shape[:2]
        # Chunks have one length, so that no extra program is compiled for the last; a short clip is one chunk.
        latents = -(-(len(chunk) - first) // time)
        length = time * (latents if first else step) + first
        fill = ((0, length - len(chunk)), (0, -height % space), (0, -width % space), (0, 0))
        filled = np.pad(np.stack(chunk), fill, mode="edge")[None]
        yield from tiling.map_codes(encode, filled, space, side, shared)[0, : latents + first]
        first = False


def decode_stream(
    tokenizer: VideoTokenizer, latents: Iterable[np.ndarray], *, tile: int | None = None, overlap: int = 64
) -> Iterator[np.ndarray]:
    """Yield 1 + 4 (t - 1) frames uint8 `[H, W, 3]` from t latent frames int32 `[h, w]`."""
    time, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    side, shared = tokenizer.tile_in_codes(tile, overlap)
    step = tokenizer.config.chunk
    coming, states, first = iter(latents), deque[ChunkState](), True

    def decode(piece: np.ndarray) -> np.ndarray:
        height, width = (length * space for length in piece.shape[2:])
        state = tokenizer.init_decode_state(height=height, width=width) if first else states.popleft()
        video, state = tokenizer.decode_chunk(piece, state)
        states.append(state)
        return video

    while chunk := list(islice(coming, step + first)):
        frames, length = time * (len(chunk) - first) + first, len(chunk) if first else step
        filled = np.pad(np.stack(chunk), ((0, length - len(chunk)), (0, 0), (0, 0)), mode="edge")[None]
        yield from tiling.map_pixels(decode, filled, space, side, shared)[0, :frames]
        first = False


def reconstruct_stream(
    tokenizer: VideoTokenizer, frames: Iterable[np.ndarray], *, tile: int | None = None, overlap: int = 64
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each frame uint8 `[H, W, 3]` of a clip and its reconstruction."""
    # Rebuilt frames come one chunk after the originals; `tee` holds the originals until then.
    originals, read = tee(frames)
    codes = encode_stream(tokenizer, read, tile=tile, overlap=overlap)
    rebuilt = decode_stream(tokenizer, codes, tile=tile, overlap=overlap)
    for original, frame in zip(originals, rebuilt, strict=False):  # the last chunk was filled up
        yield original, frame[: original.shape[0], : original.shape[1]]
