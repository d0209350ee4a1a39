"""Tests of the loop: a run that is stopped in any way and started again equals an uninterrupted one."""

import hashlib
import json
import os
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.training import Squares, Tapped, digest, make_data, metrics, steps_on_disk, train, train_step

from reelm.data import pipeline
from reelm.errors import RequestError
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import differences


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(digest, metrics) of twenty steps that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("whole")
    return digest(train(workdir, 20)), metrics(workdir)


def test_training_learns_and_says_so(whole):
    losses = [line["loss"] for line in whole[1]]
    assert [line["step"] for line in whole[1]] == [4, 8, 12, 16, 20]
    assert losses[-1] < losses[0]


def test_a_line_of_metrics_is_the_mean_over_its_steps(whole, tmp_path):
    train(tmp_path, 20, log_every=1)
    single = [line["loss"] for line in metrics(tmp_path)]
    assert [line["loss"] for line in whole[1]] == [sum(single[i : i + 4]) / 4 for i in range(0, 20, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 5, 18])
def test_sigterm_ends_a_leg_saved_and_the_next_goes_on_bit_for_bit(whole, tmp_path, stop):
    def tap(position, batch):
        if position == stop - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        train(tmp_path, 20, data=Tapped(tap))
    assert ended.value.code == 143
    assert steps_on_disk(tmp_path)[-1] == stop
    assert (digest(train(tmp_path, 20)), metrics(tmp_path)) == whole


@pytest.mark.slow
def test_a_leg_out_of_time_is_saved_and_returned(whole, tmp_path):
    first = train(tmp_path, 20, max_seconds=0.0)
    assert int(first.step) == 1 and steps_on_disk(tmp_path) == [1]
    assert (digest(train(tmp_path, 20)), metrics(tmp_path)) == whole


def test_ctrl_c_saves_first(tmp_path):
    def tap(position, batch):
        if position == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 20, data=Tapped(tap))
    assert steps_on_disk(tmp_path) == [3]


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def tap(position, batch):
        if position == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 20, data=Tapped(tap))
    assert steps_on_disk(tmp_path) == []


def test_signal_handlers_are_restored(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    train(tmp_path, 1)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.slow
def test_a_longer_run_goes_on_from_a_finished_one(whole, tmp_path):
    train(tmp_path, 13)
    state = train(tmp_path, 20)
    assert digest(state) == whole[0]
    assert [line for line in metrics(tmp_path) if line["step"] != 13] == whole[1]


@pytest.mark.slow
def test_a_finished_run_is_returned_as_it_is(whole, tmp_path):
    train(tmp_path, 20)
    assert digest(train(tmp_path, 20, data=Tapped(lambda *_: pytest.fail("took a batch")))) == whole[0]


def test_every_step_sees_the_batch_of_its_number(tmp_path):
    seen = {}

    def tap(position, batch):
        if position in seen:
            np.testing.assert_array_equal(seen[position], batch)
        seen[position] = batch
        if position == 6:
            raise OSError("the disk with the data went away")

    with pytest.raises(OSError, match="went away"):
        train(tmp_path, 9, data=Tapped(tap))
    state = train(tmp_path, 9, data=Tapped(lambda position, batch: tap(position - 100, batch)))
    assert int(state.step) == 9
    data = make_data()
    for position in range(9):
        np.testing.assert_array_equal(next(data), seen.get(position, seen.get(position - 100)))


def test_lines_beyond_the_checkpoint_and_torn_lines_are_dropped(whole, tmp_path):
    train(tmp_path, 10)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "loss": 99}\n{"step": 16, "lo')
    train(tmp_path, 20)
    assert [line for line in metrics(tmp_path) if line["step"] != 10] == whole[1]


def test_a_changed_config_is_refused_with_what_changed(tmp_path):
    train(tmp_path, 2)
    with pytest.raises(RequestError, match=r"lr: 0.003 -> 0.1; .*accept_config") as refused:
        train(tmp_path, 4, lr=0.1)
    assert "\n" not in str(refused.value) and "steps" not in str(refused.value)
    assert json.loads((tmp_path / "config.json").read_text())["lr"] == 3e-3
    train(tmp_path, 4, lr=0.1, accept_config=True)
    trained = restore_params(tmp_path)
    assert (trained.stage, trained.step) == ("squares", 4)
    assert trained.config == json.loads((tmp_path / "config.json").read_text())


def test_other_data_is_refused_with_what_changed(tmp_path):
    train(tmp_path, 1, clips={"clips": 20, "files": "ab"})
    with pytest.raises(RequestError, match=r"data.train.clips: 20 -> 50; data.train.files: \"ab\" -> \"cd\"; .*accept"):
        train(tmp_path, 2, clips={"clips": 50, "files": "cd"})
    train(tmp_path, 2, clips={"clips": 5, "files": "ef"}, accept_config=True)
    with pytest.raises(RequestError, match="data.train: .* -> absent"):
        train(tmp_path, 3)


def test_only_the_different_object_of_a_list_is_named():
    before = {"sets": [{"fps": 8, "words": ["a"]}, {"fps": 8}]}
    after = {"sets": [{"fps": 12, "words": ["b" * 200]}]}
    first, words, gone = differences(before, after)
    assert first == "sets[0].fps: 8 -> 12" and gone == 'sets[1]: {"fps": 8} -> absent'
    assert words.startswith('sets[0].words: ["a"] -> ["bbb') and words.endswith("bbb...") and len(words) < 140


def test_a_checkpoint_without_data_record_can_be_resumed(tmp_path):
    train(tmp_path, 1)
    [path] = (tmp_path / "checkpoints").glob("step_*")
    record = json.loads((path / "record" / "metadata").read_text())
    del record["data"]
    (path / "record" / "metadata").write_text(json.dumps(record))
    digests = json.loads((path / "sha256.json").read_text())
    digests["record/metadata"] = hashlib.sha256((path / "record" / "metadata").read_bytes()).hexdigest()
    (path / "sha256.json").write_text(json.dumps(digests))
    train(tmp_path, 2, clips={"clips": 50})


def test_a_skipped_step_is_counted_and_not_averaged(tmp_path):
    seen = []
    state = train(tmp_path, 8, data=Tapped(lambda i, batch: seen.append(i) or (0 * batch if i in (1, 4) else None)))
    lines = metrics(tmp_path)
    assert [line["skipped"] for line in lines] == [1, 2]
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert int(state.step) == 6 and seen == list(range(8))


def test_a_checkpoint_due_at_a_skipped_step_is_left_out(tmp_path):
    train(tmp_path, 10, data=Tapped(lambda i, batch: 0 * batch if i == 4 else None))
    assert steps_on_disk(tmp_path) == [10]


def test_many_skipped_steps_in_a_row_end_the_run_and_save_nothing(tmp_path):
    with pytest.raises(FloatingPointError, match=r"3 steps in a row up to step 9 .* checkpoint is of step 5"):
        train(tmp_path, 20, data=Tapped(lambda i, batch: 0 * batch if i >= 6 else None), max_skipped=3)
    assert steps_on_disk(tmp_path) == [5]


def test_a_state_that_is_not_finite_is_never_saved(tmp_path):
    def spoil(state, batch):
        state, values = train_step(state, batch)
        after = jax.tree.map(lambda leaf: leaf / jnp.where(state.step > 7, 0, 1), state.params)
        return state.replace(params=after), {"loss": values["loss"]}

    with pytest.raises(FloatingPointError, match=r"after step 8 is not finite; .* step 5"):
        train(tmp_path, 8, step=jax.jit(spoil))
    assert steps_on_disk(tmp_path) == [5]


def test_samples_are_made_of_the_state_of_their_step(tmp_path):
    def samples(state, folder):
        (folder / "step.txt").write_text(str(int(state.step)))

    train(tmp_path, 7, samples=samples, sample_every=3)
    found = {path.parent.name: path.read_text() for path in (tmp_path / "samples").rglob("step.txt")}
    assert found == {"step_00000003": "3", "step_00000006": "6"}


def test_samples_that_fail_do_not_end_the_run(whole, tmp_path, capsys):
    def samples(state, folder):
        raise OSError("no codec")

    assert digest(train(tmp_path, 20, samples=samples, sample_every=10)) == whole[0]
    assert "no samples in step_00000010: OSError: no codec" in capsys.readouterr().err


def test_data_that_ends_is_a_fault_of_the_request(tmp_path):
    dataset = pipeline.batches(Squares(), batch_size=2, seed=4).slice(slice(0, 3))
    with pytest.raises(RequestError, match="ends after 3 batches; 8 steps need more"):
        train(tmp_path, 8, data=pipeline.iterate(dataset))


@pytest.mark.parametrize("field", ["steps", "log_every", "save_every", "keep", "max_skipped"])
def test_invalid_intervals_are_refused(field):
    options: dict[str, Any] = {"steps": 1, field: 0}
    with pytest.raises(RequestError, match=f"{field} must be at least 1, not 0"):
        LoopConfig(**options)
