"""Programs: compiled once for each shape, and not at all by the next process."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from reelm.programs import compiling, kept
from reelm.programs import program as module
from reelm.programs.kept import keep
from reelm.programs.patient import patient_device, patiently
from reelm.programs.program import program

TRACED: list[str] = []


@program(static=("name",), donate=("state",))
def scaled(name: str, state: dict, by: int) -> tuple[dict, jax.Array]:
    TRACED.append(name)
    return jax.tree.map(lambda leaf: leaf * by, state), jnp.float32(by)


def state(*shape: int) -> dict:
    return jax.device_put({"x": np.ones(shape, np.float32), "y": np.arange(4, dtype=np.float32)})


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    as_the_next_process()
    before = kept._folder
    keep(tmp_path / "programs")
    yield tmp_path / "programs"
    keep(before)
    as_the_next_process()


def as_the_next_process() -> None:
    scaled.made.clear()
    jitted: Any = scaled.jitted
    jitted.clear_cache()
    TRACED.clear()


def test_the_next_process_neither_traces_nor_compiles(folder):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration_secs, **kwargs: compiled.append(kwargs) if "backend_compile" in event else None
    )
    expected = jax.device_get(scaled("a", state(3), 2))
    assert TRACED == ["a"] and len(compiled) == 1
    as_the_next_process()
    compiled.clear()
    moved = state(3)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(scaled("a", moved, 2)), expected)
    assert not TRACED and not compiled
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(moved))  # still donated
    assert scaled("a", state(3), 5)[1] == 5  # numbers are no part of a program


def test_static_arguments_and_shapes_make_programs_of_their_own(folder):
    for name, size in (("a", 3), ("b", 3), ("a", 4), ("a", 3)):
        scaled(name, state(size), 2)
    assert TRACED == ["a", "b", "a"] and len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", lambda data: data[:-1] + b"x"])
def test_a_damaged_file_costs_one_compilation(folder, damage):
    scaled("a", state(3), 2)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    as_the_next_process()
    assert scaled("a", state(3), 2)[1] == 2 and TRACED == ["a"]
    as_the_next_process()
    assert scaled("a", state(3), 2)[1] == 2 and not TRACED


def test_a_program_that_does_not_load_is_compiled_anew_and_replaced(folder, monkeypatch):
    scaled("a", state(3), 2)
    as_the_next_process()

    def refuse(*_, **__):
        raise ValueError("of another compiler")

    with monkeypatch.context() as patched:
        patched.setattr(module.serialize_executable, "deserialize_and_load", refuse)
        (path,) = folder.iterdir()
        before = path.stat().st_ino
        assert scaled("a", state(3), 2)[1] == 2 and TRACED == ["a"]
    assert path.stat().st_ino != before
    as_the_next_process()
    assert scaled("a", state(3), 2)[1] == 2 and not TRACED


def test_a_program_of_a_device_serves_the_patient_one_too(folder):
    here, there = jax.local_devices()[0], patient_device() or jax.local_devices()[0]
    assert scaled("a", state(3), 2)[1].devices() == {here} and TRACED == ["a"]
    with patiently():
        assert scaled("a", state(3), 2)[1].devices() == {there} and TRACED == ["a"]
        assert scaled("b", state(3), 3)[1].devices() == {there} and TRACED == ["a", "b"]
    assert scaled("b", state(3), 3)[1].devices() == {here} and TRACED == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_the_threads_of_the_patient_device_let_others_go_first(folder):
    def priorities(name: str) -> set[int]:
        found = set[int]()
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it may end meanwhile
                if (thread / "comm").read_text().startswith(name):
                    found.add(os.getpriority(os.PRIO_PROCESS, int(thread.name)))
        return found

    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with patiently():
        scaled("a", state(3), 2)
    assert priorities("tf_XLAEigen") == {usual, min(usual + 10, 19)}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == usual


def test_what_is_prepared_is_not_compiled_again(folder):
    shapes = jax.eval_shape(lambda: state(3))
    after, number = scaled.prepare("a", shapes, 2)
    assert after == shapes and number == jax.ShapeDtypeStruct((), jnp.float32)
    assert scaled("a", state(3), 2)[1] == 2 and TRACED == ["a"]


def test_within_another_program_it_is_a_part_of_that(folder):
    made = jax.jit(lambda moved: scaled("a", moved, 3)[0])(state(2))
    np.testing.assert_array_equal(made["x"], [3, 3])
    assert not list(folder.iterdir())


def test_what_was_used_longest_ago_goes_first(folder, monkeypatch):
    scaled("a", state(3), 2)
    (first,) = folder.iterdir()
    os.utime(first, (0, 0))
    monkeypatch.setattr(kept, "_MOST_BYTES", int(1.5 * first.stat().st_size))
    scaled("b", state(3), 2)
    assert not first.exists() and len(list(folder.iterdir())) == 1


@pytest.fixture
def of_jax(tmp_path) -> Iterator[Path]:
    """A folder of JAX's own cache, in which it keeps everything."""
    wanted = {
        "jax_compilation_cache_dir": str(tmp_path / "of_jax"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }

    def use(settings: dict) -> None:
        compilation_cache.reset_cache()
        for name, value in settings.items():
            jax.config.update(name, value)

    (tmp_path / "of_jax").mkdir()
    before = {name: getattr(jax.config, name) for name in wanted}
    use(wanted)
    yield tmp_path / "of_jax"
    use(before)


def test_jaxs_own_cache_is_left_alone_and_what_comes_out_of_it_is_not_kept(folder, of_jax):
    before = {*of_jax.iterdir()}
    assert scaled("a", state(7), 2)[1] == 2
    assert {*of_jax.iterdir()} == before and len(list(folder.iterdir())) == 1
    # As an older version left it there.
    jitted: Any = scaled.jitted
    jitted.trace("b", state(7), np.int32(2)).lower().compile(compiler_options=compiling.options())
    assert {*of_jax.iterdir()} > before
    as_the_next_process()
    jax.clear_caches()
    assert scaled("b", state(7), 2)[1] == 2
    assert len(list(folder.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.usefixtures("folder")
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path):
    keep(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    with pytest.warns(UserWarning, match="others may write there"):
        keep(tmp_path / "shared")
    assert kept._folder is None
