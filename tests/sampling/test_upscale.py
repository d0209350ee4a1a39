"""Clips that are made larger: the same clips, whole, in pieces, from files, and of a model folder."""

from dataclasses import replace

import numpy as np
import pytest
from made.models import tiny_upscaler

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.sampling.folder import shipped
from reelm.sampling.model import Model


@pytest.fixture(scope="module")
def model(tiny_model) -> Model:
    return replace(tiny_model, upscaler=tiny_upscaler())


def test_a_larger_clip_is_the_small_one_enlarged(model):
    small, large = model.generate("red", seed=3), model.generate("red", seed=3, upscale=2)
    assert large.video.shape == (5, 32, 48, 3) and large.info["upscale"] == 2
    np.testing.assert_array_equal(large.video, model.upscale(small, 2).video)
    np.testing.assert_array_equal(large.tokens["video"], small.tokens["video"])
    assert "upscale" not in small.info


def test_pieces_of_a_stream_are_those_of_the_clip(model):
    asked = {"num_frames": 9, "num_samples": 2, "seed": 1, "upscale": 4}
    pieces = [*model.stream("red", **asked)]
    for whole, parts in zip(model.generate("red", **asked), zip(*pieces, strict=True), strict=True):
        np.testing.assert_array_equal(Clip.join(parts).video, whole.video)


def test_the_best_clip_is_chosen_before_it_is_enlarged(model):
    asked = {"seed": 1, "best_of": 3, "last_image": np.full((16, 24, 3), 200, np.uint8), "num_frames": 5}
    small, large = model.generate("red", **asked), model.generate("red", **asked, upscale=2)
    assert large.info["drawn_seed"] == small.info["drawn_seed"]
    np.testing.assert_array_equal(large.video, model.upscale(small).video)


def test_a_file_is_enlarged_with_its_sound(model, tmp_path):
    clip = model.generate("red", num_frames=5)
    clip.save(tmp_path / "small.webp")
    large = model.upscale(tmp_path / "small.webp", 4)
    np.testing.assert_array_equal(large.video, model.upscale(clip, 4).video)
    sounding = replace(clip, audio=np.zeros((1250, 1), np.float32), sample_rate=2000)
    assert model.upscale(sounding).audio is sounding.audio


def test_a_model_folder_holds_an_upscaler(model, tmp_path):
    model.save(tmp_path / "model")
    opened = reelm.load(str(tmp_path / "model"))
    assert opened.info()["upscaler"]["scales"] == "2, 4"
    clip = model.generate("red")
    np.testing.assert_array_equal(opened.upscale(clip).video, model.upscale(clip).video)


@pytest.mark.parametrize(
    ("scale", "words"), [(3, "upscale is 3; it must be 2 or 4"), (0, "2 or 4"), ("2", "whole number"), (True, "2 or 4")]
)
def test_another_scale_is_refused(model, scale, words):
    with pytest.raises(RequestError, match=words):
        model.generate("red", upscale=scale)


def test_a_model_without_an_upscaler_names_those_that_have_one(tiny_model):
    having = [name for name in shipped.names() if shipped.has_upscaler(name)]
    can = f"{', '.join(having)} can" if having else "no model that ships can"
    for refused in (
        lambda: tiny_model.generate("red", upscale=2),
        lambda: tiny_model.upscale(tiny_model.generate("a")),
    ):
        with pytest.raises(RequestError, match=f"no upscaler and cannot enlarge clips; {can}"):
            refused()


def test_a_clip_that_memory_cannot_hold_in_its_larger_size_is_refused(model):
    fits = {"num_frames": 100_001, "height": 160, "width": 160}
    with pytest.raises(RequestError, match="frames of 640x640 take"):
        model.generate("red", upscale=4, **fits)


def test_info_says_how_large_an_enlarged_file_is(model, tmp_path, capsys):
    model.generate("red", upscale=2).save(tmp_path / "large.webp")
    assert main(["info", str(tmp_path / "large.webp")]) == 0
    out = capsys.readouterr().out
    assert "height: 32" in out and "width: 48" in out and "upscale: 2" in out
