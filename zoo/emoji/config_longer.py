"""`emoji_longer`: further training of `emoji`, to compose emoji with skin tones and to draw twice as large.

    reelm train lm emoji_longer --workdir runs/emoji/longer
    reelm train lm emoji_longer --workdir runs/emoji/longest --start-from runs/emoji/longer --loop.seed 1
    reelm train video-tokenizer emoji_longer --workdir runs/emoji/larger --start-from runs/emoji/sharper

Language model: it learns to compose emoji with skin tones that it never saw together. Up to six in ten of the codes
that the net reads are wrong. With few clips, the codes so far soon identify the clip, and the net continues from
memory; with unreliable codes it has to read the words to the end.

Decoder: 128 x 128 from the same codes, so that the language model does not change. There are only 2,109 clips: the
codes identify the clip, and the decoder, which sees all positions of a latent frame, knows its look. Its finest stage
has four positions along each side of a code, of 4 x 4 pixels. recipe.sh continues with LPIPS.

Hardware: two CPU cores. Hours: 55 minutes for each language model; on one core, 84 minutes for the decoder. Expected
figures: 59% of held-out pairs are right after both, and 64% with guidance; 39% before. Rebuilt held-out clips have 24
dB PSNR to the art at 128 x 128.
"""

from dataclasses import replace
from pathlib import Path

from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import ClipData, VideoTokenizerRun

from . import config

video_tokenizer: VideoTokenizerRun = replace(
    config.video_tokenizer,
    model=replace(
        config.video_tokenizer.model, decoder_scale=2, decoder_split=2, decoder_channels=(48, 160), decoder_finish=24
    ),
    data=ClipData(dataset="animated_emoji", source_frames=25, frames=25, crop=128),
    optimizer=OptimizerConfig(learning_rate=6e-3, muon=0.02, schedule="constant", warmup=20, ema=0.98),
    batch_size=8,
    freeze_encoder=True,
    loop=LoopConfig(steps=860, log_every=25, save_every=100),
)

lm: LMRun = replace(
    config.lm,
    start_from=Path("runs/emoji/lm"),
    stages=config.lm.stages[-1:],
    noise_augmentation=0.6,
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.012, warmup=50, ema=0.998),
    loop=LoopConfig(steps=1_300, log_every=50, save_every=100),
)
