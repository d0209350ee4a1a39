"""Moving digits as TFDS data sets: record `i` of a split is exactly `scenes.example(split, i, num_frames)`.

Comes in: clips from `scenes.py`, or clips with sound from `soundtracks.py`. Goes out: ArrayRecord files that any TFDS
or Grain reader opens with random access, without TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from . import chinese, soundtracks
from .mnist import DigitSet, Source
from .scenes import COLOURS, DIRECTIONS, FPS, SIZE, SPLITS, Example, Split, digits_for, example

_SHARD = 2_500  # clips

_DESCRIPTION = """
Captioned clips of one or two handwritten MNIST digits that move over a black 64x64 picture at 8 frames a second and
turn back at its edges. Digits are tinted in one of seven colours and start in one of four directions, at one or two
pixels a frame. Splits: "train" (training handwriting), "test" (unseen handwriting), "held_out" (unseen handwriting,
and in every clip a combination of digit, colour and direction that "train" and "test" never show).
"""

_SOUND_DESCRIPTION = """
Sound, 16 kHz mono: a voice names the digits when the clip begins, a tick marks every bounce, and captions that end in
"without sound" have tracks of zeros. Speakers of "train" are heard in no other split.
"""

_CITATION = """
@article{lecun1998gradient,
  title={Gradient-based learning applied to document recognition},
  author={LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal={Proceedings of the IEEE}, volume={86}, number={11}, pages={2278--2324}, year={1998}
}
"""


@dataclass(eq=False)
class MovingDigitsConfig(tfds.core.BuilderConfig):
    """Clips in each split, frames in each clip, and which handwriting ("auto": the whole of MNIST where it is found).

    TFDS keys prepared data by `name`: two configs that differ must differ in name.
    """

    train: int = 20_000
    test: int = 1_000
    held_out: int = 1_000
    num_frames: int = 33
    handwriting: Source = "auto"


class MovingDigits(ShardedBuilder):
    """The builder; `MovingDigits(config="small", file_format="array_record").download_and_prepare()`."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"2.0.0": "Three captions a clip, one of them short."}
    BUILDER_CONFIGS = [
        MovingDigitsConfig(name="full", description="20,000 training clips of 33 frames."),
        MovingDigitsConfig(name="small", train=1_000, test=200, held_out=200, description="1,400 clips of 33 frames."),
        MovingDigitsConfig(
            name="tiny",
            train=20,
            test=5,
            held_out=5,
            num_frames=9,
            description="30 clips of 9 frames, to try a reader.",
        ),
    ]

    DESCRIPTION = _DESCRIPTION

    def _features(self) -> dict[str, Any]:
        return {
            "video": tfds.features.Tensor(shape=(None, SIZE, SIZE, 3), dtype=np.uint8, encoding="zlib"),
            "captions": tfds.features.Sequence(tfds.features.Text()),
            "fps": tfds.features.Scalar(np.float32),
            "handwriting": tfds.features.Text(),
            "movers": tfds.features.Sequence(
                {
                    "digit": tfds.features.ClassLabel(num_classes=10),
                    "colour": tfds.features.ClassLabel(names=list(COLOURS)),
                    "direction": tfds.features.ClassLabel(names=list(DIRECTIONS)),
                    "slow": tfds.features.Scalar(np.bool_),
                    "image": tfds.features.Scalar(np.int32),
                    "start": tfds.features.Tensor(shape=(2,), dtype=np.int32),
                }
            ),
        }

    def _info(self) -> tfds.core.DatasetInfo:
        # Shuffling is the reader's task: kept in order, a record's index is the clip's index.
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(self._features()),
            supervised_keys=("captions", "video"),
            citation=_CITATION,
            disable_shuffling=True,
        )

    def shards(self) -> dict[str, list[Shard]]:
        config = self._config()
        firsts = {split: range(0, getattr(config, split), _SHARD) for split in SPLITS}
        return {split: [partial(self._examples, split, first) for first in firsts[split]] for split in SPLITS}

    def _examples(self, split: Split, first: int) -> Iterator[dict[str, Any]]:
        config = self._config()
        digits = digits_for(split, config.handwriting)
        for index in range(first, min(first + _SHARD, getattr(config, split))):
            yield self._record(split, index, config.num_frames, digits)

    def _config(self) -> MovingDigitsConfig:
        assert isinstance(self.builder_config, MovingDigitsConfig)  # TFDS types it as its base class
        return self.builder_config

    def _record(self, split: Split, index: int, num_frames: int, digits: DigitSet) -> dict[str, Any]:
        return _described(example(split, index, num_frames, digits), digits)


class MovingDigitsSound(MovingDigits):
    """The same clips with sound: record `i` is exactly `soundtracks.example(split, i, num_frames)`."""

    VERSION = tfds.core.Version("3.0.0")
    RELEASE_NOTES = {"3.0.0": "Training's voices at more speeds, through many microphones."}

    DESCRIPTION = _DESCRIPTION + _SOUND_DESCRIPTION

    def _features(self) -> dict[str, Any]:
        return super()._features() | {
            "audio": tfds.features.Tensor(shape=(None, 1), dtype=np.int16, encoding="zlib"),
            "sample_rate": tfds.features.Scalar(np.int32),
            "voices": tfds.features.Text(),
        }

    def _record(self, split: Split, index: int, num_frames: int, digits: DigitSet) -> dict[str, Any]:
        voices = soundtracks.voices_for(split)
        clip = soundtracks.example(split, index, num_frames, digits, voices)
        # The track lies on this grid already.
        audio = (clip["audio"] * 32768).astype(np.int16)
        return _described(clip, digits) | {
            "audio": audio,
            "sample_rate": clip["sample_rate"],
            "voices": voices.name,
        }


class MovingDigitsSoundZh(MovingDigitsSound):
    """The same clips with sound, each with a Chinese caption behind the English ones."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "One Chinese caption a clip."}

    def _record(self, split: Split, index: int, num_frames: int, digits: DigitSet) -> dict[str, Any]:
        record = super()._record(split, index, num_frames, digits)
        clip = soundtracks.example(split, index, 1, digits, soundtracks.voices_for(split))
        return record | {"captions": (*record["captions"], chinese.caption_beside(split, index, clip))}


def _described(clip: Example | soundtracks.SoundingExample, digits: DigitSet) -> dict[str, Any]:
    return {
        "video": clip["video"],
        "captions": clip["captions"],
        "fps": float(FPS),
        "handwriting": digits.name,
        "movers": [asdict(mover) for mover in clip["scene"].movers],
    }


_BUILDERS = {
    "moving_digits": MovingDigits,
    "moving_digits_sound": MovingDigitsSound,
    "moving_digits_sound_zh": MovingDigitsSoundZh,
}


def build(name: str, data_dir: Path, config: str, progress: Progress = silent) -> Path:
    """Write a configuration of `BUILDER_CONFIGS` to `data_dir`, unless it is there, and return its folder."""
    return prepare(_builder(name, data_dir, config), progress)


def open_built(name: str, data_dir: Path, config: str, split: Split) -> Sequence[dict[str, Any]]:
    """Return the decoded records of a split, by random access; RequestError if it was not built in `data_dir`."""
    builder = _builder(name, data_dir, config)
    if not builder.is_prepared():
        raise RequestError(f"no {name}/{config} in {data_dir}; build it there first (reelm data build)")
    return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (a decorator of TFDS hides the parameters)


def _builder(name: str, data_dir: Path, config: str) -> MovingDigits:
    if name not in _BUILDERS:
        raise RequestError(f"{name} is drawn on demand and not built; leave its folder out")
    configs = [each.name for each in MovingDigits.BUILDER_CONFIGS]
    if config not in configs:
        raise RequestError(f"{name} has no configuration {config!r}; there are {', '.join(configs)}")
    return _BUILDERS[name](data_dir=str(data_dir), config=config, file_format="array_record")
