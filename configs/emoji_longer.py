"""`emoji_longer`: the language model of `emoji` learns to compose, as emoji in skin tones that it never saw them in.

    reelm train lm emoji_longer --workdir runs/emoji/longer
    reelm train lm emoji_longer --workdir runs/emoji/longest --start-from runs/emoji/longer --loop.seed 1

Hardware: two CPU cores. Hours: 55 minutes each. Figures to expect: of held-out pairs 59% come out right after both, and
64% with guidance; 39% before.

Up to six in ten of the codes that the net reads are wrong ones. Where clips are few, the codes so far soon give away
which clip it is, and the net goes on from memory; where they cannot be trusted, it has to read the words to the end.
"""

from dataclasses import replace
from pathlib import Path

from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import emoji

lm: LMRun = replace(
    emoji.lm,
    start_from=Path("runs/emoji/lm"),
    stages=emoji.lm.stages[-1:],
    corrupt=0.6,
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.012, warmup=50, ema=0.998),
    loop=LoopConfig(steps=1_300, log_every=50, save_every=100),
)
