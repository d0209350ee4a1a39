"""A folder of videos to a data set: the same bytes however it is built, open to other readers, no file lost unsaid."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.strategies import damaged

from reelm.cli.main import main
from reelm.data import catalog, clips
from reelm.data.films.buckets import Buckets
from reelm.data.films.build import BUILD_FILE, build, open_built, stored
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.worker import local, work
from reelm.data.films.worker_pool import Outcome
from reelm.errors import RequestError
from reelm.media.formats.animations import write_picture
from reelm.media.formats.mp4 import write_video

CONFIG = CuttingConfig(buckets=Buckets(resolution=32, lengths=(1, 5, 9)), sample_rate=8000, test_share=0.3)
GOOD = {"a.mp4", "deep/b.mp4", "c.mp4", "d.png"}


def film(path: Path, frames: int, height: int, width: int, seed: int, sound: bool) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8 + 3, width // 8 + 1, 3)).astype(np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)[:, :width]  # in its motion neighbours are alike, or it would be cut
    tone = 0.4 * np.sin(np.arange(frames * 1000)[:, None] / 5, dtype=np.float32)
    video = np.stack([picture[t // 2 : t // 2 + height] for t in range(frames)])
    write_video(path, video, fps=8, **({"audio": tone, "sample_rate": 8000} if sound else {}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "deep").mkdir()
    film(folder / "a.mp4", 20, 32, 32, 0, sound=True)
    (folder / "a.txt").write_text("grey noise climbs\n")
    film(folder / "deep" / "b.mp4", 16, 36, 64, 1, sound=False)
    (folder / "deep" / "b.json").write_text('{"caption": ["a wide climb", "noise again"]}')
    film(folder / "c.mp4", 6, 64, 36, 2, sound=True)
    write_picture(folder / "d.png", np.zeros((40, 40, 3), np.uint8))
    (folder / "notes.mp4").write_text("no film at all")
    (folder / "empty.webm").touch()
    film(folder / "short.mp4", 3, 32, 32, 3, sound=False)
    return folder


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sets with `films` in it, built by one process."""
    data_dir = tmp_path_factory.mktemp("sets")
    build(folder, "films", data_dir, CONFIG, pool=local(1))
    return data_dir


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_in_or_named_with_a_reason(built):
    there = open_built("films", built)
    assert set(there.left_out) == {"notes.mp4", "empty.webm", "short.mp4"}
    assert "cannot be read" in there.left_out["notes.mp4"]
    assert "is empty" in there.left_out["empty.webm"]
    assert "shortest clip" in there.left_out["short.mp4"]
    assert {r["source"].decode() for split in there.splits for r in stored("films", built).records(split)} == GOOD
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_two_processes_write_the_same_bytes_elsewhere_and_later(folder, built, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    build(moved, "films", tmp_path / "sets", CONFIG, pool=local(2))
    assert contents(tmp_path / "sets") == contents(built)


def test_another_pool_makes_the_same_bytes(folder, built, tmp_path):
    asked = []

    def here(tasks: Iterable[Any], staging: Path) -> Generator[Outcome]:
        asked.append(staging)
        yield from (Outcome(task, work(task, lambda: None)) for task in reversed([*tasks]))

    build(folder, "films", tmp_path, CONFIG, pool=here)
    assert contents(tmp_path) == contents(built) and asked == [tmp_path / ".building" / "films" / "parts"]


HOSTILE = [
    None,
    [],
    3,
    {"clips": 1},
    {"clips": []},
    {"clips": [[8, 32, 32]]},
    {"clips": [[8, 32, 32, -1]]},
    {"fault": 1},
]


@pytest.mark.parametrize("answer", [*HOSTILE, {"clips": [[8, 32, 32, 10**9]]}])
def test_an_answer_of_a_process_that_was_taken_over_costs_its_file_alone(folder, tmp_path, answer):
    secret = tmp_path / "secret"
    secret.write_text("kept")

    def taken_over(tasks: Iterable[Any], parts: Path) -> Generator[Outcome]:
        for number, task in enumerate(tasks):
            if number:
                yield Outcome(task, work(task, lambda: None))
            else:
                Path(task["part"]).symlink_to(secret)
                yield Outcome(task, answer, "" if answer is not None else "gone")

    there = build(folder, "films", tmp_path, CONFIG, pool=taken_over).contents
    assert any("answer" in fault or fault == "gone" for _, fault in there.left_out)
    assert secret.read_text() == "kept"


# A build that `progress(done, total)` meets on its way.
PROGRAM = """
import os, resource, signal, sys
from pathlib import Path
from reelm.data.films.build import build
from reelm.data.films.worker import local
from reelm.data.films.buckets import Buckets
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.worker import local
config = CuttingConfig(buckets=Buckets(resolution=32, lengths=(1, 5, 9)), sample_rate=8000, test_share=0.3)
def progress(done, total):
    if done == {done}:
        {then}
build(Path({folder!r}), "films", Path({data_dir!r}), config, pool=local(1), progress=progress)
"""


def build_until(done: int, then: str, folder: Path, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.format(done=done, then=then, folder=str(folder), data_dir=str(data_dir))
    # Of a module that is compiled where files may not grow, a part would be kept, and break whoever imports it next.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)


def test_a_killed_build_goes_on_to_the_same_bytes(folder, built, tmp_path):
    killed = build_until(4, "os.kill(os.getpid(), signal.SIGKILL)", folder, tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "films").exists()
    done = []
    build(folder, "films", tmp_path, CONFIG, pool=local(1), progress=lambda *each: done.append(each))
    assert done == [(4, 7), (5, 7), (6, 7), (7, 7)]
    assert contents(tmp_path) == contents(built)


@pytest.mark.parametrize("done", [0, 7], ids=["clips", "set"])
def test_a_disk_that_fills_up_leaves_no_half_set_and_the_build_goes_on(folder, built, tmp_path, done):
    # Longer files fail, as on a full disk, also in the processes that are started from then on.
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, -1))"
    full = build_until(done, limit, folder, tmp_path)
    assert full.returncode == 1 and "File too large" in full.stderr.splitlines()[-1]
    assert not (tmp_path / "films").exists()
    read = []
    build(folder, "films", tmp_path, CONFIG, pool=local(1), progress=lambda *each: read.append(each))
    assert read[0] == (done, 7)
    assert contents(tmp_path) == contents(built)


def test_other_readers_open_it_without_this_package(built):
    program = f"""
import io, sys
import av
import tensorflow_datasets as tfds
builder = tfds.builder_from_directory({str(built / "films" / "2.0.0")!r})
for split in builder.info.splits:
    for record in builder.as_data_source(split):
        with av.open(io.BytesIO(record["video"])) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == record["frames"] and frames[0].shape == (record["height"], record["width"], 3)
        assert len(record["audio"]) in (0, round(len(frames) / record["fps"] * record["sample_rate"]))
        print(record["source"].decode(), len(record["audio"]) > 0, b"|".join(record["captions"]).decode())
assert not [name for name in sys.modules if name.startswith(("reelm", "tensorflow."))]
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert {line.split()[0] for line in lines} == GOOD
    assert {line.partition(" ")[2] for line in lines if line.startswith("a.mp4")} == {"True grey noise climbs"}
    assert {line.partition(" ")[2] for line in lines if line.startswith("deep/b.mp4")} == {
        "False a wide climb|noise again"
    }


def test_a_set_of_several_files_holds_what_one_file_does(folder, built, tmp_path, monkeypatch):
    monkeypatch.setattr("reelm.data.films.build.SHARD_BYTES", 2000)
    build(folder, "films", tmp_path, CONFIG, pool=local(1))
    files = sorted(path.name for path in (tmp_path / "films" / "2.0.0").glob("films-train.array_record-*"))
    assert len(files) > 1 and files[0].endswith(f"-00000-of-{len(files):05}")
    for split in open_built("films", built).splits:
        one, several = (stored("films", place).records(split) for place in (built, tmp_path))
        assert len(several) == len(one) > 0
        for index in range(len(one)):
            assert several[index].keys() == one[index].keys()
            assert all(np.array_equal(value, several[index][name]) for name, value in one[index].items())


def test_a_source_is_in_one_split_and_stays_there(folder, built, tmp_path):
    splits = {split: {r["source"] for r in stored("films", built).records(split)} for split in ("train", "test")}
    assert splits["train"] and splits["test"] and not splits["train"] & splits["test"]
    more = shutil.copytree(folder, tmp_path / "more")
    film(more / "e.mp4", 10, 32, 32, 9, sound=False)
    build(more, "films", tmp_path / "sets", CONFIG)
    grown = {split: {r["source"] for r in stored("films", tmp_path / "sets").records(split)} for split in splits}
    assert all(splits[split] <= grown[split] for split in splits)


def test_what_is_there_is_not_built_again(folder, built, tmp_path):
    before = contents(built)
    build(folder, "films", built, CONFIG, progress=lambda *_: pytest.fail("read a file"))
    assert contents(built) == before
    other = CuttingConfig(buckets=CONFIG.buckets, fps=4.0)
    with pytest.raises(RequestError, match="other settings"):
        build(folder, "films", built, other)
    with pytest.raises(RequestError, match="other files"):
        build(folder / "deep", "films", built, CONFIG)


def test_wrong_requests_are_refused(folder, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_text("no film")
    for name, place, words in [
        ("My Films", folder, "cannot be named"),
        ("films", tmp_path / "gone", "no folder"),
        ("films", tmp_path / "films", "gives a clip; the first, 'a.mp4'"),
    ]:
        with pytest.raises(RequestError, match=words):
            build(place, name, tmp_path / "sets", CONFIG)
    assert not (tmp_path / "sets" / "films").exists()


def test_clips_are_opened_by_name_and_by_length(built):
    whole = catalog.open_clips("films", "train", data_dir=built)
    assert sum(run.clips for run in whole.shapes) == len(whole)
    shapes = [whole[index]["video"].shape for index in range(len(whole))]
    assert shapes == [(*run[1:], 3) for run in whole.shapes for _ in range(run.clips)]
    said = {whole[index]["captions"] for index in range(len(whole))}
    assert said >= {("grey noise climbs",), ("a wide climb", "noise again")}
    long = catalog.open_clips(str(built / "films"), "train", num_frames=7)
    assert {run.frames for run in long.shapes} == {7} and len(long) == sum(shape[0] == 9 for shape in shapes)
    assert all(long[index]["video"].shape[0] == 7 for index in range(len(long)))
    for clip in (whole[index] for index in range(len(whole))):
        if "audio" in clip:
            assert clip["audio"].shape == (len(clip["video"]) * 1000, 1) and clip["audio"].dtype == np.float32
            assert 0.3 < np.abs(clip["audio"]).max() < 0.5
    with pytest.raises(IndexError):
        whole[len(whole)]
    with pytest.raises(RequestError, match="of 33 frames or more"):
        catalog.open_clips("films", "train", num_frames=33, data_dir=built)
    with pytest.raises(RequestError, match="no split 'held_out'"):
        catalog.open_clips("films", "held_out", data_dir=built)


def test_a_set_is_told_from_another_of_its_name(built, tmp_path):
    def identity() -> dict:
        return clips.identity(catalog.open_clips(str(tmp_path / "films"), "train"))

    shutil.copytree(built / "films", tmp_path / "films")
    first = identity()
    assert first == clips.identity(catalog.open_clips("films", "train", data_dir=built))  # wherever it lies
    assert first["clips"] == sum(run[0] for run in first["shapes"])
    about = json.loads((tmp_path / "films" / BUILD_FILE).read_text())
    for change in ({"files": "0" * 64}, {"config": about["config"] | {"shot_threshold": 20.0}}):
        (tmp_path / "films" / BUILD_FILE).write_text(json.dumps(about | change))
        assert identity() != first


def test_one_clip_shape_is_picked_to_look_at(built):
    source = catalog.open_clips("films", "train", data_dir=built)
    run = max(source.shapes, key=lambda run: run.clips)
    assert clips.clips_of_one_shape(source, 2).shape == (min(2, run.clips), *run[1:], 3)


def test_another_format_and_damage_are_refused_in_one_line(built, tmp_path):
    shutil.copytree(built / "films", tmp_path / "films")
    for text, words in [("{", "damaged"), ('{"format": 9}', "format 9, this version of reelm reads format 3")]:
        (tmp_path / "films" / BUILD_FILE).write_text(text)
        with pytest.raises(RequestError, match=words):
            open_built("films", tmp_path)


def test_the_command_line_builds_and_lists(folder, tmp_path, capsys):
    command = ["data", "build", str(folder), "--name", "mine", "--data-dir", str(tmp_path), "--resolution", "32"]
    assert main([*command, "--lengths", "1", "5"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "mine")
    assert "left out: 'notes.mp4' cannot be read" in printed.err and "\nclips: " in printed.err
    assert "\ncaptions: 2 of 4\n" in printed.err
    assert main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith("moving_digits: ") and listed[-1].startswith("mine: clips: ")
    assert main([*command, "--lengths", "1", "5"]) == 0  # it is there
    assert "captions: 2 of 4\n" in capsys.readouterr().err
    assert main([*command, "--lengths", "4"]) == 2
    assert "each must be 1 + 4k" in capsys.readouterr().err
    assert main(["data", "build", str(tmp_path / "gone")]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=2)
def test_damaged_files_cost_themselves(folder: Path, tmp_path_factory: pytest.TempPathFactory, data):
    place = tmp_path_factory.mktemp("damaged")
    shutil.copytree(folder, place / "films")
    whole = {path.suffix: path.read_bytes() for path in (folder / name for name in GOOD)}
    for number in range(16):
        suffix = data.draw(st.sampled_from(sorted(whole)))
        (place / "films" / f"bad{number}{suffix}").write_bytes(data.draw(damaged(whole[suffix])))
    names = {path.relative_to(place / "films").as_posix() for path in (place / "films").rglob("bad*")}
    built = build(place / "films", "films", place / "sets", CONFIG, pool=local(2, 20.0))
    inside = {
        record["source"].decode() for split in built.splits for record in stored("films", place / "sets").records(split)
    }
    # A damage may do no harm; else the file is left out with a reason.
    assert inside >= GOOD and inside | set(built.left_out) >= names
    assert not inside & set(built.left_out) and all(reason.strip() for reason in built.left_out.values())
    with pytest.raises(ChildProcessError):  # no process is left behind
        os.waitpid(-1, os.WNOHANG)


def test_python_files_beside_the_films_are_not_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("json", "queue", "av"):
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nraise ImportError")
    shutil.copy(folder / "d.png", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert build(Path("."), "here", Path("sets"), CONFIG, pool=local(1)).splits
    assert not (tmp_path / "executed").exists()


def test_a_file_that_was_written_after_the_build_is_noticed(folder: Path, built: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "films")  # with their times
    shutil.copytree(built, tmp_path / "sets")
    build(tmp_path / "films", "films", tmp_path / "sets", CONFIG)
    (tmp_path / "films" / "notes.mp4").touch()  # of a long file not all bytes are compared
    with pytest.raises(RequestError, match="'notes.mp4' changed after"):
        build(tmp_path / "films", "films", tmp_path / "sets", CONFIG)
    build(tmp_path / "films", "films", tmp_path / "sets", CONFIG, copied=True)


def test_changed_bytes_are_noticed_whatever_the_times_say(folder: Path, built: Path, tmp_path: Path):
    films = tmp_path / "films"
    shutil.copytree(folder, films)
    shutil.copytree(built, tmp_path / "sets")
    film = films / "c.mp4"
    for place in (0, film.stat().st_size // 2, -1):
        before, data = film.stat(), bytearray(film.read_bytes())
        data[place] ^= 1
        film.write_bytes(data)
        os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
        for copied in (False, True):
            with pytest.raises(RequestError, match="built from other files"):
                build(films, "films", tmp_path / "sets", CONFIG, copied=copied)
        data[place] ^= 1
        film.write_bytes(data)
        build(films, "films", tmp_path / "sets", CONFIG, copied=True)


def test_an_unfinished_build_does_not_go_on_with_what_it_made_of_other_bytes(folder: Path, tmp_path: Path):
    films = tmp_path / "films"
    films.mkdir()
    shutil.copy(folder / "a.mp4", films / "a.mp4")
    build_until(1, "os.kill(os.getpid(), signal.SIGKILL)", films, tmp_path / "sets")
    before, data = (films / "a.mp4").stat(), (films / "a.mp4").read_bytes()
    (films / "a.mp4").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(films / "a.mp4", ns=(before.st_atime_ns, before.st_mtime_ns))
    read = []
    build(films, "films", tmp_path / "sets", CONFIG, pool=local(1), progress=lambda *each: read.append(each))
    assert read == [(0, 1), (1, 1)]


def test_a_damaged_set_does_not_hide_the_others(built: Path, tmp_path: Path, capsys):
    shutil.copytree(built / "films", tmp_path / "films")
    for name, text in {"newer": '{"format": 3}', "deep": "[" * 200_000}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / BUILD_FILE).write_text(text)
    assert main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "films: clips: " in told and "no field 'config'" in told and "are nested more than" in told


def test_films_behind_a_linked_folder_are_in_the_set(folder: Path, tmp_path: Path):
    shutil.copytree(folder / "deep", tmp_path / "linked" / ".hidden")
    (tmp_path / "linked" / "deep").symlink_to(".hidden")
    there = build(tmp_path / "linked", "linked", tmp_path / "sets", CONFIG, pool=local(1))
    assert not there.left_out and there.captioned == (1, 1)
