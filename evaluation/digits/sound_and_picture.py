"""Score generated clips with sound: from words, sound for given pictures, and pictures for given sound.

Comes in: a `Model` with sound trained on `moving_digits_sound`. Goes out: dicts of plain JSON values. The judges see
pixels and hear sound alone; whether a tick is in step is decided by the bounces that the picture shows. Every measure
stands beside that of real clips, drawn from test handwriting and speakers, by the same judges: the most they can give.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.data.moving_digits import scenes as moving_digits
from reelm.data.moving_digits.scenes import Scene
from reelm.data.moving_digits.soundtracks import SAMPLE_RATE, SILENT_WORDS, soundtrack, voices_for
from reelm.errors import RequestError
from reelm.evaluation.groups import Group, check_at_least, judged_groups
from reelm.evaluation.judges.bounces import Bounces, shown_bounces
from reelm.evaluation.judges.digits import read
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.evaluation.scores.pictures import is_black
from reelm.evaluation.scores.sound import is_silent
from reelm.evaluation.sound import heard_ticks, heard_words, true_bounces
from reelm.media.sound import resample
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .generation import GROUPS, judged, prompts, rendered


def from_words(
    model: Model,
    *,
    clips: int = 200,
    batch: int = 16,
    seed: int = 0,
    num_frames: int = 17,
    best_of: int = 1,
    groups: Sequence[str] = tuple(GROUPS),
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Score clips with sound from the prompts of `generation.py`, and from as many that ask for silence.

    Each group holds the scores of `generation.py` for its pictures, and

        words, words_interval: share of clips in which the names that were asked are said, all, in their order and
            nothing else, and its 95% Wilson bounds
        bounces: how many the pictures show
        ticks, ticks_interval: share of them with a tick within one video frame
        false: ticks without a bounce, a clip
        words_real, ticks_real, false_real: the same of real clips of the very same scenes

    and `silence`, from prompts of the first group that end in "without sound",

        clips; silent, interval: share in which nothing is heard
        all_right: of its pictures
    """
    _check(model, clips, batch, num_frames)
    batch = min(batch, clips)
    asked = {name: _with_sound(name, clips, batch, seed, num_frames) for name in groups}
    asked["silence"] = _without_sound(groups[0], clips, batch, seed)
    return judged_groups(model, asked, seed=seed, num_frames=num_frames, best_of=best_of, progress=progress)


def _with_sound(name: str, clips: int, batch: int, seed: int, num_frames: int) -> Group:
    scenes, captions = prompts(name, clips, seed=seed)

    def judge(made: Sequence[Any]) -> dict[str, Any]:
        videos, real = [clip.video for clip in made], rendered(name, scenes, num_frames)
        tracks, real_tracks = [_heard(clip) for clip in made], _real_tracks(scenes, num_frames, seed)
        seen = judged(videos, scenes) | {"real": judged(real, scenes)["all_right"]}
        return seen | _audible(scenes, (tracks, _shown(videos, scenes)), (real_tracks, _shown(real, scenes)))

    return Group(captions, batch, judge)


def _without_sound(name: str, clips: int, batch: int, seed: int) -> Group:
    scenes, captions = prompts(name, clips, seed=seed)

    def judge(made: Sequence[Any]) -> dict[str, Any]:
        soundless = sum(is_silent(_heard(clip), SAMPLE_RATE) for clip in made)
        return {
            "clips": clips,
            "all_right": judged([clip.video for clip in made], scenes)["all_right"],
            "silent": soundless / clips,
            "interval": list(wilson_interval(soundless, clips)),
        }

    return Group([caption + SILENT_WORDS for caption in captions], batch, judge)


def video_to_audio(
    model: Model,
    *,
    clips: int = 200,
    seed: int = 0,
    num_frames: int = 17,
    best_of: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score sound made for real pictures of one digit, without words.

    described: share of clips of which the model itself says what digit they show, by `Model.describe`
    words, words_interval: share of clips in which the digit that is shown is said, and nothing else
    bounces: how many the real clips have; ticks, ticks_interval, false: as `from_words` has them
    words_real, ticks_real, false_real: the same of real sound
    """
    _check(model, clips, 1, num_frames)
    scenes, _ = prompts("trained", clips, seed=seed)
    sources = [{"video": video} for video in rendered("trained", scenes, num_frames)]
    made, described = _answers(model, scenes, sources, seed, num_frames, best_of, progress)
    tracks, real_tracks = [_heard(clip) for clip in made], _real_tracks(scenes, num_frames, seed)
    truth = [true_bounces(scene, num_frames) for scene in scenes]
    return {"clips": clips, "described": described} | _audible(scenes, (tracks, truth), (real_tracks, truth))


def audio_to_video(
    model: Model,
    *,
    clips: int = 200,
    seed: int = 0,
    num_frames: int = 17,
    best_of: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score pictures made for real sound of one digit, without words, by speakers that training never heard.

    described: share of clips of which the model itself says what digit they name, by `Model.describe`
    digit, digit_interval: share of clips that show the digit which is said
    digit_real: that share of the real clips
    black: share of black clips, see `is_black`: those that show nothing
    bounces, ticks, ticks_interval, false: as `from_words` has them: the given ticks by the bounces that are shown
    """
    _check(model, clips, 1, num_frames)
    assert model.audio_tokenizer is not None
    scenes, _ = prompts("trained", clips, seed=seed)
    rate, real = model.audio_tokenizer.config.sample_rate, rendered("trained", scenes, num_frames)
    sounds = _real_tracks(scenes, num_frames, seed, rate)
    sources = [{"audio": sound} for sound in sounds]
    made, described = _answers(model, scenes, sources, seed, num_frames, best_of, progress)
    videos, tracks = [clip.video for clip in made], [resample(sound[None], rate, SAMPLE_RATE)[0] for sound in sounds]
    right, right_real = (_digits_shown(each, scenes) for each in (videos, real))
    return {
        "clips": clips,
        "described": described,
        "digit": right / clips,
        "digit_interval": list(wilson_interval(right, clips)),
        "digit_real": right_real / clips,
        "black": float(np.mean([is_black(video) for video in videos])),
        **_in_step(heard_ticks(tracks, _shown(videos, scenes))),
    }


def _answers(
    model: Model,
    scenes: Sequence[Scene],
    sources: Sequence[dict[str, Any]],
    seed: int,
    num_frames: int,
    best_of: int,
    progress: Progress,
) -> tuple[list[Any], float]:
    """Return (a clip for what is given of each scene, the share of scenes whose digit the model finds in it)."""
    made, described = [], 0
    for number, (scene, part) in enumerate(zip(scenes, sources, strict=True)):
        made.append(model.generate(**part, num_frames=num_frames, seed=seed + number, best_of=best_of))
        described += _digits_in(made[-1].info.get("described", "")) == [scene.movers[0].digit]
        progress(number + 1, len(scenes))
    return made, described / len(scenes)


def _digits_shown(videos: Sequence[np.ndarray], scenes: Sequence[Scene]) -> int:
    """Count the clips that show the digit of their scene."""
    return sum(read(video)[0].digit == scene.movers[0].digit for video, scene in zip(videos, scenes, strict=True))


def _audible(
    scenes: Sequence[Scene],
    made: tuple[Sequence[np.ndarray], Sequence[Bounces]],
    real: tuple[Sequence[np.ndarray], Sequence[Bounces]],
) -> dict[str, Any]:
    """Return the scores of what is heard in made and in real (tracks, bounces beside them)."""
    words, ticks = heard_words(made[0], scenes), heard_ticks(*real)
    return {
        "words": words / len(scenes),
        "words_interval": list(wilson_interval(words, len(scenes))),
        "words_real": heard_words(real[0], scenes) / len(scenes),
        **_in_step(heard_ticks(*made)),
        "ticks_real": ticks["heard"],
        "false_real": ticks["false"],
    }


def _check(model: Model, clips: int, batch: int, num_frames: int) -> None:
    check_at_least(1, clips=clips, batch=batch)
    check_at_least(2, num_frames=num_frames)
    if model.soundtrack is None:
        raise RequestError(f"{model.name!r} knows no sound; evaluate a model with sound")


def _heard(clip: Any) -> np.ndarray:
    """Return the sound of a clip for the judges, `[S, 1]` at SAMPLE_RATE."""
    sound = clip.audio.mean(axis=1, keepdims=True)
    return resample(sound[None], clip.sample_rate, SAMPLE_RATE)[0]


def _digits_in(words: str) -> list[int]:
    """Return the digits that words name, in order."""
    names = {name: digit for digit, word in enumerate(moving_digits.DIGIT_WORDS) for name in (word, str(digit))}
    return [names[word] for word in words.split() if word in names]


def _real_tracks(scenes: Sequence[Scene], num_frames: int, seed: int, rate: int = SAMPLE_RATE) -> list[np.ndarray]:
    """Return the sound `[S, 1]` of scenes by test speakers; voice and words are the same at every sample rate."""
    voices = voices_for("test")
    return [
        soundtrack(scene, num_frames, voices, np.random.default_rng([2, seed, number]), rate)
        for number, scene in enumerate(scenes)
    ]


def _shown(videos: Sequence[np.ndarray], scenes: Sequence[Scene]) -> list[Bounces]:
    """Return the bounces that the pictures show, with the number of movers of each scene."""
    return [shown_bounces(read(video, len(scene.movers))) for video, scene in zip(videos, scenes, strict=True)]


def _in_step(ticks: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of `heard_ticks` under the names of these scores."""
    bounces, heard = ticks["bounces"], ticks["heard"]
    interval = list(wilson_interval(round(heard * bounces), bounces)) if bounces else [0.0, 1.0]
    return {"bounces": bounces, "ticks": heard, "ticks_interval": interval, "false": ticks["false"]}
