"""Tests of the outputs of a run: best checkpoint, evaluations, speed, traces, dry run."""

import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from made.training import Run

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.media.formats.mp4 import write_video
from reelm.train.run import throughput
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig
from reelm.train.run.job import Job
from reelm.train.run.loop import run_job
from reelm.train.run.throughput import Load, Throughput
from reelm.train.step import state as train_state

OPTIMIZER = optax.sgd(0.1)


class Counting:
    """Batch i holds the number i, in the shape of two videos."""

    def __init__(self) -> None:
        self.next = 0

    def __next__(self) -> np.ndarray:
        self.next += 1
        return np.full((2, 3, 4, 4, 3), self.next / 100, np.float32)

    def get_state(self) -> Any:
        return self.next

    def set_state(self, state: Any) -> None:
        self.next = state


@jax.jit
def step(state: train_state.TrainState, batch: jax.Array):
    params = {"seen": state.params["seen"] + 1}
    return state.replace(step=state.step + 1, params=params), {"loss": jnp.mean(batch)}


def train(workdir: Path, steps: int, **options: Any) -> Any:
    functions = {name: options.pop(name) for name in ("samples", "evaluate", "load") if name in options}
    callbacks = options.pop("callbacks", ())
    rhythm = {"log_every": 2, "save_every": 2, "keep": 2, "sample_every": 0, **options}
    job = Job(
        stage="counting",
        config=Run(loop=LoopConfig(steps=steps, **rhythm)),
        mesh=MeshSpec().build(jax.devices()[:1]),
        build=lambda mesh: (train_state.create({"seen": jnp.zeros(())}, OPTIMIZER, seed=0, ema=False), step),
        batches=lambda share: Counting(),
        metrics=("loss", "psnr", "other"),
        **functions,
    )
    return run_job(job, workdir, callbacks=callbacks)


def lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def steps_on_disk(workdir: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (workdir / "checkpoints").glob("step_*") if path.name[5:].isdigit())


def distance(to: int, name: str = "loss"):
    return lambda state: {name: abs(float(state.params["seen"]) - to), "other": 1.0}


def test_evaluations_come_at_their_interval_and_are_logged(tmp_path):
    train(tmp_path, 12, evaluate=distance(6), evaluate_every=3)
    found = {line["step"]: line["eval_loss"] for line in lines(tmp_path) if "eval_loss" in line}
    assert found == {3: 3.0, 6: 0.0, 9: 3.0, 12: 6.0}
    assert [line["step"] for line in lines(tmp_path)] == sorted(line["step"] for line in lines(tmp_path))


def test_the_best_checkpoint_stays_beside_the_newest(tmp_path):
    # Evaluated at a step at which none is saved otherwise: the best is saved all the same.
    train(tmp_path, 20, evaluate=distance(5), evaluate_every=5)
    assert steps_on_disk(tmp_path) == [5, 18, 20]
    best = restore_params(tmp_path, best=True)
    assert (float(best.params["seen"]), best.step) == (5.0, 5)
    assert restore_params(tmp_path).step == 20


def test_the_best_is_remembered_over_legs_and_may_be_the_highest(tmp_path):
    options = {"evaluate": distance(4, "psnr"), "evaluate_every": 2, "best": "-psnr"}
    train(tmp_path, 2, **options)  # |2 - 4| = 2
    train(tmp_path, 4, **options)  # 0
    train(tmp_path, 5, **options)
    assert restore_params(tmp_path, best=True).step == 2
    train(tmp_path, 9, **options)  # |8 - 4| = 4
    assert restore_params(tmp_path, best=True).step == 8
    assert steps_on_disk(tmp_path) == [8, 9]


def test_a_run_without_patience_left_ends_saved_and_stays_ended(tmp_path, capsys):
    options = {"evaluate": distance(2), "evaluate_every": 2, "patience": 2}
    assert int(train(tmp_path, 20, **options).step) == 6  # best at 2, worse at 4 and 6
    assert steps_on_disk(tmp_path) == [2, 4, 6]
    assert "2 evaluations without a better loss: 6 of 20 steps made" in capsys.readouterr().err
    assert int(train(tmp_path, 20, **options).step) == 6
    assert int(train(tmp_path, 20, **options | {"patience": 3}).step) == 8
    with pytest.raises(RequestError, match="patience 2 counts evaluations"):
        LoopConfig(steps=3, patience=2)


def test_a_callback_hears_what_is_logged_and_may_end_the_run(tmp_path):
    heard = []
    options = {"evaluate": distance(5), "evaluate_every": 4}
    state = train(tmp_path, 20, callbacks=[lambda step, values: heard.append((step, *values)) or step < 6], **options)
    assert [step for step, *_ in heard] == [2, 4, 4, 6]
    assert [names[0] for _, *names in heard] == ["loss", "loss", "eval_loss", "loss"]
    assert int(state.step) == steps_on_disk(tmp_path)[-1] == 6


def test_a_run_of_another_length_says_that_the_schedule_follows(tmp_path, capsys):
    train(tmp_path, 2)
    train(tmp_path, 2)
    assert "now" not in capsys.readouterr().err
    train(tmp_path, 4)
    said = capsys.readouterr().err
    assert "the run has 4 steps now, not 2; a decaying learning rate follows the new length" in said


def test_an_unknown_metric_is_refused(tmp_path):
    for best in ("fvd", "-fvd"):  # before anything is made
        with pytest.raises(RequestError, match=f"best is '{best}'; the evaluations of this run have loss, psnr, other"):
            train(tmp_path / "none", 4, evaluate=distance(4), evaluate_every=2, best=best)
        assert not (tmp_path / "none").exists()
    with pytest.raises(RequestError, match="best is 'psnr', which is not a metric of evaluations: loss, other"):
        train(tmp_path, 4, evaluate=distance(4), evaluate_every=2, best="psnr")
    with pytest.raises(RequestError, match="no held-out clips"):
        train(tmp_path, 4, evaluate_every=2)
    with pytest.raises(RequestError, match="no evaluation"):
        train(tmp_path / "other", 2)
        restore_params(tmp_path / "other", best=True)


def test_figures_of_speed_are_logged_with_the_metrics(tmp_path):
    train(tmp_path, 4, load=lambda batch: Load(samples=len(batch), tokens=100))
    for line in lines(tmp_path):
        assert line["tokens_per_second"] / line["samples_per_second"] == pytest.approx(50)
        assert 0 <= line["data_wait"] <= 1
        assert "mfu" not in line  # what this device can do at most is not known


def test_throughput_counts_what_was_added_since_it_was_taken(monkeypatch):
    monkeypatch.setattr(throughput, "peak_flops", lambda: 1e3)
    counted, clock = Throughput(), iter([0.0, 3.0, 4.0, 10.0, 10.0, 12.0, 12.0])
    monkeypatch.setattr(throughput.time, "monotonic", lambda: next(clock))
    counted._clear()
    with counted.waiting():
        pass
    counted.add(Load(samples=4, tokens=20, flops=5e3))
    assert counted.take() == {"samples_per_second": 0.4, "tokens_per_second": 2.0, "data_wait": 0.1, "mfu": 0.5}
    assert counted.take() == {"data_wait": 0.0}


def test_a_trace_is_written_of_the_steps_asked_for(tmp_path):
    train(tmp_path, 5, profile=(3, 4))
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    with pytest.raises(RequestError, match="profile is"):
        LoopConfig(steps=5, profile=(4, 3))


def test_numbers_and_clips_are_written_for_tensorboard(tmp_path):
    def samples(state, folder):
        write_video(folder / "clip.mp4", np.zeros((3, 16, 16, 3), np.uint8), fps=8)

    train(tmp_path, 4, samples=samples, sample_every=4, evaluate=distance(4), evaluate_every=4)
    # The events as TensorBoard reads them: records of a length, two checksums and a message.
    from tensorboardX.proto import event_pb2

    kind: Any = event_pb2.Event  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
    [file] = (tmp_path / "tensorboard").glob("events.*")
    data, values = file.read_bytes(), {}
    while data:
        length = int.from_bytes(data[:8], "little")
        event = kind.FromString(data[12 : 12 + length])
        for value in event.summary.value:
            values[value.tag, event.step] = value.image.encoded_image_string or value.simple_value
        data = data[16 + length :]
    assert math.isclose(values["loss", 2], 0.015, rel_tol=1e-5) and ("eval_loss", 4) in values
    assert values["samples/clip", 4].startswith(b"GIF89a")


def test_a_dry_run_reports_sizes_and_writes_a_picture(tmp_path, capsys):
    train(tmp_path, 1000, dry_run=True, load=lambda batch: Load(samples=2, tokens=7))
    said = capsys.readouterr().err
    for words in ("params: 1 numbers", "batch: float32[2, 3, 4, 4, 3]", "2 samples, 7 tokens; 1,000 steps", "memory: "):
        assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["first_batch.png"]
