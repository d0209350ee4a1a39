"""Tests of checkpoints: they are restored bit for bit; damaged ones are reported and skipped."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reelm.errors import RequestError
from reelm.train.run.checkpoints import Checkpoints, restore_params
from reelm.train.step import state as train_state


def make_state(seed: int = 0, *, ema: bool = True, width: int = 40) -> train_state.TrainState:
    keys = jax.random.split(jax.random.key(seed), 2)
    params = {
        "dense": {"kernel": jax.random.normal(keys[0], (30, width)), "bias": jnp.full(width, seed, jnp.bfloat16)},
        "blocks": [{"scale": jax.random.normal(keys[1], (3, 1, 2))}],
    }
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.constant_schedule(1e-3)))
    return train_state.create(params, optimizer, seed, ema)


def save(directory: Path, steps, *, keep: int = 3, **kwargs) -> list[str]:
    """Saves `make_state(step)` at each step, beyond those there are, and returns the notes."""
    notes: list[str] = []
    store = Checkpoints(directory, keep=keep, note=notes.append)
    found = store.newest()
    store.open(found.step if found else 0)
    for step in steps:
        store.save(step, make_state(step, **kwargs), {"next_index": step}, {"stage": "lm", "config": {"of": step}})
    store.close()
    return notes


def newest(directory: Path):
    notes: list[str] = []
    return Checkpoints(directory, keep=3, note=notes.append).newest(), notes


def assert_same(left, right) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("ema", [True, False])
def test_a_state_comes_back_bit_for_bit(tmp_path, ema):
    save(tmp_path, [7], ema=ema)
    store = Checkpoints(tmp_path, keep=3, note=print)
    found = store.newest()
    assert found is not None and found.step == 7 and found.record["config"] == {"of": 7}
    state, position = store.load(found, make_state(1, ema=ema))
    assert_same(state, make_state(7, ema=ema))
    assert position == {"next_index": 7}


def test_the_step_may_overwrite_the_state_while_it_is_being_written(tmp_path):
    store = Checkpoints(tmp_path, keep=3, note=print)
    store.open(0)
    state = make_state(7)
    spoil = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf * 0 + 3, state), donate_argnums=0)
    store.save(7, state, {}, {})
    for _ in range(20):
        state = spoil(state)
    store.close()
    found = store.newest()
    assert found is not None
    assert_same(store.load(found, make_state())[0], make_state(7))


def test_only_the_newest_are_kept(tmp_path):
    save(tmp_path, [1, 2, 3, 4], keep=2)
    assert sorted(path.name for path in tmp_path.glob("step_*")) == ["step_00000003", "step_00000004"]


def largest(folder: Path) -> Path:
    return max((path for path in (folder / "state").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def truncate(folder: Path) -> str:
    path = largest(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path.name


def flip(folder: Path) -> str:
    path = largest(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path.name


def remove(folder: Path) -> str:
    path = largest(folder)
    path.unlink()
    return path.name


def garble_digests(folder: Path) -> str:
    (folder / "sha256.json").write_text("not json")
    return "sha256.json"


def remove_digests(folder: Path) -> str:
    (folder / "sha256.json").unlink()
    return "sha256.json"


@pytest.mark.parametrize("damage", [truncate, flip, remove, garble_digests, remove_digests])
def test_a_damaged_step_is_named_and_the_one_before_is_used(tmp_path, damage):
    save(tmp_path, [1, 2])
    file = damage(tmp_path / "step_00000002")
    found, notes = newest(tmp_path)
    assert found is not None and found.step == 1
    assert len(notes) == 1 and "step_00000002" in notes[0] and file in notes[0]
    # The run goes on, reaches the damaged step again and saves it; nothing is deleted unseen.
    save(tmp_path, [2, 3])
    found, notes = newest(tmp_path)
    assert found is not None and found.step == 3 and not notes
    assert (tmp_path / "set_aside_step_00000002").is_dir()


def test_a_run_does_not_start_over_damaged_checkpoints(tmp_path):
    save(tmp_path, [1, 2])
    truncate(tmp_path / "step_00000001")
    flip(tmp_path / "step_00000002")
    with pytest.raises(RequestError, match=r"step_00000002 .*step_00000001 .*delete"):
        newest(tmp_path)


def test_empty_and_foreign_folders_are_ignored(tmp_path):
    strange = ["900", "step_00000900", "step_5", "step_abc", "notes", "step_00000700.orbax-checkpoint-tmp"]
    for name in strange:
        (tmp_path / name).mkdir()
    (tmp_path / "step_00000800").mkdir()
    (tmp_path / "step_00000800" / "photo.jpg").write_bytes(b"mine")
    (tmp_path / "step_00000850").write_text("a file")
    assert newest(tmp_path) == (None, [])
    save(tmp_path, [1, 2])
    found, notes = newest(tmp_path)
    assert found is not None and found.step == 2 and not notes
    assert next(tmp_path.rglob("photo.jpg")).read_bytes() == b"mine"


def test_a_missing_folder_holds_nothing(tmp_path):
    assert newest(tmp_path / "none") == (None, [])


def test_another_shape_type_or_tree_is_refused_not_cast(tmp_path):
    save(tmp_path, [1])
    store = Checkpoints(tmp_path, keep=3, note=print)
    found = store.newest()
    assert found is not None
    with pytest.raises(RequestError, match=r"params/dense/bias is bfloat16\[40\] there and bfloat16\[41\] here"):
        store.load(found, make_state(width=41))
    other = make_state()
    other = other.replace(params={**other.params, "dense": {**other.params["dense"], "bias": jnp.zeros(40)}})
    words = r"params/dense/bias is bfloat16\[40\] there and float32\[40\] here, 1 in all"
    with pytest.raises(RequestError, match=words):
        store.load(found, other)
    with pytest.raises(RequestError, match=r"ema/.* there and absent here"):
        store.load(found, make_state(ema=False))


def test_two_runs_in_one_folder_are_refused(tmp_path):
    first, second = (Checkpoints(tmp_path, keep=3, note=print) for _ in range(2))
    first.open(0)
    with pytest.raises(RequestError, match="another run"):
        second.open(0)
    first.close()
    second.open(0)
    second.close()


def test_parameters_for_export_are_the_average_or_themselves(tmp_path):
    store = Checkpoints(tmp_path / "checkpoints", keep=3, note=print)
    store.open(0)
    state = make_state(4).replace(ema=make_state(5).params)
    store.save(4, state, {}, {"stage": "lm", "config": {"lr": 0.1}})
    store.close()
    trained = restore_params(tmp_path)
    assert (trained.stage, trained.step, trained.config) == ("lm", 4, {"lr": 0.1})
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(trained.params))
    assert_same(trained.params, state.ema)


def test_without_an_average_the_parameters_are_exported(tmp_path):
    save(tmp_path / "checkpoints", [1], ema=False)
    assert_same(restore_params(tmp_path).params, make_state(1).params)


@pytest.mark.parametrize("text", ['{"../../outside": "0"}', '{"/etc/hostname": "0"}', "[" * 200_000, '{"record": 3}'])
def test_digests_of_anything_else_are_damage(tmp_path, text):
    save(tmp_path, [1])
    (tmp_path / "step_00000001" / "sha256.json").write_text(text)
    with pytest.raises(RequestError, match="sha256.json cannot be read"):
        newest(tmp_path)


def test_a_record_without_its_config_is_refused(tmp_path):
    store = Checkpoints(tmp_path / "checkpoints", keep=3, note=print)
    store.open(0)
    store.save(1, make_state(1), {}, {"stage": "lm"})
    store.close()
    with pytest.raises(RequestError, match="does not name its config"):
        restore_params(tmp_path)


def test_exporting_from_an_empty_folder_says_so(tmp_path):
    with pytest.raises(RequestError, match="holds no checkpoint"):
        restore_params(tmp_path)


FULL_DISK = """
import resource, sys
from pathlib import Path
import jax.numpy as jnp
from reelm.train.run.checkpoints import Checkpoints

store = Checkpoints(Path(sys.argv[1]), keep=1, note=print)
store.open(1)
sys.dont_write_bytecode = True  # Of a module that is compiled under the limit, a part would be kept.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))  # Longer files fail, as on a full disk.
try:
    store.save(2, {"a": jnp.arange(100_000.0) ** 0.5}, {}, {})
    store.close()
except OSError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_save_to_a_full_disk_fails_and_keeps_older_steps(tmp_path):
    save(tmp_path, [1])
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("a checkpoint could not be written under") and done.stdout.count("\n") == 1
    assert done.stderr == ""
    found, notes = newest(tmp_path)
    assert found is not None and found.step == 1 and not notes
    save(tmp_path, [2])
