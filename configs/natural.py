"""`natural`: tokenizers for real footage and any sound that encode and decode on two CPU cores.

    reelm train video-tokenizer natural --workdir runs/natural --data.dataset NAME
    reelm train video-tokenizer natural30 --workdir runs/natural30 --data.dataset NAME
    reelm train audio-tokenizer natural --workdir runs/sound

12.6 M parameters, 18 bits, 4 x 8 x 8: a clip of 17 x 128 x 128 is 1,280 codes, 0.083 bits a pixel. Patches of 4 x 4 x 4
in front and depth-to-space behind keep all layers at a quarter of the side or less: about 43 GFLOP for encoding and
decoding such a clip. The encoder sees one group of frames at a time, but for two groups where it halves the side.

Clips of 25 frames: trained on few latent frames, the decoder's colours drift in longer films. A fresh net learns faster
from short clips first, and gets sharper by a leg with LPIPS; recipes/natural.sh has the commands.

Hardware: one core of an AMD EPYC (Zen 5). Hours: two for all three legs, 74 minutes for this one. Figures to expect on
films never trained on: LPIPS 0.475 and PSNR 23.30 dB after this leg, 0.446 and 23.33 dB after the leg with LPIPS.

`natural30` and `natural18`, untrained: nets that retouch a transform, 0.139 and 0.083 bits a pixel. The run first sorts
patches of the first batches into classes, fits a transform to each, and a filter that hides the borders of patches: ten
minutes on one core. With 30 bits that alone rebuilds films never trained on at 26.6 dB. The first rows of `levels` are
for flat patches: nearly all their bits are those of one colour. The loss is the logarithm of each clip's error, so what
is flat stays flat.

Sound: 5.3 M parameters, 50 audio frames a second. Hours: one and a quarter for this leg. The legs after it give high
pitches bits of their own, make speech clearer and add three blocks: 7.0 M parameters, six hours for all seven. Figures
to expect on unseen speech after all of them: a mel distance of 0.31 at 3 kbit/s, where Opus at 6 has 0.52.
"""

from dataclasses import replace

from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.run.loop import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import AudioTokenizerRun, SoundData, SoundLossWeights
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoTokenizerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=18,
        patch=(4, 4, 4),
        encoder_channels=(96, 256),
        decoder_channels=(96, 256),
        strides=((1, 2),),
        encoder_blocks=2,
        decoder_blocks=3,
        encoder_kernel=(1, 3, 3),
        decoder_kernel=(2, 3, 3),
        background=0.0,
    ),
    data=ClipData(frames=25, source_frames=33, crop=48, stills=2, still_crop=96, mirror=True, reverse=True),
    losses=LossWeights(commitment=0.1, sample_entropy=0.005, batch_entropy=0.02),
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup=200, betas=(0.9, 0.99), ema=0.999),
    batch_size=3,
    loop=LoopConfig(steps=4_000, log_every=50, save_every=500, sample_every=1_000),
)

video_tokenizer_natural30 = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=30,
        patch=(4, 4, 4),
        encoder_channels=(32, 128),
        decoder_channels=(64, 160),
        strides=((1, 2),),
        encoder_blocks=1,
        decoder_blocks=2,
        encoder_kernel=(1, 3, 3),
        decoder_kernel=(2, 3, 3),
        background=0.0,
        levels=(
            (8, 7, 7),
            (6, 6, 5, 2, 2, 1),
            (5, 5, 4, 2, 2, 2, 1, 1),
            (5, 4, 4, 3, 2, 2, 1, 1),
            (5, 4, 4, 3, 3, 2, 1),
            (5, 4, 3, 3, 3, 2, 1, 1),
            (4, 4, 3, 3, 3, 2, 2, 1),
            (4, 3, 3, 3, 2, 2, 2, 1, 1, 1),
        ),
    ),
    data=ClipData(frames=17, source_frames=33, crop=64, stills=2, still_crop=96, plain=1, mirror=True, reverse=True),
    losses=LossWeights(reconstruction=0, log_error=1, commitment=0, sample_entropy=0, batch_entropy=0),
    optimizer=OptimizerConfig(learning_rate=1e-3, muon=0.01, warmup=100, betas=(0.9, 0.99), ema=0.998),
    batch_size=4,
    loop=LoopConfig(steps=12_000, log_every=25, save_every=250, sample_every=2_000),
)

video_tokenizer_natural18 = replace(
    video_tokenizer_natural30,
    model=replace(
        video_tokenizer_natural30.model,
        bits=18,
        levels=((5, 3, 3), (4, 3, 2, 1, 1), (4, 2, 2, 2, 1), (3, 2, 2, 2, 1, 1)),
    ),
)

# 50 audio frames a second of 120 bits: 6 kbit/s; the first six levels are 3, the first three 1.5. Frames of 320 samples
# divide video frames of 8, 10, 12, 24, 25, 30, 50 and 60 fps at sample rates from 15,360 to 19,200.
audio_tokenizer = AudioTokenizerRun(
    model=AudioTokenizerConfig(
        sample_rate=16_000,
        strides=(320,),
        encoder_channels=(320,),
        decoder_channels=(448,),
        encoder_blocks=3,
        decoder_blocks=4,
        levels=12,
        groups=6,
        bits=10,
        fewer_levels=(3, 6),
        loudness_bits=7,
        stretch=0.2,
    ),
    data=SoundData(dataset="any_sound", source_frames=1, hops=32, gains=(0.1, 1.4), tones=0.2),
    losses=SoundLossWeights(
        waveform=0, power=0, mel=2, mel_floor=1e-3, spectrum=3, loudness=1, commitment=0, batch_entropy=0
    ),
    optimizer=OptimizerConfig(learning_rate=2e-3, muon=0.015, warmup=50, betas=(0.9, 0.99), ema=0.999),
    batch_size=16,
    loop=LoopConfig(steps=9_000, log_every=50, save_every=500, sample_every=1_000),
)
