"""Scores of the tasks: full marks for the real clip, none for a clip that stands still or goes wrong."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reelm.data.moving_digits import scenes as moving_digits
from reelm.evaluation.digits import tasks as evaluate_tasks
from reelm.evaluation.digits.generation import prompts
from reelm.media.clip import Clip

pytestmark = pytest.mark.slow  # a minute of clips is made and read


class Real:
    """A model that knows how every clip of the evaluation really is, and makes that or what `spoil` makes of it."""

    def __init__(self, tokenizer: Any, spoil: Any = lambda video: video):
        self.video_tokenizer, self.spoil = tokenizer, spoil
        self.defaults = SimpleNamespace(fps=8.0)
        self.language_model = lambda: SimpleNamespace(config=SimpleNamespace(frames=9))

    def generate(self, prompt: Any = None, *, seed: int, num_frames: int = 17, **sources: Any) -> Any:
        digits = moving_digits.digits_for("test")
        scenes, _ = prompts("trained", 4, seed=0)
        videos = [self.spoil(moving_digits.render(scene, digits, num_frames)) for scene in scenes]
        if "image" in sources:
            videos = [np.concatenate([self.video_tokenizer.reconstruct(v[:1]), v[1:]]) for v in videos]
        clips = [Clip(video=video, fps=8.0) for video in videos]
        return clips if isinstance(prompt, list) else clips[seed]


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return tiny_model.video_tokenizer


def test_real_clips_have_full_marks(tokenizer):
    model: Any = Real(tokenizer)
    went_on = evaluate_tasks.continuation(model, clips=4)
    assert [went_on[name] for name in ("digit", "colour", "direction", "on_course")] == [1, 1, 1, 1]
    keys = evaluate_tasks.key_frames(model, clips=4)
    for kind in ("words", "no_words"):
        marks = keys[kind]
        assert marks["first_is_rebuilt"] and marks["last"] == marks["middle"] == 1 and marks["last_off"] < 0.01
    holes = evaluate_tasks.inpainting(model, clips=4)
    assert holes["digit"] == 1 and holes["edge"] == holes["edge_real"]
    lasted = evaluate_tasks.minute(model, clips=4)
    assert lasted["end"] == lasted["seconds"] == 1
    assert abs(lasted["trend"]) < 0.01 and abs(lasted["joins"] - 1) < 0.1 and abs(lasted["begins"] - 1) < 0.05


def test_what_goes_wrong_is_seen(tokenizer):
    frozen: Any = Real(tokenizer, lambda video: np.broadcast_to(video[:1], video.shape))
    assert evaluate_tasks.continuation(frozen, clips=4)["on_course"] < 1
    assert evaluate_tasks.key_frames(frozen, clips=4)["no_words"]["last_off"] > 1
    other: Any = Real(tokenizer, lambda video: video[..., [1, 2, 0]])
    assert evaluate_tasks.continuation(other, clips=4)["colour"] < 1

    def fade(video: np.ndarray) -> np.ndarray:
        return (video * np.linspace(1, 0, len(video))[:, None, None, None]).astype(np.uint8)

    faded = evaluate_tasks.minute(Real(tokenizer, fade), clips=4)  # type: ignore[arg-type]
    assert faded["trend"] < -1 and faded["end"] == 0 < faded["seconds"] < 1

    def jump(video: np.ndarray) -> np.ndarray:
        joins = evaluate_tasks._joins(Real(tokenizer), len(video))  # type: ignore[arg-type]
        video = video.copy()
        video[joins] = 255 - video[joins]
        return video

    assert evaluate_tasks.minute(Real(tokenizer, jump), clips=4)["joins"] > 1.5  # type: ignore[arg-type]

    def beat(video: np.ndarray) -> np.ndarray:
        return video[np.minimum((np.arange(len(video)) + 3) // 4 * 4, len(video) - 1)]

    beats = evaluate_tasks.minute(Real(tokenizer, beat), clips=4)  # type: ignore[arg-type]
    assert abs(beats["joins"] - 1) < 0.1 and beats["begins"] > 1.5
