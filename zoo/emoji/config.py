"""`emoji`: animated emoji from words, small enough to train on two CPU cores and to ship: 64 x 64, 8 fps.

Tokenizer: 27 bits for 8 frames of 8 x 8 pixels, background white; a clip of 25 frames, a loop of three seconds, is 256
codes. The encoder sees one patch at a time, so that the same patch has the same code in every emoji and skin tone,
which a language model learns sooner. Its decoder is trained further on whole clips with LPIPS. The shipped decoder
draws the same codes at 128 x 128; see `emoji_longer`.

Language model: 5.7 M parameters. It reads captions through the Universal Sentence Encoder lite: the embedding of the
sentence, then up to 19 tokens.

    reelm train video-tokenizer emoji --workdir runs/emoji/video-tokenizer
    reelm train lm emoji --workdir runs/emoji/lm --video-tokenizer runs/emoji/video-tokenizer

Hardware: two cores of an AMD EPYC (Zen 5). Hours: 17 minutes for the tokenizer, 83 for the language model. Figures to
expect: 39% of held-out pairs of an emoji and a skin tone right, 64% after `emoji_longer` with guidance.
recipe.sh has every leg.
"""

from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun
from reelm.train.upscaling.config import PairData, UpscalerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=27,
        patch=(8, 8, 8),
        encoder_channels=(256,),
        encoder_blocks=2,
        encoder_kernel=(1, 1, 1),
        decoder_channels=(160,),
        decoder_blocks=4,
        decoder_kernel=(2, 3, 3),
        background=1.0,
    ),
    data=ClipData(dataset="animated_emoji/64px_8fps", source_frames=25, frames=17, crop=64),
    losses=LossWeights(commitment=0.25, sample_entropy=0.005, batch_entropy=0.05),
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.02, warmup=100, betas=(0.9, 0.99), ema=0.998),
    batch_size=24,
    loop=LoopConfig(steps=900, log_every=50, save_every=200, sample_every=400),
)

_IMAGES = Bucket(frames=1, batch_size=64)
_CLIPS = Bucket(frames=4, batch_size=24)
# Inputs of a clip: some of its frames, all but a part of it, or the frames before it.
_TASKS = (
    Bucket(frames=4, batch_size=20, task="keyframes"),
    Bucket(frames=4, batch_size=12, task="inpainting"),
    Bucket(frames=3, batch_size=24, task="continuation"),
)

lm = LMRun(
    model=LMConfig(
        bits=27,
        text_vocabulary=1,
        text_width=512,
        prefix=24,
        frames=4,
        width=256,
        layers=5,
        heads=4,
        kv_heads=2,
        head_width=64,
        hidden=640,
    ),
    tokens=(Path("runs/emoji/tokens"),),
    captions="first",  # the plain caption; prompt retrieval maps all other words to it
    text_encoder=Path("runs/text-encoder"),
    stages=(
        Stage(steps=400, buckets=(_IMAGES,)),
        Stage(steps=800, buckets=(_IMAGES, _CLIPS, *_TASKS), weights=(0.3, 0.56, 0.05, 0.04, 0.05)),
        # The look of an emoji is learnt later than its motion, and emoji without skin tones are seen least.
        Stage(buckets=(_IMAGES, _CLIPS, *_TASKS), weights=(0.4, 0.48, 0.04, 0.04, 0.04)),
    ),
    caption_dropout=0.1,
    noise_augmentation=0.05,
    optimizer=OptimizerConfig(learning_rate=3e-3, muon=0.02, warmup=100, ema=0.998),
    loop=LoopConfig(steps=2_500, log_every=50, save_every=250),
)

# From 128 x 128 to 256 x 256, trained on original clips and on clips rebuilt by the shipped tokenizer. A second run
# with LPIPS follows, see recipe.sh.
upscaler = UpscalerRun(
    data=PairData(
        dataset="animated_emoji/256px_8fps",
        source_frames=25,
        frames=9,
        side=256,
        crops=8,
        crop=48,
        rebuilt=0.3,
        flips=0.02,
    ),
    rebuilt_by=Path("emoji"),
    optimizer=OptimizerConfig(
        learning_rate=5e-4, muon=0.004, warmup=50, ema=0.995, schedule="warmup-stable-decay", decay=0.4
    ),
    batch_size=2,
    loop=LoopConfig(steps=2_000, log_every=25, save_every=100, sample_every=500),
)
