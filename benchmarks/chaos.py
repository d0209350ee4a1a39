"""Does a training that is killed over and over end where one ends that was left alone? To the bit?

    python benchmarks/chaos.py              # 30 times
    python benchmarks/chaos.py --kills 3    # as the tests do

A tiny language model trains twice on the same codes: once undisturbed, once with SIGKILL or SIGTERM at random moments
and a new start each time. The parameters, the optimizer, the moving average and the logged losses of both have to be
the same bits, and what ended by SIGTERM has to go on from the very step at which it stopped. Prints what happened as
JSON and ends with status 1 when anything differs.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from reelm.train.throughput import NAMES as PACE
from reelm.train.tokens import TokenRun, TokenSample, write_tokens


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """How hard to try."""

    kills: int = 30
    """Signals sent."""
    steps: int = 300
    """Updates of the run."""
    save_every: int = 7
    """Steps between two checkpoints."""
    seed: int = 0
    """Of the moments and the signals."""


def train(workdir: Path, tokens: Path, steps: int, save_every: int) -> str:
    """Runs or resumes the training; a digest of every bit of its last state."""
    import jax

    from reelm.lm.transformer import LMConfig
    from reelm.train import lm
    from reelm.train.loop import LoopConfig
    from reelm.train.mixture import Bucket, Stage
    from reelm.train.optimizer import OptimizerConfig

    run = lm.LMRun(
        model=LMConfig(bits=8, frames=2, width=16, layers=1, heads=2, kv_heads=1, head_width=8, hidden=16, prefix=8),
        tokens=(tokens,),
        stages=(
            Stage(steps=steps // 3, buckets=(Bucket(frames=1, batch_size=4),)),
            Stage(buckets=(Bucket(frames=1, batch_size=4), Bucket(frames=2, batch_size=2)), weights=(0.4, 0.6)),
        ),
        optimizer=OptimizerConfig(muon=0.02, warmup=5),
        loop=LoopConfig(steps=steps, log_every=1, save_every=save_every, keep=2, sample_every=0),
    )
    state = lm.train(run, workdir)
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state))).hexdigest()


def codes(start: int, stop: int) -> Iterator[TokenSample]:
    """Noise with words that say its number."""
    for index in range(start, stop):
        noise = np.random.default_rng(index).integers(0, 256, (2, 2, 2), np.int32)
        none = np.zeros(0, np.int32)
        yield TokenSample(video=noise, caption=f"noise {index}", stills=noise[:0], still_frames=none)


def start(workdir: Path, tokens: Path, asked: Arguments) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "train", str(workdir), str(tokens), str(asked.steps), str(asked.save_every)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def losses(workdir: Path) -> list[dict]:
    """The lines of metrics that are whole, without what the clock decides."""
    path, found = workdir / "metrics.jsonl", []
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if line.endswith("\n"):
            found.append({name: each for name, each in json.loads(line).items() if name not in ("seconds", *PACE)})
    return found


def torment(workdir: Path, tokens: Path, asked: Arguments) -> tuple[str, list[str]]:
    """Trains under signals; the digest that the last leg prints, and what went wrong on the way."""
    rng, faults, sent = random.Random(asked.seed), [], 0
    stride, resumes_at = max(2, 2 * asked.steps // (asked.kills + 1)), None
    while True:
        process = start(workdir, tokens, asked)
        begun = len(losses(workdir))
        aim = begun + rng.randint(0, stride)  # also while it starts
        number = rng.choice([signal.SIGKILL, signal.SIGTERM])
        while process.poll() is None and sent < asked.kills:
            if len(losses(workdir)) >= aim:
                time.sleep(rng.uniform(0, 0.05))
                process.send_signal(number)
                sent += 1
                break
            time.sleep(0.002)
        digest, said = process.communicate()
        resumed = next(
            (int(line.split("step ")[1].split(",")[0]) for line in said.splitlines() if "resumed" in line), None
        )
        if resumes_at is not None and resumed is not None and resumed != resumes_at:
            faults.append(f"stopped at step {resumes_at} and went on from {resumed}")
        stopped = [line for line in said.splitlines() if "SIGTERM: " in line]
        resumes_at = int(stopped[0].split("SIGTERM: ")[1].split()[0]) if stopped else None
        if process.returncode == 0:
            return digest.strip(), faults
        if process.returncode not in (-signal.SIGKILL, -signal.SIGTERM, 143):
            return "", [*faults, f"ended with status {process.returncode}: {said[-500:]}"]


def main() -> int:
    asked = tyro.cli(Arguments)
    with tempfile.TemporaryDirectory() as place:
        tokens, alone, killed = (Path(place, name) for name in ("tokens", "alone", "killed"))
        # Programs are compiled once for all starts.
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(Path(place, "compiled"))}
        os.environ |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PLATFORMS": "cpu"}
        write_tokens(tokens, codes, runs=[TokenRun(50, 5, 16, 16)], tokenizer_hash="noise", fps=8.0, time_stride=4)
        first = start(alone, tokens, asked)
        wanted, said = first.communicate()
        if first.returncode:
            print(said, file=sys.stderr)
            return 1
        begun = time.monotonic()
        got, faults = torment(killed, tokens, asked)
        if got != wanted.strip():
            faults.append("the last states differ")
        if losses(killed) != losses(alone):
            faults.append("the logged losses differ")
        seconds = round(time.monotonic() - begun, 1)
    print(json.dumps({"kills": asked.kills, "steps": asked.steps, "seconds": seconds, "faults": faults}))
    return int(bool(faults))


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        print(train(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
        sys.exit()
    sys.exit(main())
