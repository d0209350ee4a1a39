"""Token sets: what was written is read back, a cut-short writer is completed, and foreign codes are refused."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reelm.tokenizer.request import RequestError
from reelm.train.tokens import INDEX_FILE, TokenIndex, TokenSample, open_tokens, write_tokens


def sample(index: int) -> TokenSample:
    frames = 1 + index % 3
    codes = np.random.default_rng(index).integers(0, 2**18, (frames, 2, 4), np.int32)
    stills = np.random.default_rng([index, 1]).integers(0, 2**18, (index % 2, 2, 4), np.int32)
    return {
        "video": codes,
        "caption": f"clip {index}: ein Prüfstein ✓\n\ud800",
        "stills": stills,
        "still_frames": np.arange(len(stills), dtype=np.int32) + index,
    }


def count_to(total: int) -> Callable[[int], Iterator[TokenSample]]:
    return lambda start: (sample(index) for index in range(start, total))


def write(directory: Path, samples_from: Callable[[int], Iterator[TokenSample]], **changed: object) -> TokenIndex:
    size = {"height": 16, "width": 32, "time_stride": 4}
    settings = {"tokenizer_hash": "abc", "fps": 8.0, **size, "shard_size": 4} | changed
    return write_tokens(directory, samples_from, **settings)  # pyright: ignore[reportArgumentType]


def assert_holds(directory: Path, total: int) -> None:
    source = open_tokens(directory, "abc")
    assert len(source) == source.index.num_samples == total
    for index in range(total):
        for name in ("video", "stills", "still_frames"):
            np.testing.assert_array_equal(source[index][name], sample(index)[name])
            assert source[index][name].dtype == np.int32
        assert source[index]["caption"] == sample(index)["caption"]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_samples_come_back_as_written(tmp_path: Path) -> None:
    index = write(tmp_path / "tokens", count_to(10), source={"dataset": "moving_digits", "size": (16, 32)})
    assert_holds(tmp_path / "tokens", 10)
    assert open_tokens(tmp_path / "tokens").index == index
    assert [samples for _, samples in index.shards] == [4, 4, 2]
    assert (index.fps, index.height, index.width) == (8.0, 16, 32)
    assert index.source == {"dataset": "moving_digits", "size": [16, 32]}
    source = open_tokens(tmp_path / "tokens")
    for outside in (-1, 10):
        with pytest.raises(IndexError):
            source[outside]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[7]["video"], source[7]["video"])


def test_interrupted_writer_is_completed_to_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "whole", count_to(10))
    for stop in range(10):
        directory = tmp_path / f"cut-{stop}"

        def cut_short(start: int, stop: int = stop) -> Iterator[TokenSample]:
            yield from count_to(stop)(start)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(directory, cut_short)
        with pytest.raises(RequestError, match="cut short"):
            open_tokens(directory)
        starts: list[int] = []

        def resumed(start: int, starts: list[int] = starts) -> Iterator[TokenSample]:
            starts.append(start)
            return count_to(10)(start)

        write(directory, resumed)
        assert starts == [stop // 4 * 4]
        assert contents(directory) == contents(tmp_path / "whole")


def test_killed_writer_is_completed(tmp_path: Path) -> None:
    # Killed inside the writing of the second shard: a leftover temporary file must not disturb the next call.
    program = f"""
import os, signal
from pathlib import Path
import numpy as np
from reelm.train import tokens
def samples_from(start):
    for index in range(start, 10):
        codes = np.zeros((1, 2, 4), np.int32)
        yield {{"video": codes, "caption": "lost", "stills": codes[:0], "still_frames": []}}
def killed(path, target):
    if path.name.startswith("tokens-00001"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, target)
replace, os.replace = os.replace, killed
tokens.write_tokens(Path({str(tmp_path / "tokens")!r}), samples_from,
                    tokenizer_hash="abc", fps=8.0, height=16, width=32, time_stride=4, shard_size=4)
"""
    process = subprocess.run([sys.executable, "-c", program], env=os.environ | {"JAX_PLATFORMS": "cpu"})
    assert process.returncode == -signal.SIGKILL
    assert "tokens-00001.array_record.tmp" in contents(tmp_path / "tokens")
    index = write(tmp_path / "tokens", count_to(10))
    assert index.complete and [samples for _, samples in index.shards] == [4, 4, 2]
    source = open_tokens(tmp_path / "tokens")
    assert [source[i]["caption"] for i in range(4)] == ["lost"] * 4
    np.testing.assert_array_equal(source[4]["video"], sample(4)["video"])
    assert not [name for name in contents(tmp_path / "tokens") if name.endswith(".tmp")]


def test_complete_set_grows_and_else_stays(tmp_path: Path) -> None:
    write(tmp_path, count_to(6))
    before = contents(tmp_path)
    write(tmp_path, count_to(6))
    assert contents(tmp_path) == before
    write(tmp_path, count_to(11))
    assert_holds(tmp_path, 11)


@pytest.mark.parametrize(
    "changed", [{"tokenizer_hash": "xyz"}, {"fps": 24.0}, {"height": 64}, {"width": 64}, {"source": {"split": "test"}}]
)
def test_other_settings_never_join_a_set(tmp_path: Path, changed: dict[str, object]) -> None:
    write(tmp_path, count_to(6))
    before = contents(tmp_path)
    with pytest.raises(RequestError, match=next(iter(changed))):
        write(tmp_path, count_to(12), **changed)
    assert contents(tmp_path) == before


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    write(tmp_path, count_to(2))
    open_tokens(tmp_path)
    open_tokens(tmp_path, "abc")
    with pytest.raises(RequestError, match="made by tokenizer abc, not xyz"):
        open_tokens(tmp_path, "xyz")


def test_folders_that_are_no_token_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no token set"):
        open_tokens(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="not empty"):
        write(tmp_path, count_to(2))
    with pytest.raises(RequestError, match="is a file"):
        write(tmp_path / "notes.txt", count_to(2))
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    write(tmp_path / "empty", count_to(0))
    with pytest.raises(RequestError, match="is empty"):
        open_tokens(tmp_path / "empty")


@pytest.mark.parametrize("damage", ["missing", "cut short", "empty", "of another shard"])
def test_damaged_shard_is_named(tmp_path: Path, damage: str) -> None:
    write(tmp_path, count_to(10))
    shard = tmp_path / "tokens-00002.array_record"
    raw = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        other = (tmp_path / "tokens-00000.array_record").read_bytes()
        shard.write_bytes({"cut short": raw[: len(raw) // 2], "empty": b"", "of another shard": other}[damage])
    for attempt in (lambda: open_tokens(tmp_path), lambda: write(tmp_path, count_to(12))):
        with pytest.raises(RequestError, match=shard.name) as refused:
            attempt()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"format": 1}', '{"format": 2, "shards": 3}', "\x00"])
def test_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / INDEX_FILE).write_text(index)
    with pytest.raises(RequestError, match=INDEX_FILE):
        open_tokens(tmp_path)


@pytest.mark.parametrize("codes", [np.zeros((2, 2), np.int32), np.zeros((1, 2, 2), np.int64), np.zeros((1, 2, 2))])
def test_codes_of_another_kind_are_refused(tmp_path: Path, codes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="int32"):
        write(tmp_path, lambda start: iter([TokenSample({**sample(0), "video": codes})]))
    assert not json.loads((tmp_path / INDEX_FILE).read_text())["complete"]
