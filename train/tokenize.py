"""`reelm data tokenize`: clips of a data set through a trained tokenizer, once, into a set that the LM trains on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .datasets import open_clips
from .tokens import TokenIndex, TokenSample, write_tokens
from .video_tokenizer import open_tokenizer

_BATCH = 32


def tokenize(
    name: str,
    tokenizer: str | Path,
    output: Path,
    *,
    split: str = "train",
    num_clips: int,
    num_frames: int,
) -> TokenIndex:
    """Encodes the first `num_clips` clips of a split; started again, it goes on where it stopped.

    Args:
        name: of the data set.
        tokenizer: folder of `reelm train video-tokenizer`, a model folder, or the name of a shipped model.
        output: folder for the token set.

    Raises:
        RequestError: no such data set or tokenizer, or `output` holds something else.
    """
    net = open_tokenizer(tokenizer)
    clips = open_clips(name, split, num_frames=num_frames, num_clips=num_clips)
    height, width = clips[0]["video"].shape[1:3]

    def samples_from(start: int) -> Iterator[TokenSample]:
        for first in range(start, len(clips), _BATCH):
            batch = [clips[i] for i in range(first, min(first + _BATCH, len(clips)))]
            # The last batch is filled up, so that it does not compile another program.
            videos = np.stack([clip["video"] for clip in batch] + [batch[-1]["video"]] * (_BATCH - len(batch)))
            for clip, codes in zip(batch, net.encode(videos), strict=False):
                yield {"video": codes, "caption": clip["caption"]}

    return write_tokens(
        output,
        samples_from,
        tokenizer_hash=net.hash,
        fps=clips[0]["fps"],
        height=height,
        width=width,
        source=clips.description,
    )
