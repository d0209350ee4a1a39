"""`crafter`: a world model played with keys, small enough to train on two CPU cores and to ship: 72 x 72, 10 fps.

Tokenizer: 16 bits for a tile of 8 x 8 pixels of one frame. Neither encoder nor decoder sees beyond its tile, so a code
is a tile of the game, independent of its position and its neighbours.

Language model: 2.3 M parameters, without words. The keys of a frame are added to the slots that predict its codes.

    reelm data build crafter
    reelm train video-tokenizer crafter --workdir runs/crafter/video-tokenizer
    reelm train lm crafter --workdir runs/crafter/lm --video-tokenizer runs/crafter/video-tokenizer

Hardware: two cores of an AMD EPYC (Zen 5), shared with other work. Hours: a third for the tokenizer, two and three
quarters for the language model in four legs. Expected figures in training: PSNR 46 dB after the first leg of the
tokenizer, loss 0.07 nats a code in later frames.
recipe.sh has every leg.
"""

from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.net.config import LMConfig
from reelm.lm.tasks import Task
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun

from .game import KEYS

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=16,
        patch=(1, 8, 8),
        encoder_channels=(256,),
        encoder_blocks=2,
        encoder_kernel=(1, 1, 1),
        decoder_channels=(256,),
        decoder_blocks=3,
        decoder_kernel=(1, 1, 1),
    ),
    data=ClipData(dataset="crafter", source_frames=64, frames=2, crop=72),
    losses=LossWeights(commitment=0.25, sample_entropy=0.005, batch_entropy=0.02),
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup=50, betas=(0.9, 0.99), ema=0.998),
    batch_size=8,
    loop=LoopConfig(steps=2_400, log_every=100, save_every=600, sample_every=1_200),
)

_WORLD: Task = "world"

lm = LMRun(
    model=LMConfig(
        bits=16,
        text_vocabulary=512,
        prefix=8,
        frames=8,
        width=192,
        layers=4,
        heads=4,
        kv_heads=2,
        head_width=48,
        hidden=512,
        keys=KEYS,
        grid=(9, 9),
    ),
    tokens=(Path("runs/crafter/tokens"),),
    stages=(
        Stage(
            buckets=(
                Bucket(frames=3, batch_size=12, task=_WORLD),
                Bucket(frames=4, batch_size=8, task=_WORLD),
                Bucket(frames=8, batch_size=4, task=_WORLD),
            ),
            weights=(0.6, 0.2, 0.2),
        ),
    ),
    first_frame=0.05,
    last_frame_dropout=1.0,
    noise_augmentation=0.05,
    optimizer=OptimizerConfig(learning_rate=3e-3, muon=0.02, warmup=100, ema=0.998),
    loop=LoopConfig(steps=7_500, log_every=25, save_every=100, sample_every=0),
)
