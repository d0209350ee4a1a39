"""`300m`, `1b`, `8b`: the language model in the three sizes of VideoPoet (arXiv 2312.14125, section 5.2).

    reelm train lm 1b --workdir runs/1b --tokens TOKENS --text-encoder T5 --mesh fsdp=8

They read captions through the encoder of T5 v1.1 XL (width 2048, up to 64 tokens) in the folder T5, pictures as codes
of 18 bits, such as those of `magvit2`, and sound as codes of `speech_music`, 8 of 9 bits an audio frame. A clip of 17
frames at 8 fps and 128x128 is 5x16x16 = 1,280 codes and 5 + 4x20 = 85 audio frames; with 4 specials and 64 rows of text
in front it takes 1,433 positions (128x224: 2,393). Grouped-query attention with 8 key-value heads, so that up to 8
devices share the cache; factorised heads, 2 x 9 bits for pictures. A folder of `tokenizer/text/llm/point.py` in the
place of T5 reads captions through a language model: `--model.text-width 4096` for Llama 3 8B. `--text-encoder None
--model.text-width 0 --model.text-vocabulary 32000` learns words with the model, `--model.sound-levels 0
--model.sound-frames 0 0` is silent.

| | `300m` | `1b` | `8b` |
|---|---|---|---|
| width x layers | 1024 x 24 | 2048 x 20 | 4096 x 40 |
| heads x width, hidden | 16 x 64, 2816 | 16 x 128, 5632 | 32 x 128, 12288 |
| parameters | 331,160,576 | 1,057,092,608 | 8,026,220,544 |
| GB of weights, float32 / bfloat16 / int8 | 1.325 / 0.662 / 0.347 | 4.23 / 2.11 / 1.09 | 32.1 / 16.05 / 8.09 |
| GB of the cache of one clip, bfloat16 | 0.070 | 0.117 | 0.235 |
| GB of a state in training | 5.30 | 16.9 | 128.4 |

A state holds parameters, their average and Adam's two moments, 16 bytes a parameter, cut over fsdp x tensor; gradients
are 4 more. `reelm info 8b --mesh fsdp=8,tensor=8` says what each device holds.

None of them has been trained; no figures of quality or speed are claimed.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

from . import speech_music

_AUDIO = speech_music.audio_tokenizer.model

# Images first: they teach what things look like at a fifth of a clip's cost.
_IMAGES, _CLIPS = Bucket(frames=1, batch_size=1024), Bucket(frames=5, batch_size=256)

lm_300m = LMRun(
    model=LMConfig(
        bits=18,
        text_vocabulary=1,
        text_width=2048,
        prefix=68,
        frames=5,
        width=1024,
        layers=24,
        heads=16,
        kv_heads=8,
        head_width=64,
        hidden=2816,
        sound_levels=_AUDIO.levels,
        sound_bits=_AUDIO.bits,
        sound_frames=(5, 20),
        sound_hidden=1024,
    ),
    tokens=(Path("runs/tokens"),),
    text_encoder=Path("t5-v1_1-xl"),
    stages=(
        Stage(steps=50_000, buckets=(_IMAGES,)),
        Stage(buckets=(_IMAGES, _CLIPS), weights=(0.2, 0.8)),
    ),
    optimizer=OptimizerConfig(learning_rate=3e-4, warmup=2_000, betas=(0.9, 0.95), weight_decay=0.1, ema=0.9999),
    dtype="bfloat16",
    mesh=MeshSpec(data=1, fsdp=-1),
    loop=LoopConfig(steps=500_000, log_every=50, save_every=2_000, sample_every=10_000),
)

lm_1b = replace(
    lm_300m,
    model=replace(lm_300m.model, width=2048, layers=20, heads=16, head_width=128, hidden=5632),
    optimizer=replace(lm_300m.optimizer, learning_rate=2e-4),
    accumulate=2,
)

lm_8b = replace(
    lm_1b,
    model=replace(lm_1b.model, width=4096, layers=40, heads=32, hidden=12288),
    optimizer=replace(lm_1b.optimizer, learning_rate=1e-4),
    accumulate=4,
)
