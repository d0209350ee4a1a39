"""Codes that are not this model's own never reach its tables, where JAX would clamp them in silence."""

import numpy as np
import pytest

import reelm
from reelm.errors import RequestError


def clip_of(model, ids: np.ndarray, **info) -> reelm.Clip:
    video = np.zeros((1 + 4 * (len(ids) - 1), 16, 24, 3), np.uint8)
    return reelm.Clip(video=video, fps=8.0, tokens={"video": ids.astype(np.int32), "audio": None}, info=info)


@pytest.mark.parametrize("bad", [-1, 1 << 10])
def test_codes_out_of_range_are_refused(tiny_model, bad):
    ids = np.full((2, 2, 3), bad)
    own = tiny_model.video_tokenizer.hash
    with pytest.raises(RequestError, match="0 to 1023"):
        tiny_model.score(clip_of(tiny_model, ids), "red")
    with pytest.raises(RequestError, match="0 to 1023"):
        tiny_model.generate("red", video=clip_of(tiny_model, ids, tokenizer=own), num_frames=9)


def test_codes_of_another_tokenizer_are_refused(tiny_model):
    foreign = clip_of(tiny_model, np.zeros((2, 2, 3)), tokenizer="0123456789abcdef")
    with pytest.raises(RequestError, match="from the tokenizer 0123456789abcdef, this model's is"):
        tiny_model.score(foreign, "red")
