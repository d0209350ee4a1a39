"""`demo_sound`: the language model of `demo_tasks` gets sound: names that a voice says, ticks of bounces.

Its tokens are those of `moving_digits_sound` with codes of sound, 5 audio frames beside each video frame. Run it with
`--start-from demo`, or from the workdir of a language model of `demo_tasks`.
"""

from dataclasses import replace

from reelm.train.lm import LMRun
from reelm.train.loop import LoopConfig
from reelm.train.mixture import Bucket, Stage

from . import demo, demo_tasks

_AUDIO = demo.audio_tokenizer.model

_FIRST: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=24): 0.04,
    Bucket(frames=5, batch_size=10): 0.48,
    Bucket(frames=9, batch_size=5): 0.08,
    Bucket(frames=5, batch_size=8, task="continues"): 0.06,
    Bucket(frames=8, batch_size=5, task="continues"): 0.06,
    Bucket(frames=5, batch_size=7, task="frames"): 0.08,
    Bucket(frames=5, batch_size=5, task="fills"): 0.06,
    Bucket(frames=5, batch_size=8, task="hears"): 0.14,
}
# A name is said within the first two latent frames. Which digit is shown, or said, is learnt without words, which would
# give it away, and from many clips as short as that.
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
    demo_tasks.lm,
    model=replace(
        demo.lm.model, sound_levels=_AUDIO.levels, sound_bits=_AUDIO.bits, sound_frames=(5, 20), sound_hidden=192
    ),
    stages=(
        Stage(steps=2_778, buckets=tuple(_FIRST), weights=tuple(_FIRST.values())),
        Stage(buckets=tuple(_SECOND), weights=tuple(_SECOND.values())),
    ),
    sound_decay=0.5,
    loop=LoopConfig(steps=7_000, log_every=50, save_every=200),
)
