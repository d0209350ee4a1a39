"""The table of tasks: for each, what its prefix holds, what it needs, and how a model without it refuses a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .specials import PictureKind

# What a model may have been trained for. Model folders and runs store these names.
Task = Literal["t2v", "continuation", "keyframes", "inpainting", "a2v", "world", "reference", "shots", "retake"]


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What a task puts into the prefix besides words, what it needs, and how it is refused.

    Attributes:
        pictures: kind of the pictures in the prefix. `PictureKind.KNOWN` is the clip itself, with gaps.
        gap_in_time: whether the gap is whole latent frames; otherwise it is a place in all of them.
        sound: whether the prefix of a model with sound holds the clip's sound, with the gaps of the pictures if any.
        earlier: latent frames that a clip needs before the first one to be predicted. With any, the prefix says that
            the codes continue a clip.
        anywhere: whether the window may be any part of the clip, and its prefix does not say which. A stream then
            slides its window without an anchor: in a world, what was seen first says little of what is seen now.
        after_cut: whether the codes are those of a clip's next shot, and the anchor is of the shot before the cut.
        wordless: least share of training samples without words. A user may give a picture or a sound and no words.
        starts_from: what a user gives for this task.
        refusal: what follows "was not trained" in the refusal of a model without the task. `{longest}` stands for the
            frames of the model's longest clip. Empty for a task that no request is refused for.
    """

    pictures: PictureKind = PictureKind.NOTHING
    gap_in_time: bool = False
    sound: bool = False
    earlier: int = 0
    anywhere: bool = False
    after_cut: bool = False
    wordless: float = 0.0
    starts_from: str
    refusal: str = ""


TASKS: Mapping[Task, TaskSpec] = {
    "t2v": TaskSpec(
        starts_from="words",
    ),
    "continuation": TaskSpec(
        pictures=PictureKind.ANCHOR,
        earlier=1,
        starts_from="a clip, or a prompt that changes, for any length",
        refusal="for longer clips or prompts that change; ask for 1 to {longest} num_frames and give one prompt",
    ),
    "keyframes": TaskSpec(
        pictures=PictureKind.FRAME,
        wordless=0.5,
        starts_from="key frames",
        refusal="to show given frames after the first; give an image alone",
    ),
    "inpainting": TaskSpec(
        pictures=PictureKind.KNOWN,
        starts_from="a clip with a masked area",
        refusal="to fill in parts of a clip; leave the mask out",
    ),
    "a2v": TaskSpec(
        sound=True,
        wordless=0.5,
        starts_from="a sound",
        refusal="to make pictures for a sound; leave audio out",
    ),
    "world": TaskSpec(
        anywhere=True,
        starts_from="keys, for as long as one plays",
        refusal="to be played; a world is, which learns from recordings of a game",
    ),
    "reference": TaskSpec(
        pictures=PictureKind.REFERENCE,
        starts_from="pictures of the subjects that the words call <1>, <2>",
        refusal="to show the subjects of reference pictures; leave references out",
    ),
    "shots": TaskSpec(
        pictures=PictureKind.ANCHOR,
        earlier=1,
        after_cut=True,
        starts_from="a storyboard",
        refusal="to cut to another shot; leave cut out, and the words change within the shot",
    ),
    "retake": TaskSpec(
        pictures=PictureKind.KNOWN,
        gap_in_time=True,
        sound=True,
        starts_from="a clip of which some seconds are made anew",
        refusal="to make some seconds of a clip anew; leave retake out",
    ),
}
