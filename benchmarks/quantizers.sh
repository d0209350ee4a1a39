#!/usr/bin/env bash
# LFQ, BSQ and FSQ at equal net, bits and steps: nine trainings for each data set, three seeds each, and a table.
#
#   benchmarks/quantizers.sh         about an hour and a half of one CPU core
#   TOY=1 benchmarks/quantizers.sh   every leg at toy scale; FILMS are left out
#
# Stop it at any line and start it again: it resumes there. FILMS names a folder with train/ and test/, such as
# zoo/natural/recipe.sh makes at $RUNS/footage. Without it, moving digits alone are compared.

source "$(dirname "$0")/../zoo/leg.sh" quantizers

small=$(toy --batch-size 2 --model.encoder-channels 8 --model.encoder-blocks 1 --model.decoder-channels 8 \
    --model.decoder-blocks 1 --data.frames 5 --data.crop 16 --loop.steps 1)
net="--model.decoder-split 1 $(full --model.decoder-channels 64 --model.decoder-blocks 2 --loop.steps 1500)"
quantizers="lfq bsq fsq"

# A net like demo's at 18 bits, since the transform of natural is a quantizer of its own; no LPIPS in the losses.
if [ -n "${FILMS:-}" ]; then
    leg build reelm data build "$FILMS/train" --name films --data-dir "$RUNS/sets" --resolution 168 --fps 24 \
        --lengths 1 33 --test-share 0
fi

for seed in $(toy 0) $(full 0 1 2); do
    for quantizer in $quantizers; do
        leg "digits-$quantizer-$seed" reelm train video-tokenizer demo --workdir "$RUNS/digits-$quantizer-$seed" \
            --model.bits 18 --model.quantizer "$quantizer" --loop.seed "$seed" \
            $(full --batch-size 16) $net $small
        [ -z "${FILMS:-}" ] ||
            leg "films-$quantizer-$seed" reelm train video-tokenizer demo --workdir "$RUNS/films-$quantizer-$seed" \
                --data.dataset "$RUNS/sets/films" --data.source-frames 33 --data.frames 9 --data.crop 64 \
                --model.bits 18 --model.background 0 --model.quantizer "$quantizer" --loop.seed "$seed" \
                $(full --batch-size 4) $net $small
    done
done

# The table: held-out clips, their sha256, means over seeds with intervals.
leg table python benchmarks/quantizers.py --runs "$RUNS" ${FILMS:+--films "$FILMS/test"} \
    $(toy --clips 2) $(full --clips 24)
