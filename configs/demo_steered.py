"""`demo_steered`: the shipped language model of `demo` learns to be steered, to show whom pictures show, and Chinese.

    python -m reelm.data.moving_digits.text_pieces demo/text.model runs/text.model
    for set in moving_digits_stories steered_digits; do
        reelm data tokenize $set --video-tokenizer demo --audio-tokenizer demo -o runs/$set --controls silhouette motion
    done
    reelm train lm demo_steered --workdir runs/steered --start-from demo

The first command also writes what the Chinese pieces mean in English, with which they begin.

It follows tracks, silhouettes and a motion score, makes pictures for a sound, with words or without, and shots that
follow a cut, with references of those in them; it makes parts of a clip anew. All that it knew is trained on, too.

Hardware: one core of an AMD EPYC (Zen 5).
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.mixture import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import demo_sound

_BUCKETS: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=24): 0.02,
    Bucket(frames=5, batch_size=10, drop_control=0.9): 0.09,
    Bucket(frames=5, batch_size=10, drop_control=0.3): 0.26,
    Bucket(frames=9, batch_size=5, drop_control=0.5): 0.03,
    Bucket(frames=5, batch_size=8, task="continues"): 0.02,
    Bucket(frames=8, batch_size=5, task="continues", drop_control=0.4): 0.04,
    Bucket(frames=5, batch_size=7, task="frames"): 0.03,
    Bucket(frames=5, batch_size=5, task="fills"): 0.02,
    Bucket(frames=5, batch_size=8, task="hears", drop_text=0.6, drop_control=0.95): 0.14,
    # Who it is shows in the first latent frame: alone it is cheap, and most of what is learned of references.
    Bucket(frames=1, batch_size=24, task="shows", drop_control=0.95): 0.10,
    Bucket(frames=1, batch_size=20, task="cuts", references=0.8, drop_control=0.95): 0.06,
    Bucket(frames=5, batch_size=7, task="shows", drop_control=0.9): 0.04,
    Bucket(frames=5, batch_size=6, task="cuts", references=0.7, drop_control=0.9): 0.08,
    Bucket(frames=5, batch_size=5, task="retakes"): 0.04,
    Bucket(frames=8, batch_size=3, task="retakes", later=True): 0.03,
}

lm: LMRun = replace(
    demo_sound.lm,
    model=replace(
        demo_sound.lm.model, text_vocabulary=612, picture_kinds=6, tracks=2, structures=("silhouette",), motion=True
    ),
    tokens=(Path("runs/moving_digits_stories"), Path("runs/steered_digits")),
    text_pieces=Path("runs/text.model"),
    glossary=Path("runs/text.tsv"),
    stages=(Stage(buckets=tuple(_BUCKETS), weights=tuple(_BUCKETS.values()), token_weights=(0.6, 0.4)),),
    drop_control=0.7,
    corrupt=0.1,
    remat="none",
    optimizer=OptimizerConfig(learning_rate=1.2e-3, muon=0.008, warmup=50, ema=0.998),
    loop=LoopConfig(steps=3_500, log_every=50, save_every=100),
)
