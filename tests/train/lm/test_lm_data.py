"""Training of the language model on several token sets of several shapes, some without words, with clips held out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelm
from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.train.lm import run as lm
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig

pytestmark = pytest.mark.slow  # several programs are compiled


def tokens(directory: Path, caption: str, *shapes: tuple[int, int, int], tokenizer: str = "abc", bits: int = 8) -> Path:
    """Six samples of each shape (t, h, w)."""
    each = [shape for shape in shapes for _ in range(6)]

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        noise = (np.random.default_rng(i).integers(0, 1 << bits, each[i], np.int32) for i in range(start, stop))
        none: dict[str, Any] = {"still_frames": np.zeros(0, np.int32), "sound": np.zeros((0, 0), np.int32)}
        return (TokenSample(video=ids, captions=(caption,), stills=ids[:0], **none) for ids in noise)

    runs = [TokenRun(6, 1 + 4 * (t - 1), 8 * h, 8 * w) for t, h, w in shapes]
    write_tokens(directory, samples_of, runs=runs, tokenizer_hash=tokenizer, fps=8.0, time_stride=4)
    return directory


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> lm.LMRun:
    folder = tmp_path_factory.mktemp("tokens")
    return lm.LMRun(
        model=LMConfig(bits=8, frames=2, width=16, layers=1, heads=2, kv_heads=1, head_width=8, hidden=16, prefix=8),
        # Words beyond what the prefix holds, and none at all.
        tokens=(tokens(folder / "a", "many words " * 9, (2, 2, 2), (2, 1, 4)), tokens(folder / "b", "", (1, 2, 2))),
        held_out=(tokens(folder / "c", "a word", (2, 2, 2)),),
        stages=(Stage(buckets=(Bucket(frames=1, batch_size=2),), token_weights=(0.5, 0.5)),),
        loop=LoopConfig(steps=4, log_every=1, evaluate_every=2, sample_every=0),
    )


def test_a_run_sees_every_shape_and_is_evaluated(run, tmp_path):
    reelm.train(run, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    evaluated = {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line}
    assert set(evaluated) == {2, 4} and evaluated[2] != evaluated[4]
    assert {name for line in lines for name in line if name.startswith("eval_")} == {"eval_loss", "eval_nats_first"}
    with pytest.raises(RequestError, match="best is 'nats_later'; the evaluations of this run have loss, nats_first$"):
        reelm.train(replace(run, loop=replace(run.loop, best="nats_later")), tmp_path / "other")
    assert restore_params(tmp_path, best=True).step == min(evaluated, key=lambda step: evaluated[step])
    assert all(line["tokens_per_second"] == pytest.approx(4 * line["samples_per_second"]) for line in lines[:1])


def test_a_dry_run_counts_codes(run, tmp_path, capsys):
    reelm.train(replace(run, loop=replace(run.loop, dry_run=True)), tmp_path)
    assert "2 samples, 8 tokens; 4 steps" in capsys.readouterr().err
    assert not (tmp_path / "checkpoints").exists()


def test_sets_of_two_tokenizers_are_not_mixed(run, tmp_path):
    other = tokens(tmp_path / "other", "a word", (1, 2, 2), tokenizer="xyz")
    for changed in (replace(run, tokens=(*run.tokens, other)), replace(run, held_out=(other,))):
        with pytest.raises(RequestError, match="made by tokenizer xyz, not abc"):
            reelm.train(changed, tmp_path / "run")
    with pytest.raises(RequestError, match="no tokens to train on"):
        reelm.train(replace(run, tokens=()), tmp_path / "run")


def test_a_state_that_no_machine_holds_is_refused_before_it_is_made(run, tmp_path):
    huge = replace(run.model, width=1 << 22, hidden=1 << 22)
    with pytest.raises(RequestError, match=r"training takes \d+\.\d GiB of state and .* free are .* what fits: "):
        reelm.train(replace(run, model=huge), tmp_path)


def test_tokens_of_more_bits_than_the_model_are_refused(run, tmp_path):
    wide = tokens(tmp_path / "wide", "a word", (2, 2, 2), bits=18)
    run = replace(run, model=replace(run.model, bits=10), loop=replace(run.loop, steps=1, evaluate_every=0))
    for changed in (replace(run, tokens=(wide,)), replace(run, held_out=(wide,))):
        with pytest.raises(RequestError, match=r"codes run from \d+ to \d+, but 10 bits are read here: 0 to 1023"):
            reelm.train(changed, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
