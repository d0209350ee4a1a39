"""`emoji_sharp`: continue the training of a tokenizer of `emoji` with LPIPS and a discriminator, for sharper pictures.

    reelm train video-tokenizer emoji_sharp --workdir runs/emoji/sharp --start-from runs/emoji/video-tokenizer

The recipe of `magvit2` at a size for two CPU cores. Hours: 30 minutes. Expected figures after 600 steps: LPIPS 0.254,
PSNR 21.79 dB. docs/models/emoji.md compares it with as many steps of only the reconstruction loss. It is not part of
the shipped model.
"""

from dataclasses import replace

from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import AdversaryConfig, VideoDiscriminatorConfig

from . import config

_PLAIN = config.video_tokenizer

video_tokenizer = replace(
    _PLAIN,
    data=replace(_PLAIN.data, frames=9),
    losses=replace(_PLAIN.losses, perceptual=1.0, perceptual_frames=2),
    adversary=AdversaryConfig(
        net=VideoDiscriminatorConfig(channels=(8, 16, 32, 64), halve_time=(False, True, True)),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup=20, betas=(0.0, 0.99)),
        weight=0.05,
        r1=1.0,
        start=50,
    ),
    optimizer=replace(_PLAIN.optimizer, learning_rate=2e-4, muon=0.003, warmup=20, ema=0.98),
    batch_size=4,
    freeze_encoder=True,
    loop=LoopConfig(steps=600, log_every=20, save_every=200, sample_every=600),
)
