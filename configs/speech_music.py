"""`speech_music`: an audio tokenizer for sound of any kind, 24 kHz stereo, 40 audio frames a second of 8 codes each.

    reelm train audio-tokenizer speech_music --workdir runs/speech_music

Meant for one GPU. No weights are shipped, and nothing was measured yet.
"""

from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio import AudioTokenizerRun, SoundData
from reelm.train.tokenizers.audio_discriminator import AudioDiscriminatorConfig
from reelm.train.tokenizers.audio_losses import SoundLossWeights

audio_tokenizer = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=24_000,
        channels=2,
        strides=(150, 4),
        encoder_channels=(384, 768),
        decoder_channels=(512, 1024),
        encoder_blocks=3,
        decoder_blocks=3,
        levels=8,
        groups=4,
        bits=9,
    ),
    data=SoundData(dataset="moving_digits_sound", source_frames=17, hops=40),
    losses=SoundLossWeights(adversarial=0.1, adversarial_from=10_000),
    discriminator=AudioDiscriminatorConfig(windows=(2048, 1024, 512, 256, 128), channels=32),
    optimizer=OptimizerConfig(learning_rate=3e-4, warmup=1_000, betas=(0.8, 0.99), ema=0.999),
    batch_size=64,
    loop=LoopConfig(steps=400_000, save_every=5_000, sample_every=5_000),
)
