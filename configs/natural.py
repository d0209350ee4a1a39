"""`natural`: a video tokenizer for real footage that encodes and decodes on two CPU cores.

    reelm train video-tokenizer natural --workdir runs/natural --data.dataset NAME

15.8 M parameters, 18 bits, 4 x 8 x 8: a clip of 17 x 128 x 128 is 1,280 codes, 0.083 bits a pixel. Patches of 4 x 4 in
front and depth-to-space behind keep the first layers, which dominate time and memory, at a quarter of the side; time is
halved late, twice. About 130 GFLOP for encoding and decoding such a clip.

Hardware: written for one GPU in bfloat16; the training has not been run, so no figures of quality are given here.
Images first, as in the paper: `--data.frames 1 --batch-size 64` into a folder of its own, then this run with
`--start-from THAT-FOLDER --inflate`. LPIPS wants its weights fetched once; the message says how when they are absent.
"""

from reelm.tokenizer.video import VideoTokenizerConfig
from reelm.train.adversarial import AdversaryConfig
from reelm.train.discriminator import DiscriminatorConfig
from reelm.train.loop import LoopConfig
from reelm.train.losses import LossWeights
from reelm.train.optimizer import OptimizerConfig
from reelm.train.video_tokenizer import ClipData, VideoTokenizerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=18,
        patch=(1, 4, 4),
        encoder_channels=(64, 128, 160),
        decoder_channels=(128, 160, 176),
        strides=((2, 2), (2, 1)),
        encoder_blocks=2,
        decoder_blocks=2,
        background=0.0,
    ),
    data=ClipData(frames=17, source_frames=33, crop=64, stills=8, mirror=True, reverse=True, speeds=(1, 2)),
    losses=LossWeights(perceptual=0.1, perceptual_frames=2, entropy_boost=3.0, entropy_decay=2_000),
    adversary=AdversaryConfig(
        net=DiscriminatorConfig(channels=(32, 64, 128, 128), halve_time=(False, True, True)), start=5_000
    ),
    optimizer=OptimizerConfig(learning_rate=3e-4, warmup=1_000, betas=(0.9, 0.99), ema=0.999),
    batch_size=16,
    dtype="bfloat16",
    loop=LoopConfig(steps=100_000, log_every=50, save_every=2_000, sample_every=2_000),
)
