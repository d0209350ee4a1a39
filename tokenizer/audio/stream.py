"""Encode and decode sounds of any length piece by piece; memory does not grow with the length.

In: pieces of sound at the tokenizer's own rate and channels, or codes. Out: codes, or pieces of sound, as they are
made. These functions call the chunk methods of `AudioTokenizer` with pieces of any length, and fill the last audio
frame with silence.
"""

from collections.abc import Iterable, Iterator
from itertools import tee

import numpy as np

from .tokenizer import DECODED_AT_ONCE, ENCODED_AT_ONCE, AudioTokenizer


def encode_stream(tokenizer: AudioTokenizer, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the codes int32 `[n, levels]` of pieces of one sound, float32 `[S, C]` in [-1, 1], of any length."""
    hop, state = tokenizer.config.hop, tokenizer.init_encode_state()
    chunk = ENCODED_AT_ONCE * hop
    left = np.zeros((0, tokenizer.config.channels), np.float32)
    for piece in pieces:
        left = np.concatenate([left, np.clip(piece, -1, 1)])
        # Chunks have one length, so that the decoder compiles only one program.
        while len(left) >= chunk:
            ids, state = tokenizer.encode_chunk(left[None, :chunk], state)
            left = left[chunk:]
            yield ids[0]
    if len(left):
        ids, _ = tokenizer.encode_chunk(np.pad(left, ((0, -len(left) % hop), (0, 0)))[None], state)
        yield ids[0]


def decode_stream(tokenizer: AudioTokenizer, codes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the sound float32 `[S, C]` of codes int32 `[F, n]`, piece by piece."""
    state = tokenizer.init_decode_state()
    for first in range(0, len(codes), DECODED_AT_ONCE):
        sound, state = tokenizer.decode_chunk(codes[None, first : first + DECODED_AT_ONCE], state)
        yield sound[0]


def reconstruct_stream(
    tokenizer: AudioTokenizer, pieces: Iterable[np.ndarray], *, levels: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of pieces float32 `[S, C]` of a sound, cut anew: original, and reconstruction from first `levels`."""
    originals, read = tee(pieces)
    held, state = np.zeros((0, tokenizer.config.channels), np.float32), tokenizer.init_decode_state()
    for ids in encode_stream(tokenizer, read):
        made, state = tokenizer.decode_chunk(ids[None, :, :levels], state)
        while len(held) < made.shape[1] and (piece := next(originals, None)) is not None:
            held = np.concatenate([held, piece])
        yield held[: made.shape[1]], made[0, : len(held)]  # the last audio frame was filled up
        held = held[made.shape[1] :]
