"""Tests of the scores of an upscaler: a fresh one scores as bicubic interpolation."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from made.media import greys

from reelm.cli.main import main
from reelm.evaluation.upscaling import figures
from reelm.media.clip import Clip
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.upscaling.net import init_params
from reelm.tokenizer.upscaling.upscaler import Upscaler


@pytest.fixture(scope="module")
def model(tiny_model):
    config = UpscalerConfig(width=8, blocks=1)
    return replace(tiny_model, upscaler=Upscaler(config, init_params(config, jax.random.key(0))))


def waves(frames: int, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    shades = [127 + 90 * np.sin(x / 3 + frame) * np.cos(y / 4) for frame in range(frames)]
    return np.stack([np.stack([each] * 3, -1) for each in shades]).astype(np.uint8)


def test_a_fresh_one_scores_as_interpolation_does(model):
    found = figures(model, [waves(5, 32, 48)], count=1)
    assert found["clips"] == 1 and {*found} >= {"shrunk", "rebuilt"}  # the tiny model draws 16x24
    for kind in ("shrunk", "rebuilt"):
        # But for the borders, beyond which each sees something else.
        assert found[kind]["psnr"] == pytest.approx(found[kind]["psnr_bicubic"], abs=0.5)
    assert found["shrunk"]["psnr"] > found["rebuilt"]["psnr"] + 5  # the tiny tokenizer is none


def test_clips_of_another_size_than_the_model_draws_are_only_shrunk(model):
    assert "rebuilt" not in figures(model, [waves(2, 64, 64)], count=1, scale=4)


def test_the_command_scores_a_folder(model, tmp_path, capsys):
    model.save(tmp_path / "model")
    (tmp_path / "films").mkdir()
    Clip(greys(20).repeat(2, axis=1).repeat(2, axis=2), 8.0).save(tmp_path / "films" / "a.mp4")
    line = f"evaluate upscaling --model {tmp_path / 'model'} --data {tmp_path / 'films'} --clips 1 --num-frames 3"
    assert main([*line.split(), "--size", "32", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "psnr_bicubic" in capsys.readouterr().out and (tmp_path / "sheet.png").is_file()
