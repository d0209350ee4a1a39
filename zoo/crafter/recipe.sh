#!/usr/bin/env bash
# crafter: a world that is played with keys, of the game Crafter.
#
#   zoo/crafter/recipe.sh         three hours and a half on two CPU cores; the game comes with EXTRAS=worlds
#   TOY=1 zoo/crafter/recipe.sh   every leg at toy scale, in a few minutes
#
# Stop it at any line and start it again: it resumes there. Times are from two cores of an AMD EPYC (Zen 5), shared with
# other work.

source "$(dirname "$0")/../leg.sh" crafter

video=$(toy --batch-size 2 --model.encoder-channels 8 --model.encoder-blocks 1 --model.decoder-channels 8 \
    --model.decoder-blocks 1 --loop.steps 1 --loop.sample-every 0)
lm=$(toy --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 --model.head-width 8 --model.hidden 16 \
    --loop.steps 1)
few=$(toy --episodes 1)
some=$(toy --num-clips 4)

# --- Data -----------------------------------------------------------------------------------------------------------

# 128 lands are played for training and 8 for tests, 1,024 frames in each: 12 minutes.
leg build reelm data build crafter $few
leg tiles reelm data build crafter_tiles

# --- Trainings ------------------------------------------------------------------------------------------------------

# The video tokenizer on pictures, 2,400 steps, 10 minutes. Of 144 kinds of tiles 19 share a code with another. (It began
# with 326 steps of 16 clips of 4 frames.)
leg pictures reelm train video-tokenizer crafter --workdir "$RUNS/pictures" $video

# The same on mosaics, where rare tiles are as frequent as grass: 1,200 steps, 5 minutes. 3 kinds still share a code.
leg video-tokenizer reelm train video-tokenizer crafter --workdir "$RUNS/video-tokenizer" --start-from "$RUNS/pictures" \
    --data.dataset crafter_tiles --optimizer.learning-rate 1e-3 --loop.steps 1200 $video
leg tokens reelm data tokenize crafter --video-tokenizer "$RUNS/video-tokenizer" -o "$RUNS/tokens" $some
leg held-out reelm data tokenize crafter --split test --video-tokenizer "$RUNS/video-tokenizer" -o "$RUNS/held-out" $some

trained=(--tokens "$RUNS/tokens" --held-out "$RUNS/held-out" --video-tokenizer "$RUNS/video-tokenizer")

# The language model in four legs, 7,500 steps, two hours and three quarters. First it knows distances alone: it learns
# that the land moves, and walks through trees. (Its schedule was one of 2,500 steps, and it was stopped there.)
whole=(--first-frame 1 --last-frame-dropout 0)
leg distances reelm train lm crafter --workdir "$RUNS/distances" --model.grid 0 0 --loop.steps 2075 "${whole[@]}" \
    "${trained[@]}" $lm

# Then it knows where a code is on the screen. (874 steps of a schedule of 1,700.)
leg places reelm train lm crafter --workdir "$RUNS/places" --start-from "$RUNS/distances" --loop.steps 874 \
    --optimizer.warmup 50 --optimizer.learning-rate 2e-3 --optimizer.muon 0.015 "${whole[@]}" "${trained[@]}" $lm

# Then frames that nobody can know cost less, and half of the last frames are predicted from those before alone. (300 and
# 1,214 steps of schedules of 3,000. Until here, no life was one of the player that runs into things.)
leg keys reelm train lm crafter --workdir "$RUNS/keys" --start-from "$RUNS/places" --loop.steps 1514 --last-frame-dropout 0.5 \
    --optimizer.warmup 30 --optimizer.learning-rate 2e-3 --optimizer.muon 0.015 "${trained[@]}" $lm

# Then all last frames. (680 and 2,400 steps. Seven of ten samples were of 48 lands where that player had most lives.)
leg lm reelm train lm crafter --workdir "$RUNS/lm" --start-from "$RUNS/keys" --loop.steps 3080 \
    --optimizer.warmup 30 --optimizer.learning-rate 2e-3 "${trained[@]}" $lm

# --- The model ------------------------------------------------------------------------------------------------------

leg export reelm export --video-tokenizer "$RUNS/video-tokenizer" --lm "$RUNS/lm" -o "$RUNS/model" --dtype int8 \
    --min-p 0.005

if [ -z "${TOY:-}" ]; then
    leg evaluate reelm evaluate generation --task world --model "$RUNS/model"
fi
