"""`magvit2`: the video tokenizer of the MAGVIT-v2 paper, in size and recipe (arXiv 2310.05737, section 4, appendix A).

    reelm train video-tokenizer magvit2 --workdir runs/magvit2 --data.dataset NAME --mesh fsdp=2

199 M parameters: 128 channels x (1, 2, 2, 4), 4 residual blocks a stage, no patches. 17 x 128 x 128 become 5 x 16 x 16
codes of 18 bits, for about 9.1 TFLOP to encode and decode. The paper trains at batch 256, images first: `--data.frames
1` into a folder of its own, then this run with `--start-from THAT-FOLDER --inflate`.

Hardware: the batch wants tens of accelerators with 80 GB or more. The training step is compiled for 8 devices in the
tests, with fewer stages; it has not been run at this size, and no figures are claimed. The paper reports rFVD 8.62 on
UCF-101.

`vidtok`: fine-tune a VidTok (arXiv 2412.13061) from `reelm convert`, by default only its decoder.

    reelm convert vidtok_fsq_causal_488_262144.ckpt -o vidtok
    reelm train video-tokenizer vidtok --start-from vidtok --workdir runs/vidtok --data.dataset NAME

With a frozen encoder, codes and language models over them stay valid. `--no-freeze-encoder` trains both.
157.5 M parameters: 128 channels x (1, 2, 4, 4), codes of 18 bits for 4 x 8 x 8 pixels. Other files have other sizes:

    2^15 or 2^12 codes       --model.fsq-levels 8 8 8 8 8          or 8 8 8 8
    4 x 16 x 16 pixels       --model.channels 128 256 512 512 512 --model.encoder-halves 2 3

Hardware: the batch wants an accelerator with 80 GB. It has not been run at this size, and no figures are claimed.
Batch, steps and learning rate are those of the second stage of the paper.
"""

from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.vidtok.config import VidTokConfig
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import (
    AdversaryConfig,
    ClipData,
    LossWeights,
    VideoDiscriminatorConfig,
    VideoTokenizerRun,
)

_ADAM = OptimizerConfig(learning_rate=1e-4, warmup=1_000, betas=(0.0, 0.99), ema=0.999)

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=18,
        patch=(1, 1, 1),
        encoder_channels=(128, 256, 256, 512),
        decoder_channels=(128, 256, 256, 512),
        strides=((1, 2), (2, 2), (2, 2)),
        encoder_blocks=4,
        decoder_blocks=4,
        background=0.0,
    ),
    data=ClipData(frames=17, source_frames=17, crop=128, stills=64),
    losses=LossWeights(
        reconstruction=5.0,
        perceptual=0.1,
        commitment=0.25,
        sample_entropy=0.1,
        batch_entropy=0.1,
        entropy_boost=3.0,
        entropy_decay=2_000,
    ),
    adversary=AdversaryConfig(
        net=VideoDiscriminatorConfig(
            channels=(64, 128, 256, 256, 256, 256), halve_time=(False, True, True, False, False)
        ),
        optimizer=_ADAM,
        weight=0.1,
        r1=10.0,
        r1_every=16,
        lecam=0.001,
    ),
    optimizer=_ADAM,
    batch_size=256,
    dtype="bfloat16",
    loop=LoopConfig(steps=500_000, log_every=50, save_every=2_000, sample_every=5_000),
)

video_tokenizer_vidtok = VideoTokenizerRun(
    model=VidTokConfig(),
    data=ClipData(frames=17, source_frames=17, crop=256),
    losses=LossWeights(reconstruction=5.0, perceptual=0.1, perceptual_frames=4),
    optimizer=OptimizerConfig(learning_rate=1e-5, warmup=500, ema=0.999),
    batch_size=8,
    freeze_encoder=True,
    dtype="bfloat16",
    loop=LoopConfig(steps=30_000, log_every=50, save_every=1_000, sample_every=2_000),
)
