"""Fields of training configs: impossible values are refused with their name and value."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.train.lm.config import LMRun
from reelm.train.lm.describer_config import DescriberRun
from reelm.train.run.config import Cluster, LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import SoundData, SoundLossWeights
from reelm.train.tokenizers.video_config import AdversaryConfig, ClipData, VideoTokenizerRun


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (LMRun, "dtype", "float8"),
        (LMRun, "attention", "fast"),
        (LMRun, "caption_dropout", 1.5),
        (LMRun, "accumulate", 0),
        (LMRun, "batch_scale", 0.0),
        (LMRun, "batch_scale", 0.03),
        (partial(VideoTokenizerRun, batch_size=4), "mesh", MeshSpec(tensor=2)),
        (LMRun, "z_loss", float("nan")),
        (DescriberRun, "noise_augmentation", -0.1),
        (DescriberRun, "seen_alone", 0.9),
        (OptimizerConfig, "learning_rate", -1.0),
        (OptimizerConfig, "learning_rate", float("nan")),
        (OptimizerConfig, "learning_rate", float("inf")),
        (OptimizerConfig, "clip", float("inf")),
        (OptimizerConfig, "decay", 0.0),
        (OptimizerConfig, "decay", 1.5),
        (OptimizerConfig, "schedule", "linear"),
        (partial(LoopConfig, steps=1), "seed", -1),
        (partial(LoopConfig, steps=1), "seed", 2**32),
        (partial(LoopConfig, steps=1), "max_seconds", -1.0),
        (OptimizerConfig, "betas", (0.9, 1.0)),
        (OptimizerConfig, "clip", 0.0),
        (VideoTokenizerRun, "dtype", "flot"),
        (VideoTokenizerRun, "batch_size", 0),
        (ClipData, "crop", 0),
        (AdversaryConfig, "lecam_decay", 2.0),
        (SoundData, "gains", (1.2, 0.5)),
        (SoundLossWeights, "temperature", 0.0),
        (Cluster, "heartbeat_seconds", 0),
    ],
)
def test_an_impossible_value_is_refused_by_name(config: Callable[..., Any], name: str, value: Any):
    with pytest.raises(RequestError, match=name) as refused:
        config(**{name: value})
    assert "\n" not in str(refused.value)
