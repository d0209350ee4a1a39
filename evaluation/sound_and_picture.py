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
from reelm.evaluation.judges.bounces import Bounces, shown_bounces
from reelm.evaluation.judges.digits import read
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.evaluation.scores.pictures import is_black
from reelm.evaluation.scores.sound import is_silent
from reelm.media.sound import resample
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .generation import GROUPS, check_at_least, counting, generated, judged, prompts
from .sound import heard_ticks, heard_words, true_bounces


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
    total = clips * (len(groups) + 1)
    options: dict[str, Any] = {"seed": seed, "num_frames": num_frames, "best_of": best_of}
    result: dict[str, dict[str, Any]] = {}

    for number, group in enumerate(groups):
        scenes, captions = prompts(group, clips, seed=seed)
        done = counting(progress, number * clips, total)
        made = generated(model, captions, batch=batch, done=done, **options)
        videos, tracks = [clip.video for clip in made], [_heard(clip) for clip in made]
        digits = moving_digits.digits_for(GROUPS[group][0])
        real = [moving_digits.render(scene, digits, num_frames) for scene in scenes]
        real_tracks = _real_tracks(scenes, num_frames, seed)
        words, ticks = heard_words(tracks, scenes), heard_ticks(tracks, _shown(videos, scenes))
        real_ticks = heard_ticks(real_tracks, _shown(real, scenes))
        result[group] = judged(videos, scenes) | {
            "real": judged(real, scenes)["all_right"],
            "words": words / clips,
            "words_interval": list(wilson_interval(words, clips)),
            "words_real": heard_words(real_tracks, scenes) / clips,
            **_in_step(ticks),
            "ticks_real": real_ticks["heard"],
            "false_real": real_ticks["false"],
        }
    scenes, captions = prompts(groups[0], clips, seed=seed)
    asked = [caption + SILENT_WORDS for caption in captions]
    done = counting(progress, len(groups) * clips, total)
    made = generated(model, asked, batch=batch, done=done, **options)
    soundless = sum(is_silent(_heard(clip), SAMPLE_RATE) for clip in made)
    result["silence"] = {
        "clips": clips,
        "all_right": judged([clip.video for clip in made], scenes)["all_right"],
        "silent": soundless / clips,
        "interval": list(wilson_interval(soundless, clips)),
    }
    return result


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
    digits = moving_digits.digits_for("test")
    tracks, described = [], 0
    for number, scene in enumerate(scenes):
        video = moving_digits.render(scene, digits, num_frames)
        made = model.generate(video=video, num_frames=num_frames, seed=seed + number, best_of=best_of)
        tracks.append(_heard(made))
        described += _digits_in(made.info.get("described", "")) == [scene.movers[0].digit]
        progress(number + 1, clips)
    real_tracks = _real_tracks(scenes, num_frames, seed)
    truth = [true_bounces(scene, num_frames) for scene in scenes]
    words, ticks, real = heard_words(tracks, scenes), heard_ticks(tracks, truth), heard_ticks(real_tracks, truth)
    return {
        "clips": clips,
        "described": described / clips,
        "words": words / clips,
        "words_interval": list(wilson_interval(words, clips)),
        "words_real": heard_words(real_tracks, scenes) / clips,
        **_in_step(ticks),
        "ticks_real": real["heard"],
        "false_real": real["false"],
    }


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
    digits = moving_digits.digits_for("test")
    tracks, videos, described, right, real = [], [], 0, 0, 0
    given = _real_tracks(scenes, num_frames, seed, model.audio_tokenizer.config.sample_rate)
    for number, (scene, sound) in enumerate(zip(scenes, given, strict=True)):
        made = model.generate(audio=sound, num_frames=num_frames, seed=seed + number, best_of=best_of)
        videos.append(made.video)
        described += _digits_in(made.info.get("described", "")) == [scene.movers[0].digit]
        tracks.append(resample(sound[None], model.audio_tokenizer.config.sample_rate, SAMPLE_RATE)[0])
        right += read(made.video)[0].digit == scene.movers[0].digit
        real += read(moving_digits.render(scene, digits, num_frames))[0].digit == scene.movers[0].digit
        progress(number + 1, clips)
    return {
        "clips": clips,
        "described": described / clips,
        "digit": right / clips,
        "digit_interval": list(wilson_interval(right, clips)),
        "digit_real": real / clips,
        "black": float(np.mean([is_black(video) for video in videos])),
        **_in_step(heard_ticks(tracks, _shown(videos, scenes))),
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
