"""The tasks of `reelm evaluate generation`, by name.

In: the name of a task. Out: the function that scores a model on it. The function takes the model, `clips`, `seed` and
`progress`; of `num_frames`, `best_of` and `sheets` it gets those that its parameters name.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from reelm.data.moving_digits import chinese
from reelm.errors import RequestError
from reelm.evaluation.digits import generation, short_words, sound_and_picture, steering, stories, tasks
from reelm.registry import entries

Task = Callable[..., dict[str, Any]]

TASKS: dict[str, Task] = {
    "words": generation.generation,
    "words-chinese": partial(generation.generation, caption=chinese.caption),  # one in seven is half in English
    "short-words": short_words.from_short_words,
    "continuation": tasks.continuation,
    "key-frames": tasks.key_frames,
    "inpainting": tasks.inpainting,
    "minute": tasks.minute,
    "sound": sound_and_picture.from_words,
    "video-to-audio": sound_and_picture.video_to_audio,
    "audio-to-video": sound_and_picture.audio_to_video,
    "steering": steering.steering,
    "stories": stories.told,
}


def names() -> tuple[str, ...]:
    """Return the names of all tasks: those above, then those of the models in the zoo."""
    return (*TASKS, *entries("EVALUATIONS"))


def find(name: str) -> Task:
    """Return the task with this name; RequestError when there is none."""
    if name not in names():
        raise RequestError(f"no task is named {name!r}; choose one of {', '.join(names())}")
    return TASKS[name] if name in TASKS else entries("EVALUATIONS")[name].load()
