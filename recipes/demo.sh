#!/usr/bin/env bash
# demo: moving digits with sound, from nothing. It makes a model like the one that ships, not the same bits.
#
#   recipes/demo.sh          about 17 hours on two CPU cores
#   TOY=1 recipes/demo.sh    every leg at toy scale, in a few minutes
#
# Stop it at any line and start it again: it resumes there. Times are those of the shipped model's legs, on two cores of
# an AMD EPYC (Zen 5) that were mostly shared with other work. docs/models/demo.md lists them.
#
# The shipped model saw all of MNIST. Put its four files into $REELM_HOME/mnist (~/.cache/reelm/mnist by default).
# Without them every leg uses the compact part of MNIST that comes with reelm.

source "$(dirname "$0")/../zoo/leg.sh" demo

# A toy net compiles in seconds. It learns nothing.
video=$(toy --batch-size 2 --model.encoder-channels 8 --model.encoder-blocks 1 --model.decoder-channels 8 \
    --model.decoder-blocks 1 --data.frames 5 --data.crop 16 --loop.steps 1)
large=$(toy --model.decoder-channels 8 8)
audio=$(toy --batch-size 2 --model.encoder-channels 16 16 --model.decoder-channels 16 16 --model.levels 2 \
    --model.groups 2 --loop.steps 1)
lm=$(toy --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 --model.head-width 8 --model.hidden 16 \
    --model.text-vocabulary 320 --model.prefix 64 --loop.steps 1 --loop.sample-every 0)
hears=$(toy --model.sound-levels 2 --model.sound-hidden 8)
describer=$(toy --model.sound-levels 2 --model.width 12 --batch-size 2 --loop.steps 1)
few=$(toy --num-clips 8)
one=$(toy --clips 1)

# --- Pictures and words ---------------------------------------------------------------------------------------------

# The video tokenizer, with one stage in its decoder: 6,000 steps, 22 minutes.
coarse=(--model.decoder-split 1 --model.decoder-channels 128)
leg video-tokenizer reelm train video-tokenizer demo --workdir "$RUNS/video-tokenizer" "${coarse[@]}" $video

# Its codes of 131,072 clips. (The shipped model saw 28,672 of them up to step 6,000 of the next leg.)
leg tokens reelm data tokenize moving_digits --video-tokenizer "$RUNS/video-tokenizer" -o "$RUNS/tokens" \
    --num-clips 131072 $few

# The language model learns to draw from words: 13,000 steps, 3 hours. Loss 0.63 at the end.
# (The shares of the clip lengths and the length of the schedule changed several times on the way.)
leg words reelm train lm demo --workdir "$RUNS/words" --tokens "$RUNS/tokens" \
    --video-tokenizer "$RUNS/video-tokenizer" $lm

# Then every other task of pictures: key frames, masks, continuation. 4,700 steps, 109 minutes. Loss 0.44.
leg tasks reelm train lm demo_tasks --workdir "$RUNS/tasks" --start-from "$RUNS/words" --tokens "$RUNS/tokens" \
    --video-tokenizer "$RUNS/video-tokenizer" --caption-dropout 0.1 --loop.steps 4700 $lm

# The decoder goes on alone, on whole clips; the codes stay what they are. 7,500 steps, 59 minutes. PSNR 24.9 dB
# in training. (Of the shipped decoder the last 1,500 steps came at the end of its schedule.)
leg decoder reelm train video-tokenizer demo --workdir "$RUNS/decoder" --start-from "$RUNS/video-tokenizer" \
    --freeze-encoder "${coarse[@]}" --data.frames 17 --data.crop 64 --batch-size 8 --optimizer.learning-rate 1e-3 \
    --loop.steps 7500 $video

# A decoder with a finer stage, of four places for each code, draws the same codes sharper: 1,500 steps, 27 minutes on
# one core. Then it learns to begin a shot with nothing before it: 2,700 steps, 52 minutes. PSNR 25.9 dB in training.
# (Of the shipped decoder the coarse stage had 3,100 steps more before that, and all this came last.)
finer=(--freeze-encoder --data.frames 17 --data.crop 64 --batch-size 8 --optimizer.learning-rate 1e-3)
leg finer reelm train video-tokenizer demo --workdir "$RUNS/finer" --start-from "$RUNS/decoder" "${finer[@]}" \
    --optimizer.muon 0.02 --loop.steps 1500 $video $large
leg cuts reelm train video-tokenizer demo --workdir "$RUNS/cuts" --start-from "$RUNS/finer" "${finer[@]}" \
    --optimizer.muon 0.015 --data.cuts 0.125 --loop.steps 2700 $video $large

# --- Sound ----------------------------------------------------------------------------------------------------------

# The audio tokenizer, in two legs: 7,000 and 6,000 steps, 45 minutes together on one core.
leg audio-first reelm train audio-tokenizer demo --workdir "$RUNS/audio-first" --loop.steps 7000 $audio
leg audio-tokenizer reelm train audio-tokenizer demo --workdir "$RUNS/audio-tokenizer" \
    --start-from "$RUNS/audio-first" --optimizer.learning-rate 1e-3 --loop.steps 6000 $audio

# Codes of clips with sound: 20,480 and 40,960 with the compact part of MNIST, which an empty REELM_HOME stands for,
# and 40,960 with all of it.
both=(--video-tokenizer "$RUNS/cuts" --audio-tokenizer "$RUNS/audio-tokenizer")
leg sound-tokens-first env REELM_HOME="$RUNS/compact" reelm data tokenize moving_digits_sound "${both[@]}" \
    -o "$RUNS/sound-tokens-first" --num-clips 20480 $few
leg sound-tokens-compact env REELM_HOME="$RUNS/compact" reelm data tokenize moving_digits_sound "${both[@]}" \
    -o "$RUNS/sound-tokens-compact" --num-clips 40960 $few
leg sound-tokens reelm data tokenize moving_digits_sound "${both[@]}" \
    -o "$RUNS/sound-tokens" --num-clips 40960 $few

# The language model learns sound: 7,000 steps, 116 minutes.
leg sound-first reelm train lm demo_sound_first --workdir "$RUNS/sound-first" --start-from "$RUNS/tasks" \
    --tokens "$RUNS/sound-tokens-first" "${both[@]}" $lm $hears

# Every task with sound, short captions too: 4,800 steps, 86 minutes. Loss 0.64.
leg sound reelm train lm demo_sound --workdir "$RUNS/sound" --start-from "$RUNS/sound-first" \
    --tokens "$RUNS/sound-tokens-compact" "${both[@]}" $lm $hears

# More of what takes longest to learn, in two runs: pictures that must be shown (2,000 steps, 77 minutes), then words
# again (2,100 steps, 92 minutes). Losses 0.63 and 0.67.
leg longer reelm train lm demo_longer --workdir "$RUNS/longer" --start-from "$RUNS/sound" \
    --tokens "$RUNS/sound-tokens" "${both[@]}" --loop.steps 2000 $lm $hears
leg longest reelm train lm demo_longer --workdir "$RUNS/longest" --start-from "$RUNS/longer" \
    --tokens "$RUNS/sound-tokens" "${both[@]}" --stages.0.weights 0.02 0.43 0.06 0.03 0.13 0.15 0.10 0.08 \
    --noise-augmentation 0.08 --optimizer.learning-rate 1e-3 --optimizer.muon 0.007 --loop.steps 2100 $lm $hears

# The describer: 14,000 steps, 34 minutes on about one core.
leg describer-first reelm train describer demo_sound --workdir "$RUNS/describer-first" --tokens "$RUNS/sound-tokens" \
    $describer

# It learns more voices, of 67 speakers: 6,000 steps, 25 minutes of a core with other work. FSDD names a checkout of the
# Free Spoken Digit Dataset; flite and espeak-ng must be on the path. Without FSDD it hears the voices that ship once
# more.
if [ -n "${FSDD:-}" ]; then
    leg more-voices python -m reelm.data.moving_digits.more_voices --fsdd "$FSDD"
fi
leg voices-tokens reelm data tokenize moving_digits_voices "${both[@]}" -o "$RUNS/voices-tokens" \
    --num-clips 40960 --num-frames 9 $few
leg describer reelm train describer demo_sound --workdir "$RUNS/describer" --start-from "$RUNS/describer-first" \
    --tokens "$RUNS/voices-tokens" "$RUNS/sound-tokens" --optimizer.learning-rate 1.5e-3 --loop.steps 6000 $describer

# --- The model ------------------------------------------------------------------------------------------------------

# Its language model is the mean of three runs.
model=("${both[@]}" --describer "$RUNS/describer" --dtype int8 --cfg-scale 2 --sound-cfg-scale 3 --motion-cfg-scale 4 --min-p 0.02 0.2
    --motion-min-p 0 0.05)
leg first-lm reelm export "${model[@]}" --lm "$RUNS/sound" "$RUNS/longer" "$RUNS/longest" -o "$RUNS/first-lm"

# (The shipped model reads Chinese, too. Its 100 pieces of Chinese were added by code that is gone; what is trained here
# reads the first caption of a clip, which is English.)
english=(--model.text-vocabulary 512 --captions first)

# --- What steers ----------------------------------------------------------------------------------------------------

# A specialist goes on from that language model, for requests that it was never trained for: 2,150 steps, 106 minutes on
# one core. Its clips are drawn from all of MNIST, for few hands are learned by heart.
leg steered-tokens reelm data tokenize steered_digits "${both[@]}" -o "$RUNS/steered-tokens" \
    --controls silhouette motion --num-clips 8192 $few
leg steered reelm train lm demo_steered --workdir "$RUNS/steered" --start-from "$RUNS/first-lm" \
    --tokens "$RUNS/steered-tokens" "${english[@]}" $lm $hears
# Which of two tracks is whose is harder: 1,100 more steps, a third of them on clips of two digits.
leg steered-pairs reelm data tokenize steered_pairs "${both[@]}" -o "$RUNS/steered-pairs" \
    --controls silhouette motion --num-clips 4096 $few
leg steered-more reelm train lm demo_steered --workdir "$RUNS/steered-more" --start-from "$RUNS/steered" \
    --tokens "$RUNS/steered-tokens" "$RUNS/steered-pairs" --loop.steps 1100 "${english[@]}" $lm $hears

# --- Stories --------------------------------------------------------------------------------------------------------

# A second specialist shows whom pictures show, cuts, and makes seconds anew: 6,250 steps, 250 minutes on one
# core. (The shipped one saw all tasks from step 1,500 to 2,400, too, and had fewer retakes until step 5,350.)
leg stories-tokens reelm data tokenize moving_digits_stories "${both[@]}" -o "$RUNS/stories-tokens" \
    --num-clips 12288 $few
leg stories reelm train lm demo_stories --workdir "$RUNS/stories" --start-from "$RUNS/first-lm" \
    --tokens "$RUNS/stories-tokens" "${english[@]}" $lm $hears
leg export reelm export "${model[@]}" --lm "$RUNS/first-lm" --specialists "$RUNS/steered-more" "$RUNS/stories" \
    -o "$RUNS/model"

# What the shipped model reaches; docs/results.md has all figures.
#   one digit right 99.0% (held-out combinations 99.0%), two digits 78.0%; names said rightly 98.5%, 99.0% and 91.0%
leg evaluate-sound reelm evaluate generation --task sound --model "$RUNS/model" $one
#   the same digit in 93%, colour in 100%, direction in 94% after nine real frames
leg evaluate-continuation reelm evaluate generation --task continuation --model "$RUNS/model" $one
#   digit and colour of the last frame 90% with words, 87% without
leg evaluate-key-frames reelm evaluate generation --task key-frames --model "$RUNS/model" $one
#   96% of the frames within 2 pixels of a drawn path, 97% of shapes held out; silhouettes overlap by 63%
leg evaluate-steering reelm evaluate generation --task steering --model "$RUNS/model" $one
#   the handwriting of a reference nearest of 100 in 74%, digit, colour and direction right in 92%
leg evaluate-stories reelm evaluate generation --task stories --model "$RUNS/model" $one
#   PSNR 26.89 dB, SSIM 0.893
leg evaluate-pictures reelm evaluate reconstruction --model "$RUNS/model" $one
#   words right in 93.9% of the rebuilt clips, 96.7% of the originals
leg evaluate-tracks reelm evaluate reconstruction --data moving_digits_sound --model "$RUNS/model" $one

leg generate reelm generate "a red seven moves right" -o "$RUNS/seven.mp4" --model "$RUNS/model"
