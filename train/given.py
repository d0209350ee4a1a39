"""The clips of a training: those of a data set that its config names, or those that a caller has in memory.

In: a name, or arrays with captions, or an open source of clips. Out: clips to train on and clips to look at; for what
trains on tokens, token sets of them in the folder of the training.
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
        train: to train on.
        held_out: to look at and to evaluate on; those to train on where there are no others.
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
    """Return clips uint8 [N, T, H, W, 3] with their captions as a source; an open source as it is."""
    if hasattr(data, "shape"):
        return ArrayClips(data, captions)
    if not hasattr(data, "shapes"):
        raise RequestError(
            f"data is a {type(data).__name__}; it takes an array uint8 [N, T, H, W, 3] or a ClipSource, and a data set "
            "by name stands in the config of the run"
        )
    if captions is not None:
        raise RequestError("captions go with an array of clips; those of a ClipSource are in its clips")
    return data


def tokenized(run: Any, train: ClipSource, held_out: ClipSource | None, workdir: Path) -> Any:
    """Return the run of a language model over tokens of the clips, which are written into its folder.

    RequestError when the run names no video tokenizer, or the folder holds tokens of other clips.
    """
    if run.video_tokenizer is None:
        raise RequestError("clips are tokenized before a language model learns them; name the run's video_tokenizer")
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
    processes.from_first(lambda: None)  # all have written their share
    return replace(run, **{name: (workdir / name,) for name in folders})
