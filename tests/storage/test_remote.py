"""Folders behind a scheme: films, data sets, tokens and workdirs, in fsspec's own file system in memory."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from made.training import Run

from reelm.cli.main import main
from reelm.data.catalog import open_clips
from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.read import open_tokens
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.media.formats.mp4 import write_video
from reelm.storage import remote
from reelm.train.run import workdir
from reelm.train.run.config import LoopConfig
from reelm.train.run.job import Job
from reelm.train.run.loop import run_job
from reelm.train.step import state as train_state


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An empty place, as it is typed; local copies of it go to a home of their own."""
    monkeypatch.setenv("REELM_HOME", str(tmp_path / "home"))
    files = fsspec.filesystem("memory")
    for name in files.find("/"):
        files.rm_file(name)
    return "memory://bucket"


def names(url: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(url)
    return sorted(name[len(root) + 1 :] for name in files.find(root))


def put(url: str, data: bytes) -> None:
    files, path = fsspec.core.url_to_fs(url)
    files.pipe_file(path, data)


def test_what_is_local_stays_where_it_is(tmp_path):
    for path in (tmp_path, Path("films"), Path("a:b/c"), Path("C:/films")):
        assert not remote.is_remote(path) and remote.fetched(path) == path
        with remote.mirrored(path) as folder:
            assert folder == path
    # As typed and as pathlib keeps it.
    assert remote.is_remote("gs://bucket/films") and remote.is_remote(Path("gs://bucket/films"))


def test_a_copy_follows_the_other_end_and_reads_only_what_changed(bucket):
    put(f"{bucket}/films/a.txt", b"one")
    put(f"{bucket}/films/b/c.txt", b"two")
    folder = remote.fetched(Path(f"{bucket}/films"))
    assert folder.name == "films" and (folder / "b" / "c.txt").read_text() == "two"
    before = (folder / "a.txt").stat().st_mtime_ns
    put(f"{bucket}/films/b/c.txt", b"three")
    put(f"{bucket}/films/d.txt", b"four")
    fsspec.filesystem("memory").rm_file("/bucket/films/d.txt")
    (folder / "stray.txt").write_text("not there")
    assert remote.fetched(f"{bucket}/films") == folder
    assert (folder / "b" / "c.txt").read_text() == "three" and (folder / "a.txt").stat().st_mtime_ns == before
    assert not (folder / "stray.txt").exists()


# Copies a folder of a bucket that is a folder beside it, and notes each file that is read from it.
COPIES = """
import sys
import time
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from reelm.storage.remote import fetched

class Shelf(LocalFileSystem):
    protocol = "shelf"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("shelf://", sys.argv[1] + "/"))

    def get_file(self, name, target, **options):
        time.sleep(0.05)  # as long as a bucket takes
        with open(sys.argv[1] + "/read", "a") as file:
            file.write(name + chr(10))
        super().get_file(name, target, **options)

fsspec.register_implementation("shelf", Shelf)
for _ in range(3):
    folder = fetched("shelf://films")
    assert len([*folder.iterdir()]) == 20 and all(Path(each).read_text() for each in folder.iterdir())
"""


def test_processes_of_a_machine_share_one_copy(tmp_path):
    (tmp_path / "films").mkdir()
    for number in range(20):
        (tmp_path / "films" / f"{number}.txt").write_text(f"film {number}")
    command = [sys.executable, "-c", COPIES, str(tmp_path)]
    environment = os.environ | {"REELM_HOME": str(tmp_path / "home")}
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(8)]
    assert [process.communicate()[1].decode() for process in processes] == [""] * 8
    assert [process.returncode for process in processes] == [0] * 8
    assert len((tmp_path / "read").read_text().splitlines()) == 20


def test_a_copy_of_an_archive_follows_bytes_that_change_without_their_length(bucket, tmp_path):
    for text in ("one", "two"):
        with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("films/a.txt"), text)  # always of the same time
        folder = remote.fetched(f"zip://films::{tmp_path / 'films.zip'}")
        assert (folder / "a.txt").read_text() == text


def test_a_mirror_sends_what_is_finished_and_removes_what_is_gone(bucket):
    put(f"{bucket}/run/old.txt", b"old")
    with remote.mirrored(f"{bucket}/run") as folder:
        assert (folder / "old.txt").read_text() == "old"
        (folder / "old.txt").unlink()
        for name in ("new.txt", ".reelm-0a1b2c3d.txt", ".lock", "step_1.orbax-checkpoint-tmp/a"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("new")
    assert names(f"{bucket}/run") == ["new.txt"]


def test_a_mirror_is_sent_although_the_work_in_it_fails(bucket):
    with pytest.raises(KeyboardInterrupt), remote.mirrored(f"{bucket}/run") as folder:
        folder.mkdir()
        (folder / "kept.txt").write_text("kept")
        raise KeyboardInterrupt
    assert names(f"{bucket}/run") == ["kept.txt"]


def test_what_cannot_be_sent_is_kept_and_named(bucket):
    put(f"{bucket}/file", b"a file where a folder should be")
    with pytest.raises(OSError, match=r"run\.unsent could not be sent to memory://bucket/file/run") as failed:
        with remote.mirrored(f"{bucket}/file/run") as folder:
            folder.mkdir()
            (folder / "kept.txt").write_text("kept")
    kept = Path(str(failed.value).split(" could")[0])
    assert (kept / "kept.txt").read_text() == "kept"


def test_paths_that_lead_nowhere_are_refused_in_a_line(bucket):
    with pytest.raises(RequestError, match="abc:// is not a known scheme"):
        remote.fetched("abc://bucket/films")
    with pytest.raises(RequestError, match="there is nothing at memory://bucket/films"):
        remote.fetched(f"{bucket}/films")
    if importlib.util.find_spec("gcsfs") is None:
        with pytest.raises(RequestError, match=r"gs:// needs a package .*reelm\[gcs\]"):
            remote.fetched("gs://bucket/films")


@pytest.mark.parametrize("name", ["../../outside.txt", "a/../../../outside.txt", "link/outside.txt"])
def test_a_key_that_leads_out_of_the_copy_is_refused_before_anything_is_written(bucket, tmp_path, name):
    put(f"{bucket}/films/a.txt", b"one")
    folder = remote.fetched(f"{bucket}/films")
    (folder / "link").symlink_to(tmp_path)
    put(f"{bucket}/films/0.txt", b"not written")
    fsspec.filesystem("memory").store[f"/bucket/films/{name}"] = fsspec.filesystem("memory").store[
        "/bucket/films/a.txt"
    ]
    with pytest.raises(RequestError, match="outside of|stay inside"):
        remote.fetched(f"{bucket}/films")
    assert not list(tmp_path.rglob("outside.txt")) and not (folder / "0.txt").exists()


def test_a_place_named_by_two_dots_is_refused(bucket):
    with pytest.raises(RequestError, match="outside of|no name"):
        remote.fetched("memory://bucket/films/..")


def test_films_and_data_sets_are_the_same_bytes_as_local_ones(bucket, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    rng = np.random.default_rng(0)
    for name in ("waves", "sand"):
        video = rng.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
        write_video(films / f"{name}.mp4", video, fps=8)
        put(f"{bucket}/films/{name}.mp4", (films / f"{name}.mp4").read_bytes())
        (films / f"{name}.txt").write_text(name)
        put(f"{bucket}/films/{name}.txt", name.encode())
    options = ["--resolution", "32", "--lengths", "1", "5", "--processes", "1"]
    assert main(["data", "build", str(films), *options, "--data-dir", str(tmp_path / "sets")]) == 0
    assert main(["data", "build", f"{bucket}/films", *options, "--data-dir", f"{bucket}/sets"]) == 0
    local = tmp_path / "sets" / "films"
    files = sorted(path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
    assert files == names(f"{bucket}/sets/films") != []
    memory = fsspec.filesystem("memory")
    assert all(memory.cat_file(f"/bucket/sets/films/{name}") == (local / name).read_bytes() for name in files)
    clips = open_clips(f"{bucket}/sets/films", "train")
    assert clips[0]["captions"][0] in ("waves", "sand") and clips[0]["video"].shape[1:] == (32, 32, 3)


def test_tokens_are_written_there_and_read_from_there(bucket):
    def noise(start: int, stop: int):
        for index in range(start, stop):
            codes = np.full((1, 2, 2), index, np.int32)
            none: dict[str, Any] = {"still_frames": np.zeros(0, np.int32), "sound": np.zeros((0, 0), np.int32)}
            yield TokenSample(video=codes, captions=("",), stills=codes[:0], **none)

    with remote.mirrored(f"{bucket}/tokens") as folder:
        write_tokens(
            folder, noise, runs=[TokenRun(5, 1, 16, 16)], tokenizer_hash="x", fps=8.0, time_stride=4, shard_size=2
        )
    source = open_tokens(Path(f"{bucket}/tokens"))
    assert [int(source[i]["video"][0, 0, 0]) for i in range(len(source))] == [0, 1, 2, 3, 4]


class Counting:
    """Batch i is the number i."""

    def __init__(self) -> None:
        self.next = 0

    def __next__(self) -> np.ndarray:
        self.next += 1
        return np.full(1, self.next, np.float32)

    def get_state(self) -> int:
        return self.next

    def set_state(self, state: int) -> None:
        self.next = state


def test_a_run_goes_on_from_a_bucket_on_a_machine_that_has_nothing(bucket, tmp_path):
    def step(state: train_state.TrainState, batch: np.ndarray):
        params = {"seen": state.params["seen"] + batch[0]}
        return state.replace(step=state.step + 1, params=params), {"loss": jnp.float32(batch[0])}

    def train(steps: int) -> float:
        rhythm = LoopConfig(steps=steps, log_every=1, save_every=2, keep=2, sample_every=0, tensorboard=False)
        job = Job(
            stage="counting",
            config=Run(loop=rhythm),
            mesh=MeshSpec().build(jax.devices()[:1]),
            build=lambda mesh: (train_state.create({"seen": jnp.zeros(())}, optax.sgd(0.1), seed=0, ema=False), step),
            batches=lambda share: Counting(),
        )
        with workdir.opened(Path(f"{bucket}/run")) as folder:
            state = run_job(job, folder)
        return float(state.params["seen"])

    train(5)
    shutil.rmtree(tmp_path / "home")
    assert train(9) == sum(range(1, 10))
    there = names(f"{bucket}/run")
    steps = {name.split("/")[1] for name in there if name.startswith("checkpoints/step_")}
    assert steps == {"step_00000008", "step_00000009"}
    lines = fsspec.filesystem("memory").cat_file("/bucket/run/metrics.jsonl").decode().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == list(range(1, 10))
