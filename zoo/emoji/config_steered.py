"""`emoji_steered`: a language model beside that of `emoji`, for edges, a camera and a motion score.

    reelm train lm emoji_steered --workdir runs/emoji/steered

It starts from the model that ships. Its token sets are of `animated_emoji` with `--controls edges motion`, of
`animated_emoji_camera` with `--controls edges motion view`, and of `animated_emoji_pace` with `--controls motion`. In
the last one an emoji moves more or less than it does by nature.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.mixture import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import config_longer

_STEERED: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=48): 0.15,
    Bucket(frames=4, batch_size=16): 0.65,
    Bucket(frames=4, batch_size=14, task="frames"): 0.12,
    Bucket(frames=3, batch_size=16, task="continues"): 0.08,
}

lm: LMRun = replace(
    config_longer.lm,
    model=replace(config_longer.lm.model, structures=("edges", "view"), camera=True, motion=True),
    tokens=(Path("runs/emoji/steered"), Path("runs/emoji/camera"), Path("runs/emoji/pace")),
    start_from=Path("emoji"),
    stages=(Stage.of(_STEERED),),
    drop_control=0.1,
    remat="none",
    optimizer=OptimizerConfig(
        learning_rate=1.2e-3, muon=0.008, warmup=50, ema=0.998, schedule="warmup-stable-decay", decay=0.3
    ),
    loop=LoopConfig(steps=2_700, log_every=25, save_every=100),
)
