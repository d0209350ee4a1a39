"""`demo_longer`: continue the language model of `demo_sound`, with more of the tasks that take longest to learn.

    reelm train lm demo_longer --workdir runs/longer --start-from runs/sound --tokens runs/sound-tokens

Hardware: two CPU cores. Hours: 77 and 92 minutes for the two stages, which were runs of their own (2,000 and 2,100
steps). Losses to expect: 0.63 and 0.67. The shipped language model is the mean of three: the end of `demo_sound` and of
both stages. recipes/demo.sh has the commands.
"""

from dataclasses import replace

from reelm.data.tokens.config import Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import demo_sound

_BUCKETS = demo_sound.lm.stages[0].buckets

lm: LMRun = replace(
    demo_sound.lm,
    stages=(
        # Clips that must show given pictures, and windows of long clips.
        Stage(steps=2_000, buckets=_BUCKETS, weights=(0.02, 0.27, 0.07, 0.03, 0.17, 0.23, 0.14, 0.07)),
        # Two digits and their names are forgotten first, so words get their share again.
        Stage(buckets=_BUCKETS, weights=(0.02, 0.43, 0.06, 0.03, 0.13, 0.15, 0.10, 0.08)),
    ),
    noise_augmentation=0.1,
    optimizer=OptimizerConfig(learning_rate=1.2e-3, muon=0.008, warmup=50, ema=0.998),
    loop=LoopConfig(steps=4_100, log_every=50, save_every=200),
)
