"""A tiny token set: clips of 16x24 pixels, all codes of which are one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens


def of_one_code(folder: Path, tokenizer: str, said: Sequence[tuple[tuple[str, ...], int]], latent_frames: int) -> Path:
    """Write the clips, each by its captions and its code, without sound and stills; return the folder."""
    none: dict[str, Any] = {"still_frames": np.zeros(0, np.int32), "sound": np.zeros((0, 0), np.int32)}

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        for captions, code in said[start:stop]:
            codes = np.full((latent_frames, 2, 3), code, np.int32)
            yield TokenSample(video=codes, captions=captions, stills=codes[:0], **none)

    runs = [TokenRun(len(said), 4 * latent_frames - 3, 16, 24)]
    write_tokens(folder, samples_of, runs=runs, tokenizer_hash=tokenizer, fps=8.0, time_stride=4)
    return folder
