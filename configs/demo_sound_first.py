"""`demo_sound_first`: the language model of `demo_tasks` hears sound for the first time.

    reelm train lm demo_sound_first --workdir runs/sound-first --start-from runs/tasks --tokens runs/sound-tokens-first

Hardware: two CPU cores. Time: 116 minutes. It is a leg of recipes/demo.sh; `demo_sound` goes on from it.
"""

from dataclasses import replace

from reelm.data.tokens.mixture import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig

from . import demo_sound

# Weights of the same buckets as those of `demo_sound`.
_FIRST = (0.04, 0.48, 0.08, 0.06, 0.06, 0.08, 0.06, 0.14)

# A name is said within the first two latent frames. Words would give away which digit is shown or said, so it is
# learned without them, from many clips as short as that.
_SECOND: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=40, drop_text=0.8): 0.26,
    Bucket(frames=2, batch_size=24, drop_text=0.6): 0.14,
    Bucket(frames=5, batch_size=10): 0.20,
    Bucket(frames=9, batch_size=5): 0.03,
    Bucket(frames=5, batch_size=8, task="continues"): 0.03,
    Bucket(frames=8, batch_size=5, task="continues"): 0.03,
    Bucket(frames=5, batch_size=7, task="frames"): 0.05,
    Bucket(frames=5, batch_size=5, task="fills"): 0.04,
    Bucket(frames=2, batch_size=20, task="hears", drop_text=0.8): 0.18,
    Bucket(frames=5, batch_size=8, task="hears", drop_text=0.8): 0.04,
}

lm: LMRun = replace(
    demo_sound.lm,
    stages=(
        Stage(steps=2_778, buckets=demo_sound.lm.stages[0].buckets, weights=_FIRST),
        Stage(buckets=tuple(_SECOND), weights=tuple(_SECOND.values())),
    ),
    loop=LoopConfig(steps=7_000, log_every=50, save_every=200),
)
