"""Sound beside pictures: full marks for real clips, and each fault of a model costs its own measure."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reelm.data.moving_digits import scenes
from reelm.data.moving_digits.soundtracks import SILENT_WORDS, soundtrack, voices_for
from reelm.errors import RequestError
from reelm.evaluation.digits.generation import GROUPS, prompts
from reelm.evaluation.digits.sound_and_picture import audio_to_video, from_words, video_to_audio
from reelm.evaluation.judges.bounces import Bounces
from reelm.evaluation.sound import heard_ticks, true_bounces
from reelm.media.clip import Clip

pytestmark = pytest.mark.slow  # words are heard and movers tracked in dozens of clips
CLIPS, FRAMES = 8, 25


class Sounding:
    """A model that makes the very clips of the evaluation, in voices that the judge knows, or what `spoil` makes."""

    def __init__(self, tokenizer: Any, spoil: Callable[[Clip], Clip] = lambda clip: clip, obeys: bool = True):
        self.audio_tokenizer, self.spoil, self.obeys = tokenizer, spoil, obeys
        self.soundtrack = SimpleNamespace(tokenizer=tokenizer)  # it makes sound
        self.by_words: dict[str, Any] = {}
        for group, (split, _) in GROUPS.items():
            for number, (scene, words) in enumerate(zip(*prompts(group, CLIPS), strict=True)):
                self.by_words[words] = (scene, scenes.digits_for(split), number)
        self.in_order = [self.by_words[words] for words in prompts("trained", CLIPS)[1]]

    def generate(self, prompt: Any = None, *, seed: int, num_frames: int, **sources: Any) -> Any:
        if prompt is None:
            return self.clip(self.in_order[seed], num_frames)
        asked = [self.by_words[words.removesuffix(SILENT_WORDS)] for words in prompt]
        silent = [self.obeys and SILENT_WORDS in words for words in prompt]
        return [self.clip(one, num_frames, quiet) for one, quiet in zip(asked, silent, strict=True)]

    def clip(self, asked: Any, num_frames: int, silent: bool = False) -> Clip:
        scene, digits, number = asked
        track = soundtrack(scene, num_frames, voices_for("train"), np.random.default_rng(number))
        video = scenes.render(scene, digits, num_frames)
        return self.spoil(Clip(video=video, fps=8.0, audio=track * (not silent), sample_rate=16_000))


def later(clip: Clip) -> Clip:
    """Its sound three frames too late."""
    assert clip.audio is not None
    return replace(clip, audio=np.concatenate([np.zeros((3 * 2000, 1), np.float32), clip.audio[: -3 * 2000]]))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from reelm.tokenizer.audio.config import AudioTokenizerConfig
    from reelm.tokenizer.audio.tokenizer import AudioTokenizer

    # Its rate alone is asked for.
    return AudioTokenizer(AudioTokenizerConfig(sample_rate=16_000), {})


def test_real_clips_have_full_marks(tokenizer):
    model: Any = Sounding(tokenizer)
    scores = from_words(model, clips=CLIPS, batch=5, num_frames=FRAMES)
    assert list(scores) == [*GROUPS, "silence"]
    for group in GROUPS:
        row = scores[group]
        assert row["words"] >= 0.85 and row["words_interval"][0] <= row["words"] <= row["words_interval"][1]
        assert row["ticks"] >= 0.95 and row["bounces"] >= 4 and row["false"] <= 0.13
        assert row["ticks_real"] >= 0.95 and row["false_real"] <= 0.13
        assert row["all_right"] == row["real"] >= 0.8
    assert scores["silence"]["silent"] == 1 and scores["silence"]["all_right"] >= 0.8
    dubbed = video_to_audio(model, clips=CLIPS, num_frames=FRAMES)
    assert dubbed["words"] >= 0.85 and dubbed["ticks"] == dubbed["ticks_real"] == 1 and dubbed["false"] == 0
    shown = audio_to_video(model, clips=CLIPS, num_frames=FRAMES)
    assert shown["digit"] == shown["digit_real"] >= 0.8 and shown["ticks"] == 1 and shown["black"] == 0
    json.dumps([scores, dubbed, shown], allow_nan=False)


def test_each_fault_costs_its_own_measure(tokenizer):
    late: Any = Sounding(tokenizer, later, obeys=False)
    scores = from_words(late, clips=CLIPS, num_frames=FRAMES, groups=["trained"])
    row = scores["trained"]
    assert row["ticks"] <= 0.1 and row["false"] > 0.3 and row["words"] >= 0.85 and row["all_right"] >= 0.8
    assert scores["silence"]["silent"] == 0
    heard = video_to_audio(late, clips=CLIPS, num_frames=FRAMES)
    assert heard["ticks"] <= 0.1 and heard["ticks_real"] == 1 and heard["false_real"] == 0
    blank: Any = Sounding(tokenizer, lambda clip: replace(clip, video=0 * clip.video))
    shown = audio_to_video(blank, clips=CLIPS, num_frames=FRAMES)
    assert shown["digit"] == shown["bounces"] == 0 and shown["false"] > 0.3 and shown["black"] == 1


def test_ticks_off_by_three_frames_are_missed_and_those_at_the_end_excused():
    scene = scenes.Scene((scenes.Mover(digit=3, colour="red", direction="right", slow=False, image=0, start=(5, 18)),))
    track = soundtrack(scene, 25, voices_for("train"), np.random.default_rng(0))
    truth = true_bounces(scene, 25)
    assert truth.frames.tolist() == [9]
    assert heard_ticks([track], [truth]) == {"bounces": 1, "heard": 1, "false": 0}
    moved = np.roll(track, 3 * 2000, axis=0)
    assert heard_ticks([moved], [truth]) == {"bounces": 1, "heard": 0, "false": 1}
    unsure = Bounces(frames=np.zeros(0, int), unsure=np.array([9, 10, 11]))
    assert heard_ticks([track], [unsure]) == {"bounces": 0, "heard": 0, "false": 0}
    elsewhere = Bounces(frames=np.zeros(0, int), unsure=np.array([14]))
    assert heard_ticks([track], [elsewhere])["false"] == 1


def test_a_model_without_sound_is_refused_in_one_line():
    silent: Any = SimpleNamespace(name="silent", soundtrack=None)
    for task in (from_words, video_to_audio, audio_to_video):
        with pytest.raises(RequestError, match="knows no sound"):
            task(silent, clips=2)
