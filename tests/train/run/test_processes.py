"""Training on several processes: two give what one gives, share the data, stop together and end together.

The processes are real ones on this machine and find each other as they would between machines. Run as a program this
file is one of two that try the parts: `python test_processes.py ADDRESS PROCESS`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from reelm.data import pipeline
from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.train.lm.config import LMRun
from reelm.train.run import processes as cluster
from reelm.train.run import stopping
from reelm.train.run.config import Cluster
from reelm.train.run.config_changes import differences, free_fields
from reelm.train.step import feed


def parts() -> None:
    """What the parts of a run do in one of two processes of two devices."""
    me = jax.process_index()
    assert cluster.is_first() == (me == 0) and (jax.process_count(), jax.device_count()) == (2, 4)
    assert cluster.from_first(lambda: {"from": jax.process_index()}) == {"from": 0}

    def refuse() -> None:
        raise RequestError(f"refused by process {jax.process_index()}")

    try:
        cluster.from_first(refuse)
    except RequestError as error:
        assert str(error) == "refused by process 0"
    else:
        raise AssertionError("only one process was refused")
    numbers = [np.array([i]) for i in range(40)]
    whole = pipeline.batches(numbers, batch_size=8, seed=1)
    for spec in (MeshSpec(), MeshSpec(data=2, fsdp=2), MeshSpec(data=1, fsdp=4)):
        mesh = spec.build()
        process, processes = feed.share(mesh)
        assert (process, processes) == (me, 2)
        shares = pipeline.batches(numbers, batch_size=8, seed=1, process=process, processes=processes)
        shares = feed.Feed(pipeline.iterate(shares), mesh)
        for step in range(3):
            batch = next(shares)
            assert batch.shape == (8, 1) and batch.addressable_shards[0].data.shape == (2, 1)
            # Row i is example i of the batch that one process would read.
            np.testing.assert_array_equal(cluster.here(batch), whole[step])
        assert shares.get_state() == {"next_index": 3}
    with stopping.caught(0.0) as stop:
        step = 0
        while not stop.after(step):
            step += 1
    # Time is up by one clock, and no two stop after different steps.
    assert np.ptp(multihost_utils.process_allgather(np.int32(step))) == 0 and not stop.asked


if __name__ == "__main__":
    named = Cluster(coordinator=sys.argv[1], processes=2, process=int(sys.argv[2]))
    with cluster.joined(named):
        parts()
    sys.exit()

import pytest  # noqa: E402  (the program above runs without it)

LM = (
    "--model.bits 8 --model.text-vocabulary 280 --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 "
    "--model.head-width 8 --model.hidden 16 --loop.sample-every 0 --loop.log-every 1"
).split()
VIDEO = (
    "--model.bits 8 --model.encoder-channels 8 --model.encoder-blocks 1 --model.decoder-channels 8 8 "
    "--model.decoder-blocks 1 --data.frames 5 --data.crop 16 --batch-size 4 --loop.log-every 1"
).split()
"""Options that make a configuration small enough for a test."""


AUDIO = (
    "--model.encoder-channels 8 8 --model.decoder-channels 8 8 --model.decoder-blocks 1 --batch-size 4 "
    "--data.hops 2 --mel-windows 128 --loop.log-every 1"
).split()
STAGES = {"lm": LM, "video-tokenizer": VIDEO, "audio-tokenizer": AUDIO}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def launch(arguments: Sequence[Any], **environment: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def train(stage: str, workdir: Path, processes: int, *options: Any) -> list[subprocess.Popen[str]]:
    """`reelm train STAGE demo` in so many processes, which are told of each other."""
    command = ["-m", "reelm", "train", stage, "demo", "--workdir", workdir, *STAGES[stage], *options]
    if processes == 1:
        return [launch(command)]
    named = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", processes, "--process"]
    return [launch([*command, *named, process]) for process in range(processes)]


def slurm(stage: str, workdir: Path, processes: int, *options: Any) -> list[subprocess.Popen[str]]:
    """The same, as srun starts them: the command is that of one process, the rest stands in the environment."""
    command = ["-m", "reelm", "train", stage, "demo", "--workdir", workdir, *STAGES[stage], *options]
    job = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(processes)}
    job["SLURM_STEP_NUM_TASKS"] = str(processes)
    job |= {"SLURM_LOCALID": "0", "JAX_COORDINATOR_PORT": str(free_port())}
    return [launch(command, SLURM_PROCID=str(process), **job) for process in range(processes)]


def ended(processes: Sequence[subprocess.Popen[str]], status: int = 0) -> list[str]:
    """What each process said, when all have ended with that status."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [status] * len(processes), said
    return said


def metrics(workdir: Path, name: str = "loss") -> list[float]:
    """One number of every step, from the one file that all processes leave."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [line[name] for line in lines]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    def noise(start: int, stop: int) -> Iterator[TokenSample]:
        for index in range(start, stop):
            video = np.random.default_rng(index).integers(0, 256, (9, 2, 2), np.int32)
            none: dict[str, Any] = {"still_frames": np.zeros(0, np.int32), "sound": np.zeros((0, 0), np.int32)}
            yield TokenSample(video=video, captions=(f"noise {index}",), stills=video[:0], **none)

    folder = tmp_path_factory.mktemp("sets") / "tokens"
    write_tokens(folder, noise, runs=[TokenRun(50, 33, 16, 16)], tokenizer_hash="noise", fps=8.0, time_stride=4)
    return folder


@pytest.mark.slow
def test_the_parts_of_a_run_in_two_processes():
    address, flags = f"127.0.0.1:{free_port()}", os.environ.get("XLA_FLAGS", "")
    flags += " --xla_force_host_platform_device_count=2"
    ended([launch([__file__, address, process], XLA_FLAGS=flags) for process in range(2)])


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(tokens, tmp_path):
    options = ["--tokens", tokens, "--loop.steps", 20]
    [alone] = ended(train("lm", tmp_path / "one", 1, *options))
    first, second = ended(slurm("lm", tmp_path / "two", 2, *options))
    np.testing.assert_allclose(metrics(tmp_path / "two"), metrics(tmp_path / "one"), rtol=1e-4)
    # One speaks for both.
    assert "20 of 20 steps made" in alone and "20 of 20 steps made" in first and not second


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("stage", ["video-tokenizer", "audio-tokenizer"])
def test_the_tokenizers_too(stage, tmp_path):
    options = ["--loop.steps", 4, "--loop.evaluate-every", 2] if stage == "video-tokenizer" else ["--loop.steps", 4]
    for count in (1, 2):
        ended(train(stage, tmp_path / str(count), count, *options))
    [one, two] = [json.loads(p.read_text().splitlines()[-1]) for p in sorted(tmp_path.glob("*/metrics.jsonl"))]
    assert one.keys() == two.keys()
    for name in one.keys() - {"seconds", "samples_per_second", "data_wait"}:
        np.testing.assert_allclose(two[name], one[name], rtol=2e-3, atol=1e-4, err_msg=name)


@pytest.mark.long
@pytest.mark.slow
def test_sigterm_to_one_saves_and_ends_both_and_one_goes_on_with_the_same_samples(tokens, tmp_path):
    options = ["--tokens", tokens, "--loop.steps", 100]
    both = train("lm", tmp_path / "stopped", 2, *options)
    wait_for_step(tmp_path / "stopped", 5, both)
    both[1].send_signal(signal.SIGTERM)
    said, _ = ended(both, 143)
    stopped = int(said.split("SIGTERM: ")[1].split()[0])
    assert 5 <= stopped < 100
    [said] = ended(train("lm", tmp_path / "stopped", 1, *options))
    assert f"resumed from step {stopped}" in said
    ended(train("lm", tmp_path / "alone", 1, *options))
    # Sums are in another order on other numbers of processes. Other samples would differ by a thousandth and more.
    np.testing.assert_allclose(metrics(tmp_path / "stopped"), metrics(tmp_path / "alone"), rtol=1e-5)
    assert len(metrics(tmp_path / "alone")) == 100


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_a_dead_process_ends_the_other(tokens, tmp_path, end):
    both = train("lm", tmp_path, 2, "--tokens", tokens, "--loop.steps", 100_000, "--heartbeat-seconds", 5)
    wait_for_step(tmp_path, 2, both)
    both[1].send_signal(end)
    try:
        # Well within the 100 seconds that are JAX's own choice.
        both[0].communicate(timeout=60)
        assert both[0].returncode not in (0, 143)
    finally:
        for process in both:
            process.kill()
            process.communicate()


@pytest.mark.long
@pytest.mark.slow
def test_a_training_leaves_its_programs_to_the_next_one(tokens, tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    options = ["--workdir", tmp_path, *LM, "--tokens", tokens, "--dry-run"]
    kept = {"REELM_HOME": str(tmp_path / "home"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    ended([launch(["-m", "reelm", "train", "lm", "demo", *options], **kept)])
    assert list((tmp_path / "home" / "compiled").glob("jit_step-*"))


def wait_for_step(workdir: Path, step: int, processes: Sequence[subprocess.Popen[str]]) -> None:
    path = workdir / "metrics.jsonl"
    while not path.exists() or path.read_text().count("\n") < step:
        assert all(process.poll() is None for process in processes), [each.communicate()[1] for each in processes]
        os.sched_yield()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"processes": 0}, "processes is 0"),
        ({"processes": 2, "process": 2}, "process is 2 of 2"),
        ({"heartbeat_seconds": 0}, "heartbeat_seconds is 0"),
        ({"join_seconds": 0}, "join_seconds is 0"),
        ({"coordinator": "10.0.0.1"}, "must be an address and port"),
    ],
)
def test_impossible_clusters_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Cluster(**settings)


def test_partly_named_processes_are_refused():
    with pytest.raises(RequestError, match="name --coordinator, --processes and --process"):
        with cluster.joined(Cluster(processes=2)):
            pass


@pytest.mark.long
@pytest.mark.slow
def test_a_process_whose_peers_do_not_come_says_so_hears_sigterm_and_ends(tmp_path):
    def alone(number: int) -> subprocess.Popen[str]:
        named = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2, "--process", number]
        return launch(["-m", "reelm", "train", "lm", "demo", "--workdir", tmp_path, "--join-seconds", 8, *named])

    waiting = [alone(number) for number in (0, 1, 0)]
    assert waiting[2].stderr is not None
    first = waiting[2].stderr.readline()
    waiting[2].terminate()
    assert "waiting for all 2 processes of this run at 127.0.0.1:" in first and "--processes 1" in first
    waiting[2].communicate(timeout=5)
    assert waiting[2].returncode == 143
    for said in ended(waiting[:2], 1):
        assert "waited 8 seconds for all 2 processes" in said and "--join-seconds" in said
        assert said.count("\n") == 2 and not (tmp_path / "checkpoints").exists()


def test_a_shell_in_an_allocation_of_slurm_is_one_process(monkeypatch):
    job = {"JOB_ID": "7", "STEP_NODELIST": "here", "PROCID": "0", "LOCALID": "0", "STEP_NUM_TASKS": "1"}
    for name, value in {**job, "NTASKS": "16"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with cluster.joined(Cluster()):
        assert not jax.distributed.is_initialized()


def test_a_run_of_one_process_does_not_connect():
    with cluster.joined(Cluster()), cluster.joined(Cluster(processes=1)):
        assert not jax.distributed.is_initialized()


def test_other_devices_do_not_change_the_config():
    one, many = ({"seed": 0, "mesh": asdict(spec)} for spec in (MeshSpec(), MeshSpec(data=2, fsdp=4)))
    free = free_fields(LMRun())
    assert {"mesh", "loop.steps"} <= free and not {"loop.seed", "optimizer.warmup"} & free
    assert list(differences(one, many, free)) == list(differences({"seed": 0}, many, free)) == []
    assert list(differences(one, many | {"seed": 1}, free)) == ["seed: 0 -> 1"]
