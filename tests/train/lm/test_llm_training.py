"""Test of a video model with a language model as text encoder: training, export, generation."""

import numpy as np
import pytest
from made import llm_files
from made.token_sets import of_one_code

import reelm
from reelm.data.tokens.config import Bucket, Stage
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.text.llm.point import point
from reelm.train.export import ExportPlan, export
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

pytestmark = [pytest.mark.slow, pytest.mark.long]  # a whole training

SHOWN = {"a red seven": 5, "红色的八": 1000}
"""The code that all of a clip has, by its caption."""


def test_a_video_model_learns_through_all_layers_of_a_language_model(tiny_model, tmp_path):
    llm = point(llm_files.folder(tmp_path / "gemma", "gemma3"), tmp_path / "llm", layer=None)
    tiny_model.save(tmp_path / "parts")
    said = [((caption,), code) for caption, code in SHOWN.items()] * 8
    run = LMRun(
        model=LMConfig(bits=10, frames=1, width=32, layers=2, heads=2, kv_heads=1, head_width=16, hidden=32,
                       prefix=32, text_vocabulary=1, text_width=8 * 24),
        tokens=(of_one_code(tmp_path / "tokens", tiny_model.video_tokenizer.hash, said, 1),),
        text_encoder=llm,
        stages=(Stage(buckets=(Bucket(frames=1, batch_size=8),)),),
        optimizer=OptimizerConfig(muon=0.02, warmup=1),
        loop=LoopConfig(steps=60, save_every=60, sample_every=0),
    )  # fmt: skip
    reelm.train(run, tmp_path / "lm")
    # It saw too few clips without words to draw one.
    export(ExportPlan(video_tokenizer=tmp_path / "parts", lm=[tmp_path / "lm"], check_draws=False), tmp_path / "model")
    model = reelm.load(str(tmp_path / "model"), text_encoder=llm)
    for caption, code in SHOWN.items():
        made = model.generate(caption, num_frames=1, height=16, width=24, temperature=0.0)
        assert isinstance(made, reelm.Clip) and made.tokens is not None
        np.testing.assert_array_equal(made.tokens["video"], code)
    other = point(tmp_path / "gemma", tmp_path / "other", layer=1)
    with pytest.raises(RequestError, match="another text encoder"):
        reelm.load(str(tmp_path / "model"), text_encoder=other)
