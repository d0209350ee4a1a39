"""Does a training that is killed over and over end where one ends that was left alone? To the bit?

    python benchmarks/chaos.py                     # 30 times, one process
    python benchmarks/chaos.py --counts 2          # two processes, told and killed one at a time
    python benchmarks/chaos.py --counts 1 2 1      # on one, then on two, and back
    python benchmarks/chaos.py --kills 2 --steps 24    # as the tests do

A tiny language model trains twice on the same codes: once undisturbed, once with SIGKILL or SIGTERM at random moments
and a new start each time. Every step has to see the samples that it saw undisturbed, and what ended by SIGTERM has to
go on from the very step at which it stopped. On one number of processes the parameters, the optimizer, the moving
average and the logged losses have to be the same bits. Where the number changes, so does the order of sums: there the
gradients of the first step after a change have to be those of the old number to 1e-5, and the last loss within 1%.
Prints what happened as JSON and ends with status 1 when anything differs.
"""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.train.run.throughput import NAMES as PACE

_PATIENCE = 60.0  # seconds for a process to end after another did


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """How hard to try."""

    kills: int = 30
    """Signals sent."""
    counts: tuple[int, ...] = (1,)
    """Numbers of processes, one after the other, each for its share of the signals."""
    steps: int = 300
    """Updates of the run."""
    save_every: int = 7
    """Steps between two checkpoints."""
    seed: int = 0
    """Of the moments and the signals."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """What one process of a training is told: the run, its place in it, and whether to leave its first gradient."""

    workdir: Path
    tokens: Path
    steps: int
    save_every: int
    process: int = 0
    processes: int = 1
    address: str = ""
    gradient: bool = False
    only_gradient: bool = False


def codes(start: int, stop: int) -> Iterator[TokenSample]:
    """Noise with words that say its number."""
    for index in range(start, stop):
        noise = np.random.default_rng(index).integers(0, 256, (2, 2, 2), np.int32)
        none = np.zeros(0, np.int32)
        yield TokenSample(
            video=noise, captions=(f"noise {index}",), stills=noise[:0], still_frames=none, sound=none.reshape(0, 0)
        )


_SAMPLES = 50
_NUMBER_OF = {sample["video"][0].tobytes(): index for index, sample in enumerate(codes(0, _SAMPLES))}


def train(leg: Leg) -> str:
    """Runs or resumes the training; a digest of every bit of its last state."""
    import jax

    from reelm.data.tokens.mixture import Bucket, Stage
    from reelm.lm.net.config import LMConfig
    from reelm.train.lm import run as lm
    from reelm.train.lm.config import LMRun
    from reelm.train.run import loop
    from reelm.train.run import processes as cluster
    from reelm.train.run.loop import LoopConfig
    from reelm.train.run.training import DataIterator, Training
    from reelm.train.step.optimizer import OptimizerConfig

    run = LMRun(
        model=LMConfig(bits=8, frames=2, width=16, layers=1, heads=2, kv_heads=1, head_width=8, hidden=16, prefix=8),
        tokens=(leg.tokens,),
        stages=(
            Stage(steps=leg.steps // 3, buckets=(Bucket(frames=1, batch_size=4),)),
            Stage(buckets=(Bucket(frames=1, batch_size=4), Bucket(frames=2, batch_size=2)), weights=(0.4, 0.6)),
        ),
        optimizer=OptimizerConfig(muon=0.02, warmup=5),
        loop=LoopConfig(steps=leg.steps, log_every=1, save_every=leg.save_every, keep=2, sample_every=0),
    )

    class Seen:
        """The batches of a run, each written down: its number, and of this process's rows the samples."""

        def __init__(self, data: DataIterator) -> None:
            self.get_state, self.set_state, self._data = data.get_state, data.set_state, data
            self._file = (leg.workdir / f"seen-{leg.process}.jsonl").open("a")

        def __next__(self) -> Any:
            number, batch = self.get_state()["next_index"], next(self._data)
            rows = {}
            for shard in batch["codes"].video.addressable_shards:
                first = shard.index[0].start or 0
                rows |= {first + i: _NUMBER_OF[row[0].tobytes()] for i, row in enumerate(np.asarray(shard.data))}
            print(json.dumps({"batch": number, "rows": rows}), file=self._file, flush=True)
            return batch

    # Between a stage and the loop: what is trained and how stays as it is.
    loop_run = loop.run

    def watched(config: LoopConfig, state: Any, step: Any, data: Any, workdir: Path, training: Training) -> Any:
        if leg.gradient:
            _leave_gradient(leg, run, state, data)
        if leg.only_gradient:
            return None
        return loop_run(config, state, step, Seen(data), workdir, training)

    named = cluster.Cluster(
        coordinator=leg.address or None, processes=leg.processes, process=leg.process, heartbeat_seconds=60
    )
    leg.workdir.mkdir(exist_ok=True)
    with cluster.joined(named):
        loop.run = watched
        state = lm.train(run, leg.workdir)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(cluster.here(state))]
    return hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()


def _leave_gradient(leg: Leg, run: Any, state: Any, data: Any) -> None:
    """Write the gradient of the batch that comes next."""
    import jax

    from reelm.train.lm.loss import make_loss
    from reelm.train.run import processes as cluster
    from reelm.train.run.checkpoints import Checkpoints

    store = Checkpoints(leg.workdir / "checkpoints", keep=2, note=print)
    found = store.newest()
    assert found is not None
    state, position = store.load(found, state)
    data.set_state(position)
    batch = next(data)
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    gradient, _ = jax.jit(jax.grad(make_loss(run), has_aux=True))(state.params, batch, key, state.step)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(cluster.here(gradient))]
    if cluster.is_first():
        np.savez(leg.workdir / f"gradient-{leg.processes}.npz", *leaves)


def start(leg: Leg, processes: int) -> list[subprocess.Popen[str]]:
    """So many processes of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for process in range(processes):
        mine = replace(leg, process=process, processes=processes, address=address if processes > 1 else "")
        told = json.dumps(
            {name: str(value) if isinstance(value, Path) else value for name, value in vars(mine).items()}
        )
        command = [sys.executable, __file__, "train", told]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return started


def ended(processes: list[subprocess.Popen[str]], seconds: float | None) -> tuple[str, str, list[int], bool]:
    """(output and errors of the first, statuses, whether one had to be killed `seconds` after another had ended)."""
    limit = None
    while any(process.poll() is None for process in processes):
        if any(process.poll() is not None for process in processes):
            limit = limit or (None if seconds is None else time.monotonic() + seconds)
        if limit is not None and time.monotonic() > limit:
            break
        time.sleep(0.01)
    stuck = [process for process in processes if process.poll() is None]
    for process in stuck:
        process.kill()
    outputs = [process.communicate() for process in processes]
    return *outputs[0], [process.returncode for process in processes], bool(stuck)


def logged(workdir: Path) -> int:
    """The whole lines of metrics so far, of every start."""
    path = workdir / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def losses(workdir: Path) -> list[dict]:
    """The lines of metrics that are whole, without what the clock decides."""
    path, found = workdir / "metrics.jsonl", []
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if line.endswith("\n"):
            found.append({name: each for name, each in json.loads(line).items() if name not in ("seconds", *PACE)})
    return found


def seen(workdir: Path, faults: list[str]) -> dict[int, dict[str, int]]:
    """By batch and row the sample that was trained on, however often that was begun again."""
    batches: dict[int, dict[str, int]] = {}
    for path in sorted(workdir.glob("seen-*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                told = json.loads(line)
                rows = batches.setdefault(told["batch"], {})
                if any(rows.get(row, sample) != sample for row, sample in told["rows"].items()):
                    faults.append(f"batch {told['batch']} held other samples when it was read again")
                rows |= told["rows"]
    return batches


def torment(leg: Leg, asked: Arguments) -> tuple[str, list[str], list[float], int]:
    """Trains under signals; the digest of the last leg, what went wrong, how far gradients were apart, signals sent."""
    rng, faults, apart, sent = random.Random(asked.seed), [], [], 0
    resumes_at, before = None, asked.counts[0]
    while True:
        count = asked.counts[min(sent * len(asked.counts) // max(1, asked.kills), len(asked.counts) - 1)]
        changed = count != before and any((leg.workdir / "checkpoints").glob("step_*"))
        if changed:
            ended(start(replace(leg, gradient=True, only_gradient=True), before), _PATIENCE)
        processes = start(replace(leg, gradient=changed), count)
        begun = logged(leg.workdir)
        # So that all are sent before the run ends; also while it starts, but for the gradient.
        stride = max(1, (asked.steps - 1 - begun) // max(1, asked.kills - sent))
        aim = begun + rng.randint(int(changed), stride)
        number, victim = rng.choice([signal.SIGKILL, signal.SIGTERM]), rng.choice(processes)
        told = False
        while all(process.poll() is None for process in processes) and sent < asked.kills and not told:
            if logged(leg.workdir) >= aim:
                time.sleep(rng.uniform(0, 0.05))
                victim.send_signal(number)
                told, sent = True, sent + 1
            time.sleep(0.002)
        starting = logged(leg.workdir) == begun
        at = f"{'while it started' if starting else 'running'}, {logged(leg.workdir)} lines logged"
        print(f"{sent} of {asked.kills}: {number.name if told else 'none'} to one of {count}, {at}", file=sys.stderr)
        digest, said, statuses, stuck = ended(processes, _PATIENCE / 6 if starting else _PATIENCE)
        if stuck and not starting:  # one that still looks for the others is the launcher's to end
            faults.append(f"a process went on for {_PATIENCE:g} s after another had ended: {statuses}")
        if any(statuses) and not told:
            return "", [*faults, f"ended with statuses {statuses}: {said[-3000:]}"], apart, sent
        if changed:
            apart.append(_distance(*(leg.workdir / f"gradient-{each}.npz" for each in (before, count))))
        lines = said.splitlines()
        resumed = next((int(line.split("step ")[1].split(",")[0]) for line in lines if "resumed" in line), None)
        if resumes_at is not None and resumed is not None and resumed != resumes_at:
            faults.append(f"stopped at step {resumes_at} and went on from {resumed}")
        stopped = [line for line in lines if "SIGTERM: " in line]
        resumes_at = int(stopped[0].split("SIGTERM: ")[1].split()[0]) if stopped else None
        if not any(statuses):
            return digest.strip(), faults, apart, sent
        if stopped and set(statuses) != {143}:
            faults.append(f"stopped by SIGTERM with statuses {statuses}")
        if any((leg.workdir / "checkpoints").glob("step_*")):
            before = count


def _distance(one: Path, two: Path) -> float:
    """The largest difference of two gradients, in units of the largest number in them."""
    with np.load(one) as a, np.load(two) as b:
        largest = max(float(np.abs(a[name]).max()) for name in a)
        return max(float(np.abs(a[name] - b[name]).max()) for name in a) / largest


def main() -> int:
    asked = tyro.cli(Arguments)
    with tempfile.TemporaryDirectory() as place:
        tokens, alone, killed = (Path(place, name) for name in ("tokens", "alone", "killed"))
        # Programs are compiled once for all starts.
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(Path(place, "compiled"))}
        os.environ |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PLATFORMS": "cpu"}
        write_tokens(
            tokens, codes, runs=[TokenRun(_SAMPLES, 5, 16, 16)], tokenizer_hash="noise", fps=8.0, time_stride=4
        )
        leg = Leg(workdir=alone, tokens=tokens, steps=asked.steps, save_every=asked.save_every)
        wanted, said, statuses, _ = ended(start(leg, asked.counts[0]), None)
        if any(statuses):
            print(said, file=sys.stderr)
            return 1
        begun = time.monotonic()
        got, faults, apart, sent = torment(replace(leg, workdir=killed), asked)
        if sent < asked.kills:
            faults.append(f"it ended after {sent} of {asked.kills} signals")
        if seen(killed, faults) != seen(alone, faults):
            faults.append("some steps saw other samples")
        if len(set(asked.counts)) == 1:
            if got != wanted.strip():
                faults.append("the last states differ")
            if losses(killed) != losses(alone):
                faults.append("the logged losses differ")
        elif got:
            last, should = losses(killed)[-1]["loss"], losses(alone)[-1]["loss"]
            if abs(last - should) > 0.01 * should:
                faults.append(f"the last loss is {last}, undisturbed {should}")
            if not apart or max(apart) > 1e-5:
                faults.append(f"gradients after a change are apart by {apart}")
        seconds = round(time.monotonic() - begun, 1)
    print(
        json.dumps(
            {
                "kills": sent,
                "counts": asked.counts,
                "steps": asked.steps,
                "seconds": seconds,
                "gradients_apart": apart,
                "faults": faults,
            }
        )
    )
    return int(bool(faults))


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        told = json.loads(sys.argv[2])
        print(train(Leg(**{**told, "workdir": Path(told["workdir"]), "tokens": Path(told["tokens"])})))
        sys.exit()
    sys.exit(main())
