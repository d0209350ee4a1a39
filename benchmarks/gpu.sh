#!/usr/bin/env bash
# The figures that want an accelerator, in legs of at most nine minutes each.
#
#   benchmarks/gpu.sh                  all legs
#   benchmarks/gpu.sh train-1b emoji   some of them
#   TOY=1 benchmarks/gpu.sh            every leg at toy scale, on a CPU, in minutes
#
# Each leg writes LEG.json into RUNS (runs/gpu), with the device and the versions. A leg that has ended is not run again.

source "$(dirname "$0")/../zoo/leg.sh" gpu

wanted=" ${*:-all} "

# measure LEG SCRIPT OPTION ...
measure() {
    case $wanted in *" all "* | *" $1 "*) leg "$1" write "$@" ;; esac
}

write() {
    mkdir -p "$RUNS"
    python "benchmarks/$2.py" "${@:3}" > "$RUNS/$1.part"
    mv "$RUNS/$1.part" "$RUNS/$1.json"
}

decode=$(toy --clips 1)

# Share of the memory limit: 8b at least 0.80, 1b 0.55, 300m 0.35; int8 at least 1.6 times as fast as bfloat16 at 8b.
for weights in bfloat16 int8; do
    measure "decode-$weights" decode --weights $weights --sizes $(full 300m 1b 8b) $(toy toy) --batches 1 $(full 32) $decode
done

# A forward pass over 64 codes takes at most 1.3 times one over a single code.
measure one-code decode --weights bfloat16 --sizes $(full 1b) $(toy toy) $decode
measure many-codes decode --weights bfloat16 --sizes $(full 1b) $(toy toy) --lookahead $(full 64) $(toy 2) $decode

# The same clips, at least four times faster.
measure parallel parallel --prompts $(full 50) $(toy 1 --temperatures 0.7 --cfg-scales 1)

# MFU of 1b at least 0.50.
for size in 300m 1b; do
    measure train-$size train --sizes $(full $size) $(toy toy --steps 1)
done

# Share of the rate of a large matmul.
measure tokenizer tokenizer --presets $(full magvit2 --dtype bfloat16) $(toy demo --sizes 32 --frames 5 --calls 1)

# A warm clip; of emoji in less than a second.
measure demo generate --clips $(full 10) $(toy 1 --num-frames 5)
measure emoji generate --model emoji --clips $(full 10 --num-frames 25) $(toy 1 --num-frames 5)

# From seeds to a model that draws toys, by larger nets that train for 9 minutes in all. Stop it and start it again.
case $wanted in *" all "* | *" toys "*) RUNS="$RUNS/toys" LARGE=1 zoo/toys/recipe.sh ;; esac

# From process start to file.
measure first start first --runs $(full 5) $(toy 1)
