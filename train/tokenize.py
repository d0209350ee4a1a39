"""`reelm data tokenize`: clips of a data set through a trained tokenizer, once, into a set that the LM trains on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .datasets import open_clips
from .tokens import TokenIndex, TokenSample, write_tokens
from .video_tokenizer import open_tokenizer

_BATCH = 32
_STILLS = 4  # frames of each clip that are tokenized alone, too


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

    Of each clip some frames are encoded alone as well: what a language model is given when it is asked for a clip that
    shows a picture at a certain time.

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
            frames = np.stack([_still_frames(first + i, num_frames) for i in range(_BATCH)])
            chosen = np.take_along_axis(videos, frames[..., None, None, None], axis=1)
            codes, stills = net.encode(videos), net.encode(chosen.reshape(-1, 1, *videos.shape[2:]))
            stills = stills.reshape(*frames.shape, *codes.shape[2:])
            for i, clip in enumerate(batch):
                caption = clip["caption"]
                yield {"video": codes[i], "caption": caption, "stills": stills[i], "still_frames": frames[i]}

    return write_tokens(
        output,
        samples_from,
        tokenizer_hash=net.hash,
        fps=clips[0]["fps"],
        height=height,
        width=width,
        time_stride=net.config.time_stride,
        source=clips.description,
    )


def _still_frames(clip: int, num_frames: int) -> np.ndarray:
    """Numbers int of the frames of clip `clip` to be tokenized alone: its last and middle one, and some drawn ones."""
    drawn = np.random.default_rng([1, clip]).integers(0, num_frames, _STILLS - 2)
    return np.array([num_frames - 1, (num_frames - 1) // 2, *drawn])
