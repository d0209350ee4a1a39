"""`toys`: small rendered worlds from words, sound and pictures, by one language model that learns all tasks at once.

Video tokenizer: 48 bits for 4 frames of 16 x 16 pixels, 16 finite scalars of 8 levels (fsq), so a latent frame of
128 x 128 is 64 codes and a clip of 17 frames is 320. The encoder sees one patch at a time, so that the same patch has
the same code everywhere, which a language model learns sooner. The decoder draws each patch as 4 x 4 parts.

Audio tokenizer: 16 kHz, 40 audio frames a second of 4 codes of 8 bits; 5 audio frames for each video frame.

Language model: 10 M parameters, all tasks and inputs from the first step, each input dropped independently.

    reelm data build toys_close --clips 3000
    reelm train video-tokenizer toys --workdir runs/toys/video-tokenizer
    reelm train audio-tokenizer toys --workdir runs/toys/audio-tokenizer
    reelm train lm toys --workdir runs/toys/lm

recipe.sh has every leg.
"""

from pathlib import Path

from reelm.data.tokens.config import Bucket, Stage
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import AudioTokenizerRun, SoundData, SoundLossWeights
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=48,
        quantizer="fsq",
        patch=(4, 16, 16),
        encoder_channels=(384,),
        encoder_blocks=2,
        encoder_kernel=(1, 1, 1),
        decoder_channels=(48, 128),
        decoder_split=4,
        decoder_blocks=3,
        decoder_kernel=(2, 3, 3),
        background=0.2,
    ),
    data=ClipData(dataset="toys_close/3000", source_frames=17, frames=9, crop=64, mirror=True),
    losses=LossWeights(reconstruction=5.0, log_error=0.2),
    optimizer=OptimizerConfig(
        learning_rate=2e-3, muon=0.02, warmup=100, ema=0.995, schedule="warmup-stable-decay", decay=0.3
    ),
    batch_size=16,
    loop=LoopConfig(steps=1_800, log_every=50, save_every=250),
)

audio_tokenizer = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=16_000,
        strides=(100, 4),
        encoder_channels=(96, 192),
        decoder_channels=(96, 192),
        encoder_blocks=2,
        decoder_blocks=2,
        levels=4,
        groups=2,
        bits=8,
    ),
    data=SoundData(dataset="toys", source_frames=17, hops=20, gains=(0.8, 1.1), own_output=0.25),
    losses=SoundLossWeights(waveform=0.3, power=0.5, mel=2.0, spectrum=1.0),
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup=200, betas=(0.9, 0.99), ema=0.998),
    batch_size=16,
    loop=LoopConfig(steps=5_000, log_every=50, save_every=500, sample_every=0),
)

# The first latent frame determines the look of a toy, and training on it costs a fifth of a clip.
_BUCKETS: dict[Bucket, float] = {
    Bucket(frames=1, batch_size=40): 0.25,
    Bucket(frames=5, batch_size=10): 0.42,
    Bucket(frames=4, batch_size=10, task="continuation"): 0.08,
    Bucket(frames=5, batch_size=8, task="keyframes"): 0.08,
    Bucket(frames=5, batch_size=6, task="inpainting"): 0.05,
    Bucket(frames=5, batch_size=8, task="a2v"): 0.07,
    Bucket(frames=5, batch_size=6, task="retake"): 0.05,
}

lm = LMRun(
    model=LMConfig(
        bits=48,
        text_vocabulary=1024,
        prefix=72,
        frames=9,
        width=256,
        layers=6,
        heads=4,
        kv_heads=2,
        head_width=64,
        hidden=768,
        sound_levels=4,
        sound_bits=8,
        sound_frames=(5, 20),
        sound_hidden=192,
        picture_kinds=6,
        tracks=3,
        structures=("depth", "edges", "silhouette"),
        camera=True,
        motion=True,
    ),
    tokens=(Path("runs/toys/tokens"),),
    stages=(Stage.of(_BUCKETS),),
    caption_dropout=0.1,
    control_dropout=0.8,
    noise_augmentation=0.08,
    sound_decay=0.6,
    remat="none",
    optimizer=OptimizerConfig(
        learning_rate=2e-3, muon=0.015, warmup=100, ema=0.998, schedule="warmup-stable-decay", decay=0.3
    ),
    loop=LoopConfig(steps=20_000, log_every=50, save_every=250, sample_every=0),
)
