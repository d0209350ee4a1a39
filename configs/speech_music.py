"""`speech_music`: an audio tokenizer for sound of any kind, 24 kHz stereo, 40 audio frames a second of 8 codes each.

    reelm train audio-tokenizer speech_music --workdir runs/speech_music

The nets of `natural`, wider, and with a discriminator of five short-time spectra. Meant for one GPU. No weights are
shipped, and nothing was measured yet.
"""

from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import AudioDiscriminatorConfig, AudioTokenizerRun, SoundData, SoundLossWeights

audio_tokenizer = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=24_000,
        channels=2,
        strides=(600,),
        encoder_channels=(768,),
        decoder_channels=(1024,),
        encoder_blocks=6,
        decoder_blocks=8,
        levels=8,
        groups=4,
        bits=9,
        fewer_levels=(2, 4),
        loudness_bits=7,
    ),
    data=SoundData(dataset="any_sound", source_frames=1, hops=40, gains=(0.1, 1.4), tones=0.2),
    losses=SoundLossWeights(
        waveform=0,
        power=0,
        mel_floor=1e-3,
        spectrum=3,
        commitment=0,
        batch_entropy=0,
        adversarial=0.1,
        adversarial_from=10_000,
    ),
    discriminator=AudioDiscriminatorConfig(windows=(2048, 1024, 512, 256, 128), channels=32),
    optimizer=OptimizerConfig(learning_rate=3e-4, muon=0.01, warmup=1_000, betas=(0.8, 0.99), ema=0.999),
    batch_size=64,
    loop=LoopConfig(steps=400_000, save_every=5_000, sample_every=5_000),
)
