"""Tests of trainings started from Python on clips in memory: they run and resume as with the command."""

import importlib
import inspect
import json
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

import reelm
from reelm import configs
from reelm.data.arrays import ArrayClips
from reelm.data.clips import clips_of_one_shape
from reelm.data.tokens.config import Bucket, Stage
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.lm.config import LMRun
from reelm.train.lm.describer_config import DescriberRun
from reelm.train.run.config import LoopConfig
from reelm.train.tokenizers.video_config import ClipData, VideoTokenizerRun

TOKENIZER = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=8, encoder_channels=(16,), decoder_channels=(16,), encoder_blocks=1, decoder_blocks=1
    ),
    data=ClipData(frames=5, crop=16),
    batch_size=2,
    loop=LoopConfig(steps=4, log_every=1, save_every=4, sample_every=0),
)
LM = LMRun(
    model=LMConfig(bits=8, frames=2, width=32, layers=1, heads=2, kv_heads=1, head_width=16, hidden=32),
    stages=(Stage(buckets=(Bucket(frames=2, batch_size=4),)),),
    batch_scale=0.5,
    loop=LoopConfig(steps=2, log_every=1, sample_every=0, evaluate_every=1, save_every=1),
)
RNG = np.random.default_rng(0)
VIDEO = RNG.integers(0, 256, (6, 5, 16, 16, 3)).astype(np.uint8)
WORDS = [f"a {word} square" for word in ("red", "green", "blue", "grey", "pink", "black")]


@pytest.mark.long
@pytest.mark.slow
def test_a_tokenizer_and_a_language_model_learn_from_arrays(tmp_path):
    seen: list[tuple[int, float]] = []

    def watch(step, metrics):
        seen.append((step, metrics["loss"]))
        return step < 2

    stopped = reelm.train(TOKENIZER, tmp_path / "tokenizer", data=VIDEO, callbacks=[watch])
    assert int(stopped.step) in (2, 3) and [step for step, _ in seen][:2] == [1, 2]
    whole = reelm.train(TOKENIZER, tmp_path / "tokenizer", data=VIDEO)
    alone = reelm.train(TOKENIZER, tmp_path / "alone", data=VIDEO)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(whole), jax.device_get(alone))
    with pytest.raises(RequestError, match="data.train.sha256"):
        reelm.train(TOKENIZER, tmp_path / "tokenizer", data=VIDEO[::-1])

    run = replace(LM, video_tokenizer=tmp_path / "tokenizer")
    held_out = ArrayClips(VIDEO[:4], [[word, f"{word} moves"] for word in WORDS[:4]])
    reelm.train(run, tmp_path / "lm", data=VIDEO, captions=WORDS, held_out=held_out)
    lines = [json.loads(line) for line in (tmp_path / "lm" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "eval_loss" in line] == [1, 2]
    config = json.loads((tmp_path / "lm" / "config.json").read_text())
    assert config["token_sets"][0]["runs"] == [[6, 5, 16, 16]] and config["batch_scale"] == 0.5
    with pytest.raises(RequestError, match="sha256"):
        reelm.train(run, tmp_path / "lm", data=VIDEO, captions=WORDS[::-1], held_out=held_out)

    module, variables = reelm.functional.video_tokenizer(tmp_path / "tokenizer")
    assert module.config == TOKENIZER.model
    jax.tree.map(np.testing.assert_array_equal, variables["params"], jax.device_get(whole.ema))
    config, params, text = reelm.functional.language_model(tmp_path / "lm")
    assert config == LM.model and len(text.encode("a red square"))
    with pytest.raises(RequestError, match="is a training of stage lm, not a video tokenizer"):
        reelm.functional.video_tokenizer(tmp_path / "lm")


def test_the_package_of_trainings_is_the_function_that_starts_one():
    room: Any = importlib.import_module("reelm.train")
    importlib.import_module("reelm.train.parts")
    assert reelm.train is room and room.parts.open_part
    assert "callbacks" in inspect.signature(room).parameters and "Train a part of a model" in str(inspect.getdoc(room))


@pytest.mark.parametrize(
    "run, given, words",
    [
        ("demo", {}, r"run is a str; it must be one of VideoTokenizerRun, .*configs.get\('lm', 'demo'\)"),
        (TOKENIZER, {"captions": WORDS}, "captions and held_out need data"),
        (TOKENIZER, {"data": VIDEO / 255}, r"clips are uint8 \[N, T, H, W, 3\], not float64"),
        (TOKENIZER, {"data": "films"}, "data is a str; it must be an array"),
        (TOKENIZER, {"data": VIDEO, "captions": WORDS[:2]}, "captions has 2 entries for 6 clips"),
        (TOKENIZER, {"data": ArrayClips(VIDEO), "captions": WORDS}, "the clips of a ClipSource have their own"),
        (replace(TOKENIZER, data=ClipData(frames=9, crop=16)), {"data": VIDEO}, "a crop of 9 frames does not fit"),
        (LM, {"data": VIDEO}, "set the run's video_tokenizer"),
        (DescriberRun(), {"data": VIDEO}, "a describer learns from token sets"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(run: Any, given: dict, words: str, tmp_path):
    with pytest.raises(RequestError, match=words):
        reelm.train(run, tmp_path / "run", **given)


def test_clips_of_arrays_are_those_of_the_array():
    sound = RNG.uniform(-1, 1, (6, 100)).astype(np.float32)
    clips = ArrayClips(VIDEO, WORDS, fps=12.0, audio=sound, sample_rate=160)
    assert [clip["captions"] for clip in clips] == [(word,) for word in WORDS]
    assert clips[1]["fps"] == 12 and clips[1].get("audio", sound).shape == (100, 1)
    np.testing.assert_array_equal(clips_of_one_shape(clips, 9), VIDEO)
    others = [ArrayClips(VIDEO, WORDS), ArrayClips(VIDEO, fps=12.0), ArrayClips(VIDEO[:, ::-1], WORDS, fps=12.0)]
    assert len({each.description["sha256"] for each in (clips, *others)}) == 4


def test_a_python_file_can_define_a_config(tmp_path):
    path = tmp_path / "mine.py"
    with pytest.raises(RequestError, match=r"there is no file .*mine.py; it would define lm = LMRun\(...\)"):
        configs.get("lm", str(path))
    begin = "from dataclasses import replace\nfrom reelm.configs import demo\n"
    path.write_text(f"{begin}lm = replace(demo.lm, z_loss=0.5)\n")
    assert configs.get("lm", str(path)).z_loss == 0.5
    with pytest.raises(RequestError, match=r"does not define video_tokenizer = VideoTokenizerRun\(...\)"):
        configs.get("video-tokenizer", str(path))
    for text, words in {
        "lm = 1 / 0": "line 1: ZeroDivisionError: division by zero",
        "\nlm = (": "line 2: SyntaxError",
        f"{begin}replace(demo.lm, z_loss=-1)": "mine.py: z_loss must be",
    }.items():
        path.write_text(text)
        with pytest.raises(RequestError, match=words):
            configs.get("lm", str(path))
