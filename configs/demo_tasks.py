"""`demo_tasks`: the language model of `demo` goes on with every task, from words alone to clips with gaps.

Run it with `--start-from` the workdir of `demo`'s language model. A step of any bucket takes about as long as another:
shapes with many given pictures have fewer rows.
"""

from dataclasses import replace

from reelm.train.lm import LMRun
from reelm.train.loop import LoopConfig
from reelm.train.mixture import Bucket, Stage
from reelm.train.optimizer import OptimizerConfig

from . import demo

_SHARES: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32): 0.06,
    Bucket(frames=5, batch_size=12): 0.44,
    Bucket(frames=9, batch_size=6): 0.08,
    Bucket(frames=5, batch_size=10, task="continues"): 0.08,
    Bucket(frames=8, batch_size=6, task="continues"): 0.08,
    Bucket(frames=5, batch_size=8, task="frames"): 0.14,
    Bucket(frames=5, batch_size=6, task="fills"): 0.12,
}

lm: LMRun = replace(
    demo.lm,
    stages=(Stage(buckets=tuple(_SHARES), weights=tuple(_SHARES.values())),),
    corrupt=0.08,
    optimizer=OptimizerConfig(learning_rate=1.5e-3, muon=0.01, warmup=100, ema=0.998),
    loop=LoopConfig(steps=4_700, log_every=50, save_every=250),
)
