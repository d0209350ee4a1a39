"""`demo_steered` and `demo_stories`: specialists of `demo`, for what its first language model never learned.

    export REELM_HOME=...  # with the four files of MNIST in its folder mnist: so many hands are hard to learn by heart
    for set in steered_digits steered_pairs moving_digits_stories; do
        reelm data tokenize $set --video-tokenizer demo --audio-tokenizer demo -o runs/$set --controls silhouette motion
    done
    reelm train lm demo_steered --workdir runs/steered --tokens runs/steered_digits
    reelm train lm demo_steered --workdir runs/pairs --start-from runs/steered \
        --tokens runs/steered_digits runs/steered_pairs --loop.steps 1100
    reelm train lm demo_stories --workdir runs/stories --tokens runs/moving_digits_stories

The first follows tracks, silhouettes and a motion score, in two legs. The other shows whom pictures show, cuts to
another shot, and makes some seconds of a clip anew.
Both start from the language model that ships, and need not keep what it knows: a request goes to the first language
model that was trained for all that it gives.

Hardware: one core of an AMD EPYC (Zen 5), 106 and 58 minutes for the first, 250 for the other. Loss to expect:
0.95, 1.0 and 0.72.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import demo_sound

_STEERED: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=24): 0.10,
    Bucket(frames=5, batch_size=10): 0.62,
    Bucket(frames=9, batch_size=5): 0.06,
    Bucket(frames=8, batch_size=5, task="continuation"): 0.10,
    Bucket(frames=5, batch_size=7, task="keyframes"): 0.12,
}

# Who it is shows in the first latent frame: alone it is cheap, and most of what is learned of references.
_FIRST_FRAMES: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="reference"): 0.75,
    Bucket(frames=1, batch_size=24, task="shots", references=0.8): 0.25,
}
_STORIES: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=32, task="reference"): 0.15,
    Bucket(frames=1, batch_size=24, task="shots", references=0.8): 0.08,
    Bucket(frames=5, batch_size=8, task="reference"): 0.22,
    Bucket(frames=5, batch_size=7, task="shots", references=0.8): 0.17,
    Bucket(frames=8, batch_size=4, task="continuation", references=0.8): 0.06,
    Bucket(frames=5, batch_size=5, task="retake"): 0.14,
    Bucket(frames=8, batch_size=3, task="retake", later=True): 0.18,
}


lm: LMRun = replace(
    demo_sound.lm,
    model=replace(demo_sound.lm.model, text_vocabulary=612, tracks=2, structures=("silhouette",), motion=True),
    tokens=(Path("runs/steered_digits"),),
    start_from=Path("demo"),
    stages=(Stage.of(_STEERED),),
    control_dropout=0.25,
    noise_augmentation=0.1,
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
    control_dropout=0.1,
)
