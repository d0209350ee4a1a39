"""The clips of a training: from a data set that its config names, or from memory.

In: a name, or arrays with captions, or an open source of clips. Out: clips to train on and held-out clips. For a
language model the clips are written as token sets into the folder of the training.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from reelm.data import catalog
from reelm.data.arrays import ArrayClips
from reelm.data.clips import ClipSource
from reelm.data.tokens.tokenize import DERIVED, tokenize
from reelm.errors import RequestError
from reelm.train.run import processes

from .parts import open_audio_tokenizer, open_video_tokenizer


class Given(NamedTuple):
    """The clips of a training.

    Attributes:
        train: clips to train on.
        held_out: clips for samples and evaluations; the clips of `train` if there are no others.
    """

    train: ClipSource
    held_out: ClipSource

    @classmethod
    def named(cls, dataset: str, num_frames: int) -> "Given":
        """Return the clips of a data set, each of `num_frames` frames."""
        return cls(
            catalog.open_clips(dataset, "train", num_frames=num_frames),
            catalog.open_held_back(dataset, num_frames=num_frames),
        )


def source_of(data: Any, captions: Sequence[Any] | None = None) -> ClipSource:
    """Return clips uint8 [N, T, H, W, 3] with their captions as a source; return an open source unchanged."""
    if hasattr(data, "shape"):
        return ArrayClips(data, captions)
    if not hasattr(data, "shapes"):
        raise RequestError(
            f"data is a {type(data).__name__}; it must be an array uint8 [N, T, H, W, 3] or a ClipSource; name a data "
            "set in the config of the run instead"
        )
    if captions is not None:
        raise RequestError("captions need an array of clips; the clips of a ClipSource have their own")
    return data


def tokenized(run: Any, train: ClipSource, held_out: ClipSource | None, workdir: Path) -> Any:
    """Tokenize the clips into the folder of a language model's run, and return the run over these tokens.

    Raises RequestError when the run names no video tokenizer, or the folder holds tokens of other clips.
    """
    if run.video_tokenizer is None:
        raise RequestError("a language model trains on tokens of the clips; set the run's video_tokenizer")
    video, audio = open_video_tokenizer(run.video_tokenizer), None
    if run.model.sound_levels and run.audio_tokenizer is not None:
        audio = open_audio_tokenizer(run.audio_tokenizer)
    steering = {*run.model.channels, *run.model.structures}
    folders = {"tokens": train} if held_out is None else {"tokens": train, "held_out": held_out}
    for name, clips in folders.items():
        tokenize(
            clips,
            video,
            workdir / name,
            audio_tokenizer=audio,
            sound_levels=run.model.sound_levels or None,
            controls=tuple(name for name in DERIVED if name in steering),
            process=jax.process_index(),
            processes=jax.process_count(),
        )
    processes.from_first(lambda: None)  # wait until all processes have written their share
    return replace(run, **{name: (workdir / name,) for name in folders})
