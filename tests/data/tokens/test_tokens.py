"""Token sets: what was written is read back, a cut-short writer is completed, and foreign codes are refused."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.strategies import changed, damaged, one_line

from reelm.data.tokens.index import INDEX_FILE, SoundIndex, TokenIndex
from reelm.data.tokens.read import open_all, open_tokens
from reelm.data.tokens.sample import TokenSample, unpack
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.storage.atomic import TEMPORARY


def sample(index: int) -> TokenSample:
    frames = 1 + index % 3
    codes = np.random.default_rng(index).integers(0, 2**18, (frames, 2, 4), np.int32)
    stills = np.random.default_rng([index, 1]).integers(0, 2**18, (index % 2, 2, 4), np.int32)
    return {
        "video": codes,
        "captions": (f"clip {index}: ein Prüfstein ✓\n\ud800", *("a stone",) * (index % 2)),
        "stills": stills,
        "still_frames": np.arange(len(stills), dtype=np.int32) + index,
        "sound": np.arange(6 * (index % 4), dtype=np.int32).reshape(-1, 3) + index,
    }


def count_to(total: int) -> Callable[[int, int], Iterator[TokenSample]]:
    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        assert 0 <= start < stop <= total
        return map(sample, range(start, stop))

    return samples_of


def write(directory: Path, total: int, samples_of: Any = None, **changed: Any) -> TokenIndex:
    settings: dict[str, Any] = {"tokenizer_hash": "abc", "fps": 8.0, "time_stride": 4, "shard_size": 4}
    settings |= {"runs": [(total, 9, 16, 32)], **changed}
    return write_tokens(directory, samples_of or count_to(total), **settings)


def assert_holds(directory: Path, total: int) -> None:
    source = open_tokens(directory, "abc")
    assert len(source) == source.index.num_samples == total
    for index in range(total):
        for name in ("video", "stills", "still_frames", "sound"):
            np.testing.assert_array_equal(source[index][name], sample(index)[name])
            assert source[index][name].dtype == np.int32
        assert source[index]["captions"] == sample(index)["captions"]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_samples_come_back_as_written(tmp_path: Path) -> None:
    runs = [(7, 9, 16, 32), (3, 9, 32, 16)]
    index = write(tmp_path / "tokens", 10, source={"dataset": "moving_digits", "size": (16, 32)}, runs=runs)
    assert_holds(tmp_path / "tokens", 10)
    assert open_tokens(tmp_path / "tokens").index == index
    assert [stop - start for _, start, stop in index.shards()] == [4, 4, 2]
    assert (index.fps, index.num_samples, *index.usual[1:]) == (8.0, 10, 9, 16, 32)
    assert index.source == {"dataset": "moving_digits", "size": [16, 32]}
    source = open_tokens(tmp_path / "tokens")
    for outside in (-1, 10):
        with pytest.raises(IndexError):
            source[outside]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[7]["video"], source[7]["video"])


def test_all_captions_are_read_or_the_first(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, 2)
    folders = [tmp_path / "one", tmp_path / "two"]
    said = sample(1)["captions"]
    assert len(said) == 2
    assert [source[1]["captions"] for source in open_all(folders, 18)] == [said, said]
    assert [source[1]["captions"] for source in open_all(folders, 18, captions="first")] == [said[:1], said[:1]]


@pytest.mark.parametrize("processes", [1, 3])
def test_interrupted_writers_are_completed_to_the_same_bytes(tmp_path: Path, processes: int) -> None:
    write(tmp_path / "whole", 10)
    for stop in range(10):
        directory = tmp_path / f"cut-{stop}"

        def cut_short(start: int, end: int, stop: int = stop) -> Iterator[TokenSample]:
            for index in range(start, end):
                if index == stop:
                    raise KeyboardInterrupt
                yield sample(index)

        with pytest.raises(KeyboardInterrupt):
            write(directory, 10, cut_short)
        with pytest.raises(RequestError, match="cut short"):
            open_tokens(directory)
        asked: list[int] = []

        def resumed(start: int, end: int, asked: list[int] = asked) -> Iterator[TokenSample]:
            asked.extend(range(start, end))
            return count_to(10)(start, end)

        # The last process to end finds the set complete, whatever the order.
        indices = [write(directory, 10, resumed, process=p, processes=processes) for p in reversed(range(processes))]
        assert indices[-1].complete
        assert sorted(asked) == list(range(stop // 4 * 4, 10))
        assert contents(directory) == contents(tmp_path / "whole")


def test_a_set_is_complete_when_every_process_is_done(tmp_path: Path) -> None:
    assert not write(tmp_path, 10, process=1, processes=3).complete
    assert not write(tmp_path, 10, process=0, processes=3).complete
    with pytest.raises(RequestError, match="1 of its 3 shards are missing"):
        open_tokens(tmp_path)
    assert write(tmp_path, 10, process=2, processes=3).complete
    assert_holds(tmp_path, 10)
    with pytest.raises(RequestError, match="process is 3 of 3"):
        write(tmp_path, 10, process=3, processes=3)


def test_killed_writer_is_completed(tmp_path: Path) -> None:
    # Killed inside the writing of the second shard: a leftover temporary file must not disturb the next call.
    program = f"""
import os, signal
from pathlib import Path
import numpy as np
from reelm.data.tokens.write import write_tokens
def samples_of(start, stop):
    for index in range(start, stop):
        codes = np.zeros((1, 2, 4), np.int32)
        none = {{"stills": codes[:0], "still_frames": codes[:0, 0, 0], "sound": codes[0, :0]}}
        yield {{"video": codes, "captions": ["lost"], **none}}
def killed(path, target):
    if target.name.startswith("tokens-00001"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, target)
replace, os.replace = os.replace, killed
write_tokens(Path({str(tmp_path / "tokens")!r}), samples_of,
                    tokenizer_hash="abc", fps=8.0, time_stride=4, runs=[(10, 9, 16, 32)], shard_size=4)
"""
    process = subprocess.run([sys.executable, "-c", program], env=os.environ | {"JAX_PLATFORMS": "cpu"})
    assert process.returncode == -signal.SIGKILL
    assert any(name.startswith(TEMPORARY) for name in contents(tmp_path / "tokens"))
    assert write(tmp_path / "tokens", 10).complete
    assert not [name for name in contents(tmp_path / "tokens") if name.startswith(TEMPORARY)]
    source = open_tokens(tmp_path / "tokens")
    assert [source[i]["captions"] for i in range(4)] == [("lost",)] * 4
    np.testing.assert_array_equal(source[4]["video"], sample(4)["video"])


def test_complete_set_grows_and_else_stays(tmp_path: Path) -> None:
    write(tmp_path, 6)
    before = contents(tmp_path)
    write(tmp_path, 6)
    write(tmp_path, 5)
    assert contents(tmp_path) == before
    write(tmp_path, 11)
    assert_holds(tmp_path, 11)


@pytest.mark.parametrize(
    "changed", [{"tokenizer_hash": "xyz"}, {"fps": 24.0}, {"shard_size": 3}, {"source": {"split": "test"}}]
)
def test_other_settings_never_join_a_set(tmp_path: Path, changed: dict[str, object]) -> None:
    write(tmp_path, 6)
    before = contents(tmp_path)
    with pytest.raises(RequestError, match=next(iter(changed))):
        write(tmp_path, 12, **changed)
    assert contents(tmp_path) == before


def test_clips_of_other_shapes_never_join_a_set(tmp_path: Path) -> None:
    write(tmp_path, 6)
    with pytest.raises(RequestError, match=r"clips of \(9, 16, 32\), not \(9, 64, 32\)"):
        write(tmp_path, 12, runs=[(12, 9, 64, 32)])


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 2)
    open_tokens(tmp_path)
    open_tokens(tmp_path, "abc")
    with pytest.raises(RequestError, match="made by tokenizer abc, not xyz"):
        open_tokens(tmp_path, "xyz")


def test_codes_beyond_the_bits_of_their_reader_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "tokens", 2)
    for bits in (18, 30):
        assert open_tokens(tmp_path / "tokens", bits=bits)[1]["video"].max() > 1 << 10
    with pytest.raises(RequestError, match=r"codes run from \d+ to \d+, but 10 bits are read here: 0 to 1023"):
        open_tokens(tmp_path / "tokens", bits=10)[1]
    # A still beyond them, and a sound beyond the bits of its own tokenizer.
    video, stills = np.zeros((1, 2, 4), np.int32), np.full((1, 2, 4), 1 << 10, np.int32)
    shown = TokenSample(**{**sample(1), "video": video, "stills": stills})
    heard = TokenSample(**{**sample(0), "video": video, "sound": np.full((5, 3), 16, np.int32)})
    write(tmp_path / "two", 2, lambda start, stop: iter([shown, heard]), sound=SoundIndex("heard", 3, 4, (1, 4)))
    source = open_tokens(tmp_path / "two", bits=10)
    with pytest.raises(RequestError, match="from 1024 to 1024, but 10 bits"):
        source[0]
    with pytest.raises(RequestError, match="from 16 to 16, but 4 bits"):
        source[1]


def test_folders_that_are_no_token_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no token set"):
        open_tokens(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="not empty"):
        write(tmp_path, 2)
    with pytest.raises(RequestError, match="is a file"):
        write(tmp_path / "notes.txt", 2)
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    write(tmp_path / "empty", 0)
    with pytest.raises(RequestError, match="is empty"):
        open_tokens(tmp_path / "empty")


@pytest.mark.parametrize("damage", ["missing", "cut short", "empty", "of another shard"])
def test_a_damaged_shard_is_named_and_mended_by_the_next_writer(tmp_path: Path, damage: str) -> None:
    write(tmp_path, 10)
    shard = tmp_path / "tokens-00002.array_record"
    raw = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        other = (tmp_path / "tokens-00000.array_record").read_bytes()
        shard.write_bytes({"cut short": raw[: len(raw) // 2], "empty": b"", "of another shard": other}[damage])
    with pytest.raises(RequestError, match=shard.name) as refused:
        open_tokens(tmp_path)
    assert "\n" not in str(refused.value)
    write(tmp_path, 10)
    assert shard.read_bytes() == raw
    assert_holds(tmp_path, 10)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"format": 2}', '{"format": 3, "runs": 3}', "\x00"])
def test_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / INDEX_FILE).write_text(index)
    with pytest.raises(RequestError, match=INDEX_FILE):
        open_tokens(tmp_path)


@pytest.mark.parametrize(
    "change", [{"shard_size": 0}, {"tokenizer_hash": 3}, {"fps": 0}, {"runs": [[10**15, 1, 16, 16]]}, {"more": 1}]
)
def test_a_field_that_is_not_what_it_must_be_is_refused(tmp_path: Path, change: dict) -> None:
    write(tmp_path, 10)
    fields = json.loads((tmp_path / INDEX_FILE).read_text())
    (tmp_path / INDEX_FILE).write_text(json.dumps(fields | change))
    with pytest.raises(RequestError, match=next(iter(change))):
        open_tokens(tmp_path)


@pytest.mark.parametrize("record", [b"", b"{}\n", b"[" * 200_000 + b"\n", b'{"shape": [2, 0, 0], "still_frames": 3}\n'])
def test_a_record_that_is_no_sample_is_refused(record: bytes) -> None:
    with pytest.raises(RequestError, match="a record of the token set is damaged"):
        unpack(record)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "set"
    write(folder, 6)
    return folder


@given(data=st.data())
@settings(max_examples=30)
def test_whatever_a_set_holds_it_is_read_or_refused_in_a_line(written, tmp_path_factory, data) -> None:
    folder = shutil.copytree(written, tmp_path_factory.mktemp("any") / "set")
    if data.draw(st.booleans()):
        fields = data.draw(changed(json.loads((folder / INDEX_FILE).read_text())))
        (folder / INDEX_FILE).write_text(json.dumps(fields))
    else:
        shard = folder / "tokens-00000.array_record"
        shard.write_bytes(data.draw(damaged(shard.read_bytes())))
    try:
        source = open_tokens(folder)
        for index in range(min(len(source), 6)):
            source[index]
    except RequestError as error:
        one_line(error)


@pytest.mark.parametrize("codes", [np.zeros((2, 2), np.int32), np.zeros((1, 2, 2), np.int64), np.zeros((1, 2, 2))])
def test_codes_of_another_kind_are_refused(tmp_path: Path, codes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="int32"):
        write(tmp_path, 1, lambda start, stop: iter([TokenSample({**sample(0), "video": codes})]))
    assert not json.loads((tmp_path / INDEX_FILE).read_text())["complete"]
