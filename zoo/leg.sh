# Sourced by the recipes, with the name of what they make: runs each leg of a training once, so that a recipe resumes at
# any line.
#
#   leg NAME COMMAND ...   runs COMMAND, unless it has succeeded before; a training that was stopped resumes by itself
#   toy OPTION ...         the options, in a run at toy scale; nothing otherwise
#   full OPTION ...        the options, in a run at full scale; nothing otherwise
#   large OPTION ...       the options, where LARGE is set: sizes and seconds for an accelerator; nothing otherwise
#
# RUNS  folder of everything that the recipe makes       TOY=1  every leg at toy scale, into a folder of its own
# DRY=1 prints the commands and runs none

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

recipe=$1
RUNS=${RUNS:-runs/$recipe${TOY:+-toy}}
if [ -n "${TOY:-}" ]; then
    # Nearly all of a run at toy scale is compilation.
    export REELM_HOME=$RUNS/home XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0"
fi
command -v reelm > /dev/null || PATH=$PWD/.venv/bin:$PATH

leg() {
    local name=$1
    shift
    if [ -n "${DRY:-}" ]; then
        printf '%q ' "$@"
        echo
        return
    fi
    if [ -e "$RUNS/done/$name" ]; then
        echo "== $recipe: $name: done before" >&2
        return
    fi
    echo "== $recipe: $name" >&2
    "$@"
    mkdir -p "$RUNS/done"
    touch "$RUNS/done/$name"
}

toy() { [ -z "${TOY:-}" ] || echo "$@"; }
full() { [ -n "${TOY:-}" ] || echo "$@"; }
large() { [ -z "${LARGE:-}" ] || echo "$@"; }
