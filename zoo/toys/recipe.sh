#!/usr/bin/env bash
# toys: words, sounds and pictures to small lit worlds with physics, sound and a camera.
#
#   zoo/toys/recipe.sh          every leg; what it reads is drawn by a program, from seeds
#   LARGE=1 zoo/toys/recipe.sh  larger nets for one accelerator, each training for some minutes
#   TOY=1 zoo/toys/recipe.sh    every leg at toy scale, in a few minutes
#
# Stop it at any line and start it again: it resumes there.

source "$(dirname "$0")/../leg.sh" toys

# With seconds in the place of steps a learning rate cannot fall in time, so the average of the weights does its work.
timed="--optimizer.schedule constant --optimizer.ema 0.999 --loop.steps 1000000 --loop.save-every 1000 --loop.max-seconds"
video=$(large --batch-size 64 --dtype bfloat16 --model.decoder-channels 96 256 $timed 180)
audio=$(large --batch-size 64 $timed 60)
lm=$(large --dtype bfloat16 --batch-scale 8 --model.width 384 --model.layers 8 --model.heads 6 --model.kv-heads 2 \
    --model.hidden 1024 $timed 300)
count=3000
tokens=20000

video+=" "$(toy --data.dataset toys_close/2 --batch-size 2 --model.encoder-channels 8 --model.encoder-blocks 1 \
    --model.decoder-channels 8 8 --model.decoder-blocks 1 --loop.steps 1)
audio+=" "$(toy --batch-size 2 --model.encoder-channels 16 16 --model.decoder-channels 16 16 --loop.steps 1)
lm+=" "$(toy --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 --model.head-width 8 --model.hidden 16 \
    --model.sound-hidden 8 --model.text-vocabulary 700 --batch-scale 0.5 --loop.steps 1)
if [ -n "${TOY:-}" ]; then
    count=2 tokens=8
fi

# --- Tokenizers -----------------------------------------------------------------------------------------------------

# Pieces of clips.
leg build reelm data build toys_close --clips $count

# The video tokenizer, on pieces of clips.
leg video-tokenizer reelm train video-tokenizer toys --workdir "$RUNS/video-tokenizer" $video

# The audio tokenizer.
leg audio-tokenizer reelm train audio-tokenizer toys --workdir "$RUNS/audio-tokenizer" $audio

# --- The language model ---------------------------------------------------------------------------------------------

both=(--video-tokenizer "$RUNS/video-tokenizer" --audio-tokenizer "$RUNS/audio-tokenizer")
leg tokens reelm data tokenize toys "${both[@]}" -o "$RUNS/tokens" --num-clips $tokens --num-frames 17 \
    --controls depth edges silhouette motion
leg lm reelm train lm toys --workdir "$RUNS/lm" --tokens "$RUNS/tokens" "${both[@]}" $lm

# --- The model ------------------------------------------------------------------------------------------------------

leg export reelm export "${both[@]}" --lm "$RUNS/lm" -o "$RUNS/model" --dtype int8 --min-p 0.02 --cfg-scale 2

if [ -z "${TOY:-}" ]; then
    leg judge python -m reelm.zoo.toys.train_judge
    leg evaluate reelm evaluate generation --task toys --model "$RUNS/model"
fi
