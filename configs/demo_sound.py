"""`demo_sound`: the language model of `demo_tasks` learns sound: names that a voice says, ticks of bounces.

    reelm train lm demo_sound_first --workdir runs/sound-first --start-from runs/tasks --tokens runs/sound-tokens-first
    reelm train lm demo_sound --workdir runs/sound --start-from runs/sound-first --tokens runs/sound-tokens
    reelm train describer demo_sound --workdir runs/describer --tokens runs/sound-tokens

The tokens are those of `moving_digits_sound` with codes of sound, 5 audio frames beside each video frame.

Hardware: two CPU cores. Hours: 116 and 86 minutes for the language model, 34 minutes on about one core for the
describer.
Figures to expect: loss 0.64 of the language model; docs/results.md says what the whole model reaches.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.describer_config import DescriberConfig
from reelm.train.lm.config import LMRun
from reelm.train.lm.describer_config import DescriberRun
from reelm.train.run.config import LoopConfig

from . import demo, demo_tasks

_AUDIO = demo.audio_tokenizer.model

# A bounce is heard when it is seen, and two digits are hard to draw: most samples are whole clips from words. Clips
# that must show given pictures take longest to learn.
_BUCKETS: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=24): 0.03,
    Bucket(frames=5, batch_size=10): 0.42,
    Bucket(frames=9, batch_size=5): 0.06,
    Bucket(frames=5, batch_size=8, task="continuation"): 0.05,
    Bucket(frames=8, batch_size=5, task="continuation"): 0.09,
    Bucket(frames=5, batch_size=7, task="keyframes"): 0.17,
    Bucket(frames=5, batch_size=5, task="inpainting"): 0.10,
    Bucket(frames=5, batch_size=8, task="a2v"): 0.08,
}

lm: LMRun = replace(
    demo_tasks.lm,
    model=replace(
        demo.lm.model, sound_levels=_AUDIO.levels, sound_bits=_AUDIO.bits, sound_frames=(5, 20), sound_hidden=192
    ),
    stages=(Stage.of(_BUCKETS),),
    sound_decay=0.5,
    loop=LoopConfig(steps=4_800, log_every=50, save_every=200),
)

# The first leg uses these weights for the same buckets, then the buckets below. A name is spoken within the first two
# latent frames. Words would reveal the digit, so this is learned without words, from many short clips.
_FIRST = (0.04, 0.48, 0.08, 0.06, 0.06, 0.08, 0.06, 0.14)
_SECOND: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=40, caption_dropout=0.8): 0.26,
    Bucket(frames=2, batch_size=24, caption_dropout=0.6): 0.14,
    Bucket(frames=5, batch_size=10): 0.20,
    Bucket(frames=9, batch_size=5): 0.03,
    Bucket(frames=5, batch_size=8, task="continuation"): 0.03,
    Bucket(frames=8, batch_size=5, task="continuation"): 0.03,
    Bucket(frames=5, batch_size=7, task="keyframes"): 0.05,
    Bucket(frames=5, batch_size=5, task="inpainting"): 0.04,
    Bucket(frames=2, batch_size=20, task="a2v", caption_dropout=0.8): 0.18,
    Bucket(frames=5, batch_size=8, task="a2v", caption_dropout=0.8): 0.04,
}

lm_demo_sound_first: LMRun = replace(
    lm,
    stages=(
        Stage(steps=2_778, buckets=tuple(_BUCKETS), weights=_FIRST),
        Stage.of(_SECOND),
    ),
    loop=LoopConfig(steps=7_000, log_every=50, save_every=200),
)

describer = DescriberRun(
    model=DescriberConfig(
        bits=18, sound_levels=_AUDIO.levels, sound_bits=_AUDIO.bits, sound_frames=(5, 20), frames=3, width=60
    ),
    tokens=(Path("runs/sound-tokens"),),
    seen_alone=0.6,  # pictures take longer to learn than the few voices
    loop=LoopConfig(steps=14_000),
)
