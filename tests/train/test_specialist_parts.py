"""Parts of several models become one model folder, and a training goes on from the language model of its sizes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import tiny_model, tiny_steered
from made.parameters import random_params

import reelm
from reelm.errors import RequestError
from reelm.lm.training_domain import TrainingDomain
from reelm.tokenizer.video import tokenizer as video
from reelm.train.export import ExportPlan, export
from reelm.train.parts import open_start
from reelm.train.tokenizers.grow import with_another_decoder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """The folders of a plain model, of one that is steered, and of one that reads other words."""
    parts = tmp_path_factory.mktemp("parts")
    plain, steered = tiny_model(sound=True), tiny_steered()
    assert plain.lm is not None and steered.lm is not None
    models = {
        "plain": plain,
        "steered": replace(steered, lm=replace(steered.lm, text=plain.lm.text)),
        "silent": tiny_model(sound=False),
    }
    for name, model in models.items():
        model.save(parts / name)
    return {name: parts / name for name in models}


def plan_of(folders: dict[str, Path], *specialists: str) -> ExportPlan:
    return ExportPlan(
        video_tokenizer=folders["plain"],
        audio_tokenizer=folders["plain"],
        lm=[folders["plain"]],
        specialists=[folders[name] for name in specialists],
        num_frames=9,
    )


@pytest.fixture(scope="module")
def joined(folders) -> Path:
    export(plan_of(folders, "steered"), folders["plain"].parent / "joined")
    return folders["plain"].parent / "joined"


def test_a_model_folder_is_joined_of_a_language_model_and_a_specialist(folders, joined):
    model, plain, steered = (reelm.load(folder) for folder in (joined, folders["plain"], folders["steered"]))
    settings: dict[str, Any] = {"num_frames": 9, "min_p": 0.0, "cfg_scale": 1.0}
    steers: dict[str, Any] = {"tracks": [[(0.0, (0.2, 0.2)), (1.0, (0.8, 0.8))]]}
    for own, asked in ((plain, settings), (steered, settings | steers)):
        clips = [each.generate("red", **asked) for each in (model, own)]
        np.testing.assert_array_equal(clips[0].tokens["video"], clips[1].tokens["video"])


def test_another_decoder_draws_the_same_codes_at_its_own_size(folders, tmp_path):
    small = reelm.load(folders["silent"])
    assert small.lm is not None
    small = replace(small, lm=replace(small.lm, training_domain=TrainingDomain(sizes=((16, 24),))))
    small.save(tmp_path / "small")
    config = replace(small.video_tokenizer.config, decoder_scale=2, decoder_channels=(8, 8))
    fresh = random_params(video.init_params, config, 5, noise=0.2)
    larger = video.VideoTokenizer(config, with_another_decoder(small.video_tokenizer.params, fresh))
    replace(small, video_tokenizer=larger, lm=None).save(tmp_path / "larger")
    plan = ExportPlan(video_tokenizer=tmp_path / "larger", lm=[tmp_path / "small"], check_draws=False)
    model = export(plan, tmp_path / "model")
    clips = [each.generate("red", num_frames=9, min_p=0.0, cfg_scale=1.0) for each in (small, model)]
    np.testing.assert_array_equal(clips[0].tokens["video"], clips[1].tokens["video"])
    assert clips[1].video.shape == (9, 32, 48, 3) and clips[0].video.shape == (9, 16, 24, 3)


def test_a_training_goes_on_from_the_language_model_of_its_sizes(folders, joined):
    for name in ("plain", "steered"):
        own = reelm.load(folders[name]).lm
        assert own is not None
        start = open_start(joined, own.config)
        np.testing.assert_array_equal(start.params["given"]["embedding"], own.params["given"]["embedding"])


def test_what_is_no_specialist_of_a_model_is_refused(folders, tmp_path):
    with pytest.raises(RequestError, match="reads other pieces of text|knows other codes|trained on"):
        export(plan_of(folders, "silent"), tmp_path / "model")
    alone = ExportPlan(video_tokenizer=folders["plain"], specialists=[folders["steered"]])
    with pytest.raises(RequestError, match="a specialist stands beside a language model"):
        export(alone, tmp_path / "model")
