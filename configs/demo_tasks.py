"""`demo_tasks`: continue the language model of `demo` with every task, from only words to clips with gaps.

    reelm train lm demo_tasks --workdir runs/tasks --start-from runs/words --tokens runs/tokens

Hardware: two CPU cores. Hours: 109 minutes for the 4,700 steps of the shipped model, its first stage. Loss to expect:
0.44. A step of any bucket takes about as long as another: shapes with many given pictures have fewer rows.
"""

from dataclasses import replace

from reelm.data.tokens.config import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import demo

_BUCKETS = (
    Bucket(frames=1, batch_size=32),
    Bucket(frames=5, batch_size=12),
    Bucket(frames=9, batch_size=6),
    Bucket(frames=5, batch_size=10, task="continuation"),
    Bucket(frames=8, batch_size=6, task="continuation"),
    Bucket(frames=5, batch_size=8, task="keyframes"),
    Bucket(frames=5, batch_size=6, task="inpainting"),
)

lm: LMRun = replace(
    demo.lm,
    stages=(
        Stage(steps=4_700, buckets=_BUCKETS, weights=(0.06, 0.44, 0.08, 0.08, 0.08, 0.14, 0.12)),
        # Clips from only words are good by then; clips that must show given pictures take much longer to learn.
        Stage(buckets=_BUCKETS, weights=(0.03, 0.25, 0.05, 0.05, 0.14, 0.33, 0.15)),
    ),
    caption_dropout=0.2,  # a clip goes on, and sounds, as it shows, too
    noise_augmentation=0.08,
    optimizer=OptimizerConfig(learning_rate=1.5e-3, muon=0.01, warmup=100, ema=0.998),
    loop=LoopConfig(steps=7_600, log_every=50, save_every=250),
)
