"""`demo_steered`, `demo_stories`, `demo_looks`: specialists of `demo`, for what its first language model never learned.

    export REELM_HOME=...  # with the four files of MNIST in its folder mnist: so many hands are hard to learn by heart
    for set in steered_digits steered_pairs moving_digits_stories; do
        reelm data tokenize $set --video-tokenizer demo --audio-tokenizer demo -o runs/$set --controls silhouette motion
    done
    reelm train lm demo_steered --workdir runs/steered --tokens runs/steered_digits
    reelm train lm demo_steered --workdir runs/pairs --start-from runs/steered \
        --tokens runs/steered_digits runs/steered_pairs --loop.steps 1100
    reelm train lm demo_stories --workdir runs/stories --tokens runs/moving_digits_stories
    reelm data tokenize moving_digits_stories --video-tokenizer demo --audio-tokenizer demo -o runs/short_stories \
        --num-frames 5
    reelm train lm demo_looks --workdir runs/looks --start-from runs/stories \
        --tokens runs/moving_digits_stories runs/short_stories

The first follows tracks, silhouettes and a motion score, in two legs. The other shows whom pictures show, cuts to
another shot, and makes some seconds of a clip anew. Both start from the language model that ships, and need not keep
what it knows: a request goes to the first language model that was trained for all that it gives. `demo_looks` is a leg
that the shipped model has not made: it shows references at the places of a draft. First pictures then have the
handwriting more often, and later ones lose the digit more often.

Hardware: one core of an AMD EPYC (Zen 5), 106 and 58 minutes for the first, 250 for the other, 41 for `demo_looks`.
Loss to expect: 0.95, 1.0, 0.72 and 0.84.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.mixture import Bucket, Stage
from reelm.lm.control.structure import LOOKS
from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import demo_sound

_STEERED: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=24): 0.10,
    Bucket(frames=5, batch_size=10): 0.62,
    Bucket(frames=9, batch_size=5): 0.06,
    Bucket(frames=8, batch_size=5, task="continues"): 0.10,
    Bucket(frames=5, batch_size=7, task="frames"): 0.12,
}

# Who it is shows in the first latent frame: alone it is cheap, and most of what is learned of references.
_FIRST_FRAMES: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="shows"): 0.75,
    Bucket(frames=1, batch_size=24, task="cuts", references=0.8): 0.25,
}
_STORIES: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="shows"): 0.15,
    Bucket(frames=1, batch_size=24, task="cuts", references=0.8): 0.08,
    Bucket(frames=5, batch_size=8, task="shows"): 0.22,
    Bucket(frames=5, batch_size=7, task="cuts", references=0.8): 0.17,
    Bucket(frames=8, batch_size=4, task="continues", references=0.8): 0.06,
    Bucket(frames=5, batch_size=5, task="retakes"): 0.14,
    Bucket(frames=8, batch_size=3, task="retakes", later=True): 0.18,
}
# Where many hands are seen but once, none is learned by heart: one set has many clips, of two latent frames each.
_PLACED: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="shows"): 0.60,
    Bucket(frames=1, batch_size=24, task="cuts", references=0.8): 0.40,
}
_KEPT: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="shows"): 0.15,
    Bucket(frames=1, batch_size=24, task="cuts", references=0.8): 0.10,
    Bucket(frames=5, batch_size=8, task="shows"): 0.35,
    Bucket(frames=5, batch_size=7, task="cuts", references=0.8): 0.18,
    Bucket(frames=8, batch_size=4, task="continues", references=0.8): 0.06,
    Bucket(frames=5, batch_size=5, task="retakes"): 0.08,
    Bucket(frames=8, batch_size=3, task="retakes", later=True): 0.08,
}


lm: LMRun = replace(
    demo_sound.lm,
    model=replace(demo_sound.lm.model, text_vocabulary=612, tracks=2, structures=("silhouette",), motion=True),
    tokens=(Path("runs/steered_digits"),),
    start_from=Path("demo"),
    stages=(Stage.of(_STEERED),),
    drop_control=0.25,
    corrupt=0.1,
    remat="none",
    optimizer=OptimizerConfig(
        learning_rate=1.2e-3, muon=0.008, warmup=50, ema=0.998, schedule="warmup-stable-decay", decay=0.3
    ),
    loop=LoopConfig(steps=2_150, log_every=50, save_every=200),
)

lm_demo_stories: LMRun = replace(
    lm,
    model=replace(demo_sound.lm.model, text_vocabulary=612, picture_kinds=6),
    tokens=(Path("runs/moving_digits_stories"),),
    stages=(Stage.of(_FIRST_FRAMES, steps=4_750), Stage.of(_STORIES)),
    loop=LoopConfig(steps=6_250, log_every=50, save_every=200),
    drop_control=0.1,
)

lm_demo_looks: LMRun = replace(
    lm_demo_stories,
    model=replace(lm_demo_stories.model, structures=LOOKS),
    drop_control=0.25,
    tokens=(Path("runs/moving_digits_stories"), Path("runs/short_stories")),
    start_from=Path("runs/stories"),
    stages=(Stage.of(_PLACED, steps=450), Stage.of(_KEPT)),
    loop=LoopConfig(steps=900, log_every=50, save_every=100),
)
