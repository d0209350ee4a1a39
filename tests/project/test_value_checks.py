"""What a caller gives wrongly is refused in our words, wherever Python takes it."""

from pathlib import Path

import numpy as np
import pytest

import reelm
from reelm import Clip, RequestError, value_checks
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig


def test_numbers_of_others_are_numbers():
    assert value_checks.whole("n", np.uint8(3)) == value_checks.whole("n", np.array(3)) == 3
    assert value_checks.real("x", np.float32(0.5)) == 0.5 and type(value_checks.real("x", np.float32(0.5))) is float
    assert value_checks.path("p", Path("a/b")) == "a/b"
    for wrong in (1.0, "3", None, np.array([1]), 1j):
        with pytest.raises(RequestError, match="n is .*; it must be a whole number"):
            value_checks.whole("n", wrong)
    for wrong in ("3", b"3", None, [1], np.array([1.0]), 1j):
        with pytest.raises(RequestError, match="x is .*; it must be a number"):
            value_checks.real("x", wrong)


def test_a_number_out_of_its_range_is_told_both_ends():
    value_checks.within("x", 1, 1)
    value_checks.within("x", 2.5, 0.01, 2.5)
    for wrong, words in ((np.float64(0.5), "x is 0.5; it must be 1 or more"), (float("nan"), "x is nan; it must")):
        with pytest.raises(RequestError, match=words):
            value_checks.within("x", wrong, 1)
    for wrong in (np.float64(0.0), 1001, float("nan")):
        with pytest.raises(RequestError, match=f"x is {wrong}; it must lie between 0.01 and 1000$"):
            value_checks.within("x", wrong, 0.01, 1000.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: Clip.open(np.zeros((5, 16, 24, 3))),  # type: ignore[arg-type]
        lambda model: Clip.open(b"clip.mp4"),  # type: ignore[arg-type]
        lambda model: Clip(np.zeros((1, 8, 8, 3), np.uint8), "8"),  # type: ignore[arg-type]
        lambda model: Clip(np.zeros((1, 8, 8, 3), np.uint8), 8, info=[]),  # type: ignore[arg-type]
        lambda model: Clip(np.zeros((1, 8, 8, 3), np.uint8), 8).save(5),  # type: ignore[arg-type]
        lambda model: Clip(np.zeros((1, 8, 8, 3), np.uint8), 8).save("a.mp4", crf="x"),  # type: ignore[arg-type]
        lambda model: reelm.load(5),  # type: ignore[arg-type]
        lambda model: reelm.load("a" * 5000),
        lambda model: reelm.load("a/" * 5000),
        lambda model: reelm.load(mesh=b"a"),  # type: ignore[arg-type]
        lambda model: reelm.load(dtype="a " * 5000),  # type: ignore[arg-type]
        lambda model: VideoTokenizerConfig(decoder_blocks=2**31),
        lambda model: AudioTokenizerConfig(encoder_blocks=2**31),
        lambda model: LMConfig(layers=2**31),
        lambda model: LMConfig(width=2**31),
        lambda model: VideoTokenizerConfig(decoder_channels=(2**31 - 1,)),
        lambda model: AudioTokenizerConfig(encoder_channels=(128, 2**31)),
        lambda model: model.save(None),
        lambda model: model.score("picture.png"),
        lambda model: model.read_as(5),
        lambda model: model.generate("red", cfg_scale=10**400),
        lambda model: model.video_tokenizer.encode([[1], [1, 2]]),
        lambda model: model.video_tokenizer.decode("codes"),
        lambda model: model.video_tokenizer.reconstruct(np.zeros((1, 8, 8, 3)), tile="8"),
        lambda model: model.video_tokenizer.init_decode_state(height=16, width=float("nan")),
        lambda model: model.video_tokenizer.init_encode_state(batch=0, height=16, width=24),
        lambda model: model.audio_tokenizer.encode([[1.0], [1.0, 2.0]], 2_000),
        lambda model: model.audio_tokenizer.init_decode_state(batch=0),
    ],
)
def test_what_is_given_wrongly_is_refused_in_a_line(tiny_sound_model, call):
    with pytest.raises(RequestError) as caught:
        call(tiny_sound_model)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000
