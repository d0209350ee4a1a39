"""A clip of any length through a video tokenizer, a few frames at a time: memory does not grow with its length.

In: frames one after another, or latent frames. Out: the other, as they come. The chunk calls of `VideoTokenizer` for
clips that need not be 1 + 4k frames nor fit whole codes: they are filled up as `VideoTokenizer.reconstruct` does.
"""

from collections.abc import Iterable, Iterator
from itertools import islice, tee

import numpy as np

from .video import CHUNK, VideoTokenizer


def encode_stream(tokenizer: VideoTokenizer, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Latent frames int32 `[h, w]` of a clip, `config.latent_frames(T)` of T frames.

    frames: uint8, or float in [-1, 1], `[H, W, 3]`, all of one size.
    """
    time, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    coming, state = iter(frames), None
    while chunk := list(islice(coming, CHUNK * time + (state is None))):
        height, width = chunk[0].shape[:2]
        # Chunks of one length, so that no other program is compiled for the last; a short clip is one chunk.
        latents = -(-(len(chunk) - (state is None)) // time)
        length = time * (latents if state is None else CHUNK) + (state is None)
        fill = ((0, length - len(chunk)), (0, -height % space), (0, -width % space), (0, 0))
        if state is None:
            state = tokenizer.init_encode_state(height=height + -height % space, width=width + -width % space)
            latents += 1
        ids, state = tokenizer.encode_chunk(np.pad(np.stack(chunk), fill, mode="edge"), state)
        yield from ids[0, :latents]


def decode_stream(tokenizer: VideoTokenizer, latents: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames uint8 `[H, W, 3]`, 1 + 4 (t - 1) of them, of t latent frames int32 `[h, w]`."""
    time, space = tokenizer.config.time_stride, tokenizer.config.space_stride
    coming, state = iter(latents), None
    while chunk := list(islice(coming, CHUNK + (state is None))):
        frames, length = time * (len(chunk) - (state is None)) + (state is None), len(chunk)
        if state is None:
            rows, columns = chunk[0].shape
            state = tokenizer.init_decode_state(height=rows * space, width=columns * space)
        else:
            length = CHUNK
        fill = ((0, length - len(chunk)), (0, 0), (0, 0))
        video, state = tokenizer.decode_chunk(np.pad(np.stack(chunk), fill, mode="edge"), state)
        yield from video[0, :frames]


def reconstruct_stream(
    tokenizer: VideoTokenizer, frames: Iterable[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each frame uint8 `[H, W, 3]` of a clip, and what encoding and decoding make of it."""
    # The rebuilt frames come a chunk after their originals; `tee` holds these for so long.
    originals, given = tee(frames)
    rebuilt = decode_stream(tokenizer, encode_stream(tokenizer, given))
    for original, frame in zip(originals, rebuilt, strict=False):  # the last chunk was filled up
        yield original, frame[: original.shape[0], : original.shape[1]]
