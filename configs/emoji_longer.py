"""`emoji_longer` and `emoji_steered`: what `emoji` learns after its first training: to compose, to draw twice as large,
and to be steered.

    reelm train lm emoji_longer --workdir runs/emoji/longer
    reelm train lm emoji_longer --workdir runs/emoji/longest --start-from runs/emoji/longer --loop.seed 1
    reelm train video-tokenizer emoji_longer --workdir runs/emoji/larger --start-from runs/emoji/sharper
    reelm train lm emoji_steered --workdir runs/emoji/steered

Language model: it composes, as emoji in skin tones that it never saw them in. Up to six in ten of the codes that the
net reads are wrong ones. Where clips are few, the codes so far soon give away which clip it is, and the net goes on
from memory; where they cannot be trusted, it has to read the words to the end.

Decoder: 128 x 128 of the same codes, so that the language model stays as it is. There are only 2,109 clips: the codes
say which one it is, and the decoder, which sees all places of a latent frame, knows how that looks. Its finer stage has
four places along each side of a code, of 4 x 4 pixels. recipes/emoji.sh goes on with LPIPS.

Specialist: a language model of its own for edges, a camera and a motion score, so that the first one stays as it is. It
starts from the model that ships. Its token sets are of `animated_emoji` with `--controls edges motion`, of
`animated_emoji_camera` with `--controls edges motion view`, and of `animated_emoji_pace` with `--controls motion`. In
the last one an emoji moves more or less than it does by nature.

Hardware: two CPU cores. Hours: 55 minutes for each language model; on one core, 84 minutes for the decoder and 156 for
the specialist. Figures to expect: of held-out pairs 59% come out right after both, and 64% with guidance; 39% before.
Held-out clips that are rebuilt are 24 dB from the art at 128 x 128.
"""

from dataclasses import replace
from pathlib import Path

from reelm.data.tokens.mixture import Bucket, Stage
from reelm.train.lm.config import LMRun
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.video_config import ClipData, VideoTokenizerRun

from . import emoji

video_tokenizer: VideoTokenizerRun = replace(
    emoji.video_tokenizer,
    model=replace(
        emoji.video_tokenizer.model, decoder_scale=2, decoder_split=2, decoder_channels=(48, 160), decoder_finish=24
    ),
    data=ClipData(dataset="animated_emoji", source_frames=25, frames=25, crop=128),
    optimizer=OptimizerConfig(learning_rate=6e-3, muon=0.02, schedule="constant", warmup=20, ema=0.98),
    batch_size=8,
    freeze_encoder=True,
    loop=LoopConfig(steps=860, log_every=25, save_every=100),
)

lm: LMRun = replace(
    emoji.lm,
    start_from=Path("runs/emoji/lm"),
    stages=emoji.lm.stages[-1:],
    corrupt=0.6,
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.012, warmup=50, ema=0.998),
    loop=LoopConfig(steps=1_300, log_every=50, save_every=100),
)

_STEERED: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=48): 0.15,
    Bucket(frames=4, batch_size=16): 0.65,
    Bucket(frames=4, batch_size=14, task="frames"): 0.12,
    Bucket(frames=3, batch_size=16, task="continues"): 0.08,
}

lm_emoji_steered: LMRun = replace(
    lm,
    model=replace(lm.model, structures=("edges", "view"), camera=True, motion=True),
    tokens=(Path("runs/emoji/steered"), Path("runs/emoji/camera"), Path("runs/emoji/pace")),
    start_from=Path("emoji"),
    stages=(Stage.of(_STEERED),),
    drop_control=0.1,
    remat="none",
    optimizer=OptimizerConfig(
        learning_rate=1.2e-3, muon=0.008, warmup=50, ema=0.998, schedule="warmup-stable-decay", decay=0.3
    ),
    loop=LoopConfig(steps=2_700, log_every=25, save_every=100),
)
