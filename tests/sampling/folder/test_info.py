"""What is said of a model: from its folder the same as from the model, without its nets."""

from dataclasses import replace

from made.models import tiny_model, tiny_steered, tiny_upscaler

import reelm
from reelm.sampling.folder.info import read_info


def test_a_folder_says_what_its_model_says(tmp_path):
    plain, steered = tiny_model(sound=True), tiny_steered()
    assert plain.lm is not None and steered.lm is not None
    specialist = replace(steered.lm, text=plain.lm.text)
    model = replace(plain, specialists=(specialist,), upscaler=tiny_upscaler())
    model.save(tmp_path / "model", dtype="int8", differences=True)
    told = read_info(tmp_path / "model", "tiny")
    assert told == model.info() == {**reelm.load(str(tmp_path / "model")).info(), "name": "tiny"}
