"""The options of a generation: the one list that Python, the command line and a server read.

A new option is a field of `Options` and of `OptionFields`. Imports nothing slow: the command line checks options before
JAX is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

from reelm.errors import RequestError
from reelm.media.limits import MAX_FPS, MIN_FPS
from reelm.tokenizer.upscaling.config import check_scale
from reelm.value_checks import real, whole, within

ControlKind = Literal["edges", "silhouette", "depth"]
Decoding = Literal["auto", "sequential", "parallel"]

FILES = ("image", "last_image", "video", "mask", "audio", "control")  # fields of `Sources` that may be a file


@dataclass(frozen=True, kw_only=True)
class Options:
    """The settings of a generation that are numbers or words.

    Attributes:
        num_frames: Frames of the clip, given ones included. Default: as many as the given video or sound has, otherwise
            the model's own number. A clip longer than the context window slides it.
        height: Height of the frames in pixels. Default: that of the training clips.
        width: Width of the frames in pixels. Default: that of the training clips.
        fps: Frames a second. Default: the frame rate of the training clips.
        num_samples: Clips of each prompt; sample k is the clip of seed + k.
        best_of: Clips drawn for each one that is returned. The one that best fits the words, the given pictures or
            sound, and what follows a retake is kept.
        seed: Random seed from 0 to 2^32 - 1. In float32 the same seed gives the same clip in any batch.
        temperature: Sampling temperature; 0 always takes the most likely code.
        top_k: Draw from the k most likely codes; 0 draws from all.
        top_p: Draw from the most likely codes that hold this share of the probability; 1 draws from all.
        min_p: Keep only codes with at least this fraction of the top code's probability; 0 keeps all. Several numbers
            are a schedule, one for each latent frame, and the last one repeats. Default: the model's own.
        cfg_scale: Guidance scale by prompt, pictures, mask and sound; 1 is no guidance. Several numbers are a schedule,
            likewise. Default: the model's own.
        cfg_min_p: Guidance keeps only codes with at least this fraction of the top code's probability without guidance.
            Default: the model's own.
        negative_prompt: Words that guidance leads away from, instead of no words.
        overlap: Seconds of the previous window that the next window of a long clip reads again. Default: the model's
            own.
        motion: How much moves, 0 to 1: the share of the training clips that move less. A model may have its own
            `cfg_scale` and `min_p` for it.
        control_kind: What the pictures follow of `control`: its "edges", its "silhouette", or "depth" if it is a depth
            video already.
        retake: Seconds of `video` to make anew: from and to, one pair or more. All other frames keep their pixels
            and their sound.
        upscale: Enlarge height and width 2 or 4 times, by the model's upscaler. Default: the size that is drawn.
        strict: Refuse what the model's training never saw. Default: make it anyway, with warnings.
        decoding: Draw codes one by one, or guess several and check them at once. In float32 both give the same clip.
            "auto" takes the faster way.

    Raises:
        RequestError: a value out of its range.
    """

    num_frames: int | None = None
    height: int | None = None
    width: int | None = None
    fps: float | None = None
    num_samples: int = 1
    best_of: int = 1
    seed: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float | Sequence[float] | None = None
    cfg_scale: float | Sequence[float] | None = None
    cfg_min_p: float | None = None
    negative_prompt: str | None = None
    overlap: float | None = None
    motion: float | None = None
    control_kind: ControlKind | None = None
    retake: Sequence[float] | None = None
    upscale: int | None = None
    strict: bool = False
    decoding: Decoding = "auto"

    def __post_init__(self):
        for name in (*_WHOLE, *_REAL):
            value = getattr(self, name)
            if value is not None or name not in _OPEN:
                object.__setattr__(self, name, (whole if name in _WHOLE else real)(name, value))
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                wanted = f"at most {most}" if value > most else f"{least} or more"
                raise RequestError(f"{name} is {value}; it must be {wanted}")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        for name, most in _SCHEDULES.items():
            object.__setattr__(self, name, _schedule(name, getattr(self, name), most))
        object.__setattr__(self, "retake", _stretches(self.retake))
        if self.upscale is not None:
            object.__setattr__(self, "upscale", check_scale("upscale", self.upscale))
        if not 0 <= self.seed <= 2**32 - self.num_samples:
            last = self.seed + self.num_samples - 1
            raise RequestError(f"a seed lies in 0 ... 2^32 - 1; these run from {self.seed} to {last}")
        if self.negative_prompt is not None and not isinstance(self.negative_prompt, str):
            raise RequestError(f"negative_prompt is {self.negative_prompt!r}; it must be text")
        if not isinstance(self.strict, bool):
            raise RequestError(f"strict is {self.strict!r}; it must be true or false")
        if (kind := self.control_kind) is not None and kind not in get_args(ControlKind):
            raise RequestError(f"control_kind is {kind!r}; it is one of {', '.join(get_args(ControlKind))}")
        if self.decoding not in get_args(Decoding):
            raise RequestError(f"decoding is {self.decoding!r}; choose one of {', '.join(get_args(Decoding))}")


_WHOLE = ("num_frames", "height", "width", "num_samples", "best_of", "seed", "top_k")
_REAL = ("fps", "temperature", "top_p", "cfg_min_p", "overlap", "motion")
_OPEN = ("num_frames", "height", "width", "fps", "cfg_min_p", "overlap", "motion")  # None is the model's own
_RANGES = {
    "num_frames": (1, 10_000_000),
    "height": (1, 65_536),
    "width": (1, 65_536),
    "fps": (MIN_FPS, MAX_FPS),
    "num_samples": (1, 100_000),
    "best_of": (1, 1_000),
    "temperature": (0, 1_000_000),
    "top_k": (0, 2**31 - 1),
    "cfg_min_p": (0, 1),
    "overlap": (0, 3_600),
    "motion": (0, 1),
}


_SCHEDULES = {"min_p": 1, "cfg_scale": 1_000_000}  # the largest value of each
_MOST_SECONDS = 30 * 24 * 3600


def _schedule(name: str, value: Any, most: float) -> float | tuple[float, ...] | None:
    """Return a checked number, or a checked schedule, as Python's floats."""
    if value is None:
        return None
    many = isinstance(value, Sequence) or getattr(value, "ndim", 0) == 1
    numbers = tuple(real(name, each) for each in (value if many else (value,)))
    if not numbers or not all(0 <= each <= most for each in numbers):
        shown = ", ".join(map(str, numbers)) or "an empty schedule"
        raise RequestError(f"{name} is {shown}; it must be 0 or more, at most {most}")
    return numbers if many else numbers[0]


def schedule(value: float | Sequence[float]) -> tuple[float, ...]:
    """Return a checked number, or a schedule, as a schedule."""
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _stretches(times: Any) -> tuple[float, ...] | None:
    """Return the checked seconds of a retake, from and to in turn; RequestError for stretches that overlap."""
    if times is None:
        return None
    if isinstance(times, str) or not isinstance(times, Sequence):
        raise RequestError(f"retake is {times!r}; give the seconds from and to, such as (1.0, 2.0)")
    seconds = tuple(real("retake", each) for each in times)
    if not seconds or len(seconds) % 2 or not all(0 <= each <= _MOST_SECONDS for each in seconds):
        shown = ", ".join(map(str, seconds[:6])) or "empty"
        raise RequestError(f"retake is {shown}; give the seconds from and to, such as (1.0, 2.0)")
    for begin, end in zip(seconds, seconds[1:], strict=False):
        if not begin < end:
            raise RequestError(f"retake goes from {begin:g} to {end:g} seconds; stretches must not overlap or go back")
    return seconds


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """The values that a model fills in where a request gives none.

    Attributes:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        fps: frames a second.
        num_frames: frames of a clip.
        cfg_scale: guidance scale; 1 is no guidance.
        sound_cfg_scale: guidance scale of a request with sound and nothing else; None for `cfg_scale`.
        motion_cfg_scale: guidance scale of a request with `motion`, because the likeliest codes hardly move; None for
            `cfg_scale`.
        min_p: least share of the top probability, for latent frame 0, 1, ...; the last one repeats. Begin with 0 if
            many codes may begin a clip and each of them is rare.
        motion_min_p: `min_p` of a request with `motion`; None for `min_p`.
        cfg_min_p: least share of the conditional model's top probability that guidance keeps.
        overlap: seconds of the previous window that the next window of a long clip reads again.
        lookahead: codes that parallel decoding reads at once; None for what suits the device.

    Raises:
        RequestError: a value that no request may have.
    """

    height: int = 64
    width: int = 64
    fps: float = 8.0
    num_frames: int = 17
    cfg_scale: float = 1.0
    sound_cfg_scale: float | None = None
    motion_cfg_scale: float | None = None
    min_p: tuple[float, ...] = (0.0,)
    motion_min_p: tuple[float, ...] | None = None
    cfg_min_p: float = 0.0
    overlap: float = 1.0
    lookahead: int | None = None

    def __post_init__(self):
        own = ("lookahead", "sound_cfg_scale", "motion_cfg_scale", "motion_min_p")
        Options(**{name: value for name, value in vars(self).items() if name not in own})
        Options(cfg_scale=self.sound_cfg_scale)
        Options(cfg_scale=self.motion_cfg_scale, min_p=self.motion_min_p)
        if self.lookahead is not None:
            within("lookahead", self.lookahead, 1)


class OptionFields(TypedDict, total=False):
    """The fields of `Options` as keyword arguments; Python has no way to derive the one from the other."""

    num_frames: int | None
    height: int | None
    width: int | None
    fps: float | None
    num_samples: int
    best_of: int
    seed: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float | Sequence[float] | None
    cfg_scale: float | Sequence[float] | None
    cfg_min_p: float | None
    negative_prompt: str | None
    overlap: float | None
    motion: float | None
    control_kind: ControlKind | None
    retake: Sequence[float] | None
    upscale: int | None
    strict: bool
    decoding: Decoding
