"""`natural`: tokenizers for real footage and any sound that encode and decode on two CPU cores.

    reelm train video-tokenizer natural --workdir runs/natural --data.dataset NAME
    reelm train audio-tokenizer natural --workdir runs/sound

Pictures: 36 bits, 4 x 8 x 8: a clip of 17 x 128 x 128 is 1,280 codes, 0.165 bits a pixel. There are no nets. The run
sorts patches of the first batches into 256 classes, and fits a transform to each class and a filter that hides the
borders of patches; its one step trains nothing. Linear algebra beat nets here: with 18 bits, nets of 12.6 M parameters
gave 23.3 dB after two hours, and 12 more bits gave them only 0.05 dB. Stages of `encoder_channels` and
`decoder_channels` add nets around the transform, whose output starts at zero. The first rows of `levels` are for flat
patches: nearly all of their bits are for one colour. `natural18` has half of the bits.

Hardware: one core of an AMD EPYC (Zen 5). Minutes: fifteen. Figures to expect on films never trained on are in
docs/results.md.

Sound: 5.3 M parameters, 50 audio frames a second. Hours: one and a quarter for this leg. Later legs add bits for high
pitches, make speech clearer and add three blocks: 7.0 M parameters, six hours for all seven. Expected figures on unseen
speech after all of them: a mel distance of 0.31 at 3 kbit/s; Opus at 6 kbit/s has 0.52.
"""

from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.tokenizers.audio_config import AudioTokenizerRun, SoundData, SoundLossWeights
from reelm.train.tokenizers.video_config import ClipData, FitConfig, LossWeights, VideoTokenizerRun
from reelm.train.upscaling.config import PairData, UpscalerRun

video_tokenizer = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=36,
        patch=(4, 8, 8),
        encoder_channels=(),
        decoder_channels=(),
        levels=(
            (8, 7, 7, 2, 2, 1, 1),
            (7, 6, 6, 2, 2, 2, 1, 1, 1),
            (6, 5, 5, 3, 3, 2, 2, 1, 1),
            (5, 5, 4, 3, 3, 2, 2, 2, 1, 1),
            (5, 4, 4, 3, 3, 3, 2, 2, 1, 1),
            (5, 4, 4, 3, 3, 2, 2, 2, 1, 1, 1),
            (4, 4, 3, 3, 3, 3, 2, 2, 2, 1, 1),
            (4, 4, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1),
        ),
    ),
    data=ClipData(frames=17, source_frames=33, crop=64, stills=2, still_crop=96, plain=1, mirror=True, reverse=True),
    fit=FitConfig(rounds=8, patches=100_000),
    losses=LossWeights(commitment=0, sample_entropy=0, batch_entropy=0),
    optimizer=OptimizerConfig(learning_rate=1e-3),
    batch_size=4,
    loop=LoopConfig(steps=1, log_every=1, save_every=1, sample_every=1),
)

# For any film. A second run with LPIPS follows, see recipe.sh.
upscaler = UpscalerRun(
    data=PairData(source_frames=9, frames=3, side=192, crops=4, crop=48, mirror=True),
    optimizer=OptimizerConfig(
        learning_rate=5e-4, muon=0.004, warmup=50, ema=0.995, schedule="warmup-stable-decay", decay=0.4
    ),
    batch_size=4,
    loop=LoopConfig(steps=800, log_every=25, save_every=100, sample_every=400),
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
