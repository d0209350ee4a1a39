"""`demo`: small enough to train on two CPU cores and to ship inside the package.

    reelm train video-tokenizer demo --workdir runs/video-tokenizer
    reelm train lm demo --workdir runs/words --tokens runs/tokens --video-tokenizer runs/video-tokenizer
    reelm train audio-tokenizer demo --workdir runs/audio-tokenizer

Hardware: two cores of an AMD EPYC (Zen 5). Hours of the shipped model: 3 for the video tokenizer, of which the
decoder alone takes all but 22 minutes; 3 for the language model; 45 minutes on one core for the audio tokenizer.
Figures to expect, in training: PSNR 25.9 dB of the decoder after its last leg, loss 0.63 of the language model.
recipes/demo.sh has every leg, docs/models/demo.md every figure.
"""

from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import AudioTokenizerRun, SoundData
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=18,
        patch=(4, 8, 8),
        encoder_channels=(256,),
        encoder_blocks=2,
        encoder_kernel=(1, 1, 1),
        decoder_channels=(64, 128),
        decoder_split=2,
        decoder_blocks=3,
        decoder_kernel=(2, 3, 3),
    ),
    data=ClipData(dataset="moving_digits", source_frames=17, frames=9, crop=32),
    losses=LossWeights(commitment=0.25, sample_entropy=0.005, batch_entropy=0.02),
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup=200, betas=(0.9, 0.99), ema=0.998),
    batch_size=32,
    loop=LoopConfig(steps=6_000, log_every=50, save_every=1_000, sample_every=1_000),
)

# 40 audio frames a second: 5 for each video frame at 8 fps.
audio_tokenizer = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=16_000,
        strides=(100, 4),
        encoder_channels=(128, 224),
        decoder_channels=(128, 224),
        encoder_blocks=2,
        decoder_blocks=2,
        levels=8,
        groups=4,
        bits=8,
    ),
    data=SoundData(dataset="moving_digits_sound", source_frames=9, hops=20, whole_hops=True),
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup=200, betas=(0.9, 0.99), ema=0.998),
    batch_size=16,
    loop=LoopConfig(steps=13_000, log_every=50, save_every=500, sample_every=1_000),
)

_IMAGES = Bucket(frames=1, batch_size=32)
_ALL = (_IMAGES, Bucket(frames=5, batch_size=12), Bucket(frames=9, batch_size=8))

lm = LMRun(
    model=LMConfig(
        bits=18,
        text_vocabulary=512,
        prefix=24,
        frames=9,
        width=192,
        layers=6,
        heads=4,
        kv_heads=2,
        head_width=48,
        hidden=512,
    ),
    tokens=(Path("runs/tokens"),),
    stages=(
        Stage(steps=1_500, buckets=(_IMAGES,)),
        Stage(steps=2_000, buckets=(_IMAGES, Bucket(frames=3, batch_size=16)), weights=(0.25, 0.75)),
        Stage(steps=8_000, buckets=_ALL, weights=(0.75, 0.2, 0.05)),
        Stage(buckets=_ALL, weights=(0.5, 0.4, 0.1)),
    ),
    optimizer=OptimizerConfig(learning_rate=3e-3, muon=0.02, warmup=100, ema=0.998),
    loop=LoopConfig(steps=13_000, log_every=50, save_every=500),
)
