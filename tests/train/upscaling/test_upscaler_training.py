"""Tests of training an upscaler: pairs of clips, start at bicubic interpolation, files of a run."""

import json
from dataclasses import replace
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.models import tiny_upscaler

import reelm
from reelm.errors import RequestError
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.upscaling.net import UpscalerNet
from reelm.train.export import ExportPlan, export
from reelm.train.records import _folder_names
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.upscaling.config import PairData, UpscalerRun
from reelm.train.upscaling.pairs import crops, small_clips

RUN = UpscalerRun(
    model=UpscalerConfig(width=8, blocks=1),
    data=PairData(source_frames=5, frames=5, side=32, crops=4, crop=8),
    optimizer=OptimizerConfig(learning_rate=1e-2, warmup=2, ema=0.9),
    batch_size=2,
    loop=LoopConfig(steps=30, log_every=5, save_every=30, sample_every=30, evaluate_every=30),
)


def stripes() -> np.ndarray:
    """Clips uint8 [6, 5, 32, 32, 3] of stripes three pixels wide, which interpolation blurs."""
    video = np.zeros((6, 5, 32, 32, 3), np.uint8)
    for clip in range(6):
        for frame in range(5):
            lit = (np.arange(32) + clip + frame) % 6 < 3
            video[clip, frame] = np.where(lit[:, None] if clip % 2 else lit, 230, 20)[..., None]
    return video


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """Returns the folder of a training whose small clips the tiny model's tokenizer rebuilds, and that model's."""
    folder = tmp_path_factory.mktemp("upscaling")
    tiny_model.save(folder / "model")
    rebuilt = replace(RUN, data=replace(RUN.data, rebuilt=0.5, flips=0.1), rebuilt_by=folder / "model")
    reelm.train(rebuilt, folder / "run", data=stripes())
    return folder / "run", folder / "model"


def test_it_learns_what_interpolation_cannot(tmp_path):
    longer = replace(RUN, loop=replace(RUN.loop, steps=60, evaluate_every=0))
    reelm.train(longer, tmp_path / "run", data=stripes())
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    gains = [line["gain"] for line in lines if "gain" in line]
    assert abs(gains[0]) < abs(gains[-1]) and gains[-1] > 1


def test_a_run_writes_samples_and_figures(trained):
    run, _ = trained
    assert (run / "samples" / "step_00000030" / "enlarged.png").is_file()
    assert "eval_psnr" in (run / "metrics.jsonl").read_text()


def test_an_export_holds_the_upscaler(trained, tmp_path):
    run, model = trained
    made = export(ExportPlan(video_tokenizer=model, upscaler=run), tmp_path / "made")
    opened = reelm.load(str(tmp_path / "made"))
    assert made.upscaler is not None and opened.upscaler is not None
    assert opened.upscaler.config == RUN.model
    assert opened.record["upscaler"]["config"]["rebuilt_by"] == "model"
    video = stripes()[0]
    np.testing.assert_array_equal(opened.upscaler.upscale(video), made.upscaler.upscale(video))


def test_a_record_has_names_of_folders_but_no_paths():
    config = {"start_from": "/home/me/runs/first", "data": {"dataset": "/home/me/sets/footage", "crop": 8}}
    assert _folder_names(config) == {"start_from": "first", "data": {"dataset": "footage", "crop": 8}}
    assert _folder_names({"data": {"dataset": "animated_emoji/256px_8fps"}}) == {}


def test_a_start_of_other_sizes_is_refused(trained, tmp_path):
    run, _ = trained
    wider = replace(RUN, model=UpscalerConfig(width=16, blocks=1), start_from=run)
    with pytest.raises(RequestError, match="other sizes than this run: width"):
        reelm.train(wider, tmp_path / "wider", data=stripes())
    again = reelm.train(replace(RUN, start_from=run, loop=LoopConfig(steps=1)), tmp_path / "again", data=stripes())
    assert int(again.step) == 1


def test_a_crop_is_enlarged_as_its_clip_is():
    upscaler = tiny_upscaler()
    large = jnp.asarray(stripes()[:2], jnp.float32) / 127.5 - 1
    small = small_clips(None, {}, large, 0.0, 0.0, jax.random.key(0))
    taken, right = crops(upscaler.config, small, large, 8, 6, jax.random.key(1))
    made = cast(jax.Array, UpscalerNet(upscaler.config).apply({"params": upscaler.params}, taken))
    whole = upscaler.upscale(np.asarray(jnp.round((small + 1) * 127.5)).astype(np.uint8)).astype(np.float32)
    for got, truth, clip in zip(np.asarray(jnp.clip(made, -1, 1)), np.asarray(right), [0] * 6 + [1] * 6, strict=True):
        shown, true = (got + 1) * 127.5, (truth + 1) * 127.5
        places = [
            (frame, y, x)
            for frame in range(5)
            for y in range(0, 17, 4)
            for x in range(0, 17, 4)
            if np.abs(whole[clip, frame, y : y + 16, x : x + 16] - shown).max() < 0.6
        ]
        assert any(
            np.allclose(stripes()[clip, frame, y : y + 16, x : x + 16], true, atol=0.01) for frame, y, x in places
        )


def test_a_share_of_clips_is_rebuilt_and_the_others_are_only_shrunk(tiny_model):
    tokenizer = tiny_model.video_tokenizer
    large = jnp.asarray(np.tile(stripes(), (4, 1, 1, 1, 1)), jnp.float32) / 127.5 - 1
    key = jax.random.key(0)
    plain, made = (
        np.asarray(small_clips(config, tokenizer.params, large, 0.5, 0.0, key)) for config in (None, tokenizer.config)
    )
    kept = np.array([np.array_equal(*pair) for pair in zip(plain, made, strict=True)])
    assert 6 < kept.sum() < 18
    rebuilt = tokenizer.decode(tokenizer.encode(plain[~kept])).astype(np.float32) / 127.5 - 1
    # Shrunk clips are rounded after they were rebuilt, so a code may fall to the other side.
    assert np.mean(np.abs(made[~kept] - rebuilt) > 0.02) < 0.05


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"side": 33}, "side 33 and crop 8 must be even"),
        ({"crop": 18}, "crop at most half of side"),
        ({"flips": 1.5}, "flips must lie in 0 to 1"),
        ({"crops": 0}, "crops must be at least 1"),
    ],
)
def test_invalid_pair_settings_are_refused(change, words):
    with pytest.raises(RequestError, match=words):
        replace(RUN.data, **change)
    with pytest.raises(RequestError, match="name rebuilt_by"):
        replace(RUN, data=replace(RUN.data, rebuilt=0.5))
