"""Turn the codes of a clip into a training sample of the language model: the prefix of a task, and the codes after it.

    t2v           words                      -> the clip's first latent frames
    continuation  words, the first frame     -> latent frames from anywhere later: a window of a long clip
    keyframes     words, a few frames        -> the clip's first latent frames, which show them
    inpainting    words, the clip with gaps  -> the clip's first latent frames
    a2v           words, the sound           -> the clip's first latent frames, and the sound once more
    world         words, keys                -> latent frames from anywhere
    reference     words, pictures of their subjects -> the clip's first latent frames
    shots         words, the first frame before a cut -> latent frames from the cut on, or from later in that shot
    retake        words, the clip with a gap in time -> the clip's first latent frames

References, pictures of the subjects that words name, can be added to any task.
Given pictures and given sound are in the prefix. Continuing given codes needs no task, and neither does sound for given
pictures: those codes come before the ones to predict, in training as in use. `lm/tasks.py` has the table of tasks.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import grain
import jax
import numpy as np

from reelm.data.tokens.sample import TokenSample
from reelm.lm.control.camera import camera_field
from reelm.lm.control.field import control_field
from reelm.lm.control.keys import keys_field
from reelm.lm.control.motion import motion_field
from reelm.lm.control.sources import Source
from reelm.lm.control.structure import structure_field
from reelm.lm.control.tracks import tracks_field
from reelm.lm.layout import audio_frames, reference_grid
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.prompts import prompt_prefix, truncated
from reelm.lm.specials import (
    CONTINUES,
    CUT,
    CUT_FROM,
    MOST_REFERENCES,
    PictureKind,
    around_names,
    renamed,
)
from reelm.lm.tasks import TASKS, Task
from reelm.tokenizer.codes import to_device
from reelm.tokenizer.text.encoder import Text

# A control clip shows where each subject is and how the camera moves, so with it a net would learn nothing from tracks
# and cameras. In samples that have these, the control clip is kept with this probability.
_OUTLINED = 0.3
_FRAMES = 2  # given frames at most
_REFERENCES = 2  # given references at most
_RENUMBERED = 0.4  # fraction of samples with references that are not numbered from <1> on
_UNSEEN = 0.1  # fraction with words but without their reference pictures, so that pictures have their own guidance
_WORDLESS = 0.25  # fraction of the samples without words that keep their references
_LATER = 0.25  # fraction of the windows after a cut that start later in their shot


class ToSample(grain.transforms.RandomMap):
    """Maps a token sample to {"prefix": `Prefix`, "codes": `ClipCodes`}, both without their batch axis.

    Args:
        text: reads captions.
        model: sizes of the trained model.
        task: of the samples.
        frames: number of latent frames to predict.
        fps, stride: frames a second of the clip, and frames of a latent frame.
        caption_dropout: probability of dropping the words, so that guidance has an unconditional model; a task may
            raise it.
        control_dropout: probability of dropping each control input, independently. With tracks or a camera, control
            clips are dropped more often.
        motions: sorted motion of many clips; None for a model without a motion score.
        references: fraction of samples that get references.
        later: whether samples are windows from later in the clip, after an anchor; those of "continuation" always are.
    """

    def __init__(
        self,
        text: Text,
        model: LMConfig,
        *,
        task: Task,
        frames: int,
        fps: float,
        stride: int,
        caption_dropout: float,
        control_dropout: float = 0.0,
        motions: np.ndarray | None = None,
        references: float = 0.0,
        later: bool = False,
    ):
        self.text, self.model, self.task, self.frames = text, model, TASKS[task], frames
        self.fps, self.stride, self.motions, self.references = fps, stride, motions, references
        self.earlier = max(self.task.earlier, int(later))
        self.caption_dropout, self.control_dropout = max(caption_dropout, self.task.wordless), control_dropout

    def random_map(self, element: TokenSample, rng: np.random.Generator) -> Any:
        shot = _next_shot(element) if self.task.after_cut else element
        first = self._first(len(shot["video"]), rng)
        codes = shot["video"][first : first + self.frames]
        rows, columns = codes.shape[1:]
        caption, references = self._words(shot, rng)
        # In a million captions some are too long and are cut off.
        caption = truncated(self.model, self.text, caption) if caption else ""
        size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": self.fps}
        words = prompt_prefix(self.model, self.text, [caption], **size)
        if self.earlier:
            words = words.continuing(CUT if self.task.after_cut and first == 1 else CONTINUES)
        pictures = self._pictures(element, codes, rng)
        sound = self._sound(shot["sound"], first)
        heard = self._heard(sound, pictures) if self.task.sound else sound[:0]
        if self.earlier > self.task.earlier:
            pictures = _joined(_anchor(element["video"][0], -1.0), pictures)
        prefix: Prefix = jax.tree.map(lambda leaf: leaf[0], words)
        prefix = replace(
            prefix,
            references=to_device(references.codes, self.model.bits),
            numbers=references.numbers,
            codes=to_device(pictures.codes, self.model.bits),
            kinds=pictures.kinds,
            times=pictures.times,
            sound=heard,
        )
        control = self._control(shot, first, rng) if self.model.control else None
        start = not self.earlier
        video = to_device(codes, self.model.bits)
        return {"prefix": prefix, "codes": ClipCodes(video=video, sound=sound, control=control, at_start=start)}

    def _first(self, length: int, rng: np.random.Generator) -> int:
        """Return the first latent frame of a sample, in a clip of `length` latent frames."""
        if self.task.after_cut and rng.random() >= _LATER:
            return self.earlier
        if self.earlier or self.task.anywhere:
            return int(rng.integers(self.earlier, length - self.frames + 1))
        return 0

    def _words(self, shot: TokenSample, rng: np.random.Generator) -> tuple[str, "_References"]:
        """Return the words of a sample, "" for none, and its references."""
        worded = rng.random() >= self.caption_dropout
        if not self.references or rng.random() >= self.references:
            captions = shot["captions"]
            caption = captions[int(rng.integers(len(captions)))] if worded else ""
            return caption, _references(shot, {}, _REFERENCES if self.references else 0)
        assert "references" in shot and "reference_captions" in shot  # the run was checked
        captions = shot["reference_captions"]
        caption = captions[int(rng.integers(len(captions)))]
        numbers = list(range(1, MOST_REFERENCES + 1))
        called = rng.permutation(numbers).tolist() if rng.random() < _RENUMBERED else numbers
        calls = dict(zip(numbers, called, strict=True))
        seen = rng.random() >= (_UNSEEN if worded else 1 - _WORDLESS)
        named = sorted({*around_names(caption)[1]})[:_REFERENCES] if seen else []
        references = _references(shot, {number: calls[number] for number in named}, _REFERENCES)
        return renamed(caption, calls) if worded else "", references

    def _pictures(self, element: TokenSample, codes: np.ndarray, rng: np.random.Generator) -> "_Pictures":
        """Return the given pictures of a sample whose codes to predict are `[t, h, w]`."""
        match self.task.pictures:
            case PictureKind.ANCHOR:
                return _anchor(element["video"][0], CUT_FROM if self.task.after_cut else -1.0)
            case PictureKind.FRAME:
                return _stills(element["stills"], element["still_frames"] / self.stride, len(codes), rng)
            case PictureKind.KNOWN:
                return _gaps(codes, rng, in_time=self.task.gap_in_time)
        return _no_pictures(element)

    def _control(self, element: TokenSample, first: int, rng: np.random.Generator) -> np.ndarray:
        """Return the control field float32 `[t, h or 1, w or 1, C]` of the latent frames from `first` on.

        Each control input is dropped independently.
        """
        here, grid = slice(first, first + self.frames), element["video"].shape[1:]
        told = {source for source in self.model.channels if rng.random() >= self.control_dropout}
        parts: dict[Source, np.ndarray] = {}
        if "keys" in told:
            assert "keys" in element  # the run was checked
            keys = element["keys"][here]
            parts["keys"] = keys_field(keys, np.full(len(keys), True))
            if first == 0:
                parts["keys"][0] = 0  # no frame comes before the first, so no key caused it
        if "tracks" in told and "tracks" in element:
            parts["tracks"] = tracks_field(element["tracks"], self.model.tracks, self.stride, grid)[here]
        if "camera" in told and "camera" in element:
            parts["camera"] = camera_field(element["camera"], self.stride)[here]
        kinds = [kind for kind in self.model.structures if kind in element]
        if "structure" in told and kinds and (not parts.keys() & {"tracks", "camera"} or rng.random() < _OUTLINED):
            kind = kinds[int(rng.integers(len(kinds)))]
            parts["structure"] = structure_field(element[kind][here], kind, self.model.structures, self.model.bits)
        if "motion" in told and self.motions is not None and "motion" in element:
            less = np.searchsorted(self.motions, element["motion"][0]) / len(self.motions)
            parts["motion"] = motion_field(float(less), self.frames)
        return control_field(self.model.channels, parts, self.frames, grid)

    def _heard(self, sound: np.ndarray, pictures: "_Pictures") -> np.ndarray:
        """Return the sound in the prefix, int32 `[S, L]`: none for latent frames whose pictures are a gap."""
        if not self.task.gap_in_time:
            return sound
        begin = int(self.earlier > 0)  # the first latent frame of a clip has fewer audio frames
        beside = np.diff([audio_frames(self.model.sound_frames, begin + n) for n in range(self.frames + 1)])
        return np.where(np.repeat(pictures.kinds[:, 0, 0] == PictureKind.UNKNOWN, beside)[:, None], -1, sound)

    def _sound(self, track: np.ndarray, first: int) -> np.ndarray:
        """Return int32 `[S, L]`, the sound of the latent frames from `first` on; -1 for a clip without a track."""
        begin, end = (audio_frames(self.model.sound_frames, n) for n in (first, first + self.frames))
        sound = track[begin:end]
        return sound if len(sound) == end - begin else np.full((end - begin, self.model.sound_levels), -1, np.int32)


class _Pictures(NamedTuple):
    """Given pictures: codes `[G, h, w]` in the form of the host, kinds int32 `[G, h, w]`, times float32 `[G]`."""

    codes: np.ndarray
    kinds: np.ndarray
    times: np.ndarray


class _References(NamedTuple):
    """Given references: codes `[K, p, q]` in the form of the host, and their numbers in words int32 `[K]`, or 0."""

    codes: np.ndarray
    numbers: np.ndarray


def _next_shot(element: TokenSample) -> TokenSample:
    """Return the shot that follows a clip as a separate sample, with the references of the clip."""
    fields = {name: value for name, value in element.items() if name.startswith("next_") or name == "references"}
    shot: Any = {name.removeprefix("next_"): value for name, value in fields.items()}
    return shot


def _joined(*parts: _Pictures) -> _Pictures:
    """Return the pictures of all parts, one after another."""
    return _Pictures(*map(np.concatenate, zip(*parts, strict=True)))


def _no_pictures(element: TokenSample) -> _Pictures:
    none = np.zeros((0, *element["video"].shape[1:]), np.int32)
    return _Pictures(none.astype(element["video"].dtype), none, np.zeros(0, np.float32))


def _references(shot: TokenSample, calls: Mapping[int, int], count: int) -> _References:
    """Return `count` slots of references. `calls` maps the given ones to their numbers in words, from 1 on."""
    grid = reference_grid(*shot["video"].shape[1:]) if count else (0, 0)  # as in a prefix with only words
    codes = np.zeros((count, *grid), shot["video"].dtype)
    numbers = np.zeros(count, np.int32)
    for slot, (number, called) in enumerate(calls.items()):
        assert "references" in shot
        codes[slot], numbers[slot] = shot["references"][number - 1], called
    return _References(codes, numbers)


def _anchor(picture: np.ndarray, time: float) -> _Pictures:
    """Return the clip's first latent frame `[h, w]` as the only picture."""
    return _Pictures(
        picture[None], np.full((1, *picture.shape), PictureKind.ANCHOR, np.int32), np.array([time], np.float32)
    )


def _stills(stills: np.ndarray, times: np.ndarray, frames: int, rng: np.random.Generator) -> _Pictures:
    """Return one or more of the stills `[n, h, w]` whose times are within the `frames` latent frames, if any are."""
    inside = rng.permutation(np.flatnonzero((0 < times) & (times < frames)))
    chosen = inside[: rng.integers(1, _FRAMES + 1)]
    kinds = np.zeros((_FRAMES, *stills.shape[1:]), np.int32)
    pictures = kinds.astype(stills.dtype)
    when = np.zeros(_FRAMES, np.float32)
    pictures[: len(chosen)], kinds[: len(chosen)] = stills[chosen], PictureKind.FRAME
    when[: len(chosen)] = times[chosen]
    return _Pictures(pictures, kinds, when)


def _gaps(codes: np.ndarray, rng: np.random.Generator, *, in_time: bool) -> _Pictures:
    """Return the clip's codes `[t, h, w]` with a gap: whole latent frames, or an area in all of them."""
    gap = _frames(len(codes), rng)[:, None, None] if in_time else _box(codes.shape[1:], rng)
    unknown = np.broadcast_to(gap, codes.shape)
    kinds = np.where(unknown, PictureKind.UNKNOWN, PictureKind.KNOWN).astype(np.int32)
    return _Pictures(codes, kinds, np.arange(len(codes), dtype=np.float32))


def _frames(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return random consecutive latent frames, but not all, as bool `[t]`."""
    length = int(rng.integers(1, max(2, count)))
    start = int(rng.integers(0, count - length + 1))
    return (np.arange(count) >= start) & (np.arange(count) < start + length)


def _box(grid: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a random box bool `[h, w]`, or in one of four cases everything but a box."""
    inside = np.ones(grid, bool)
    for axis, size in enumerate(grid):
        length = int(rng.integers(max(1, size // 4), size + 1))
        start = int(rng.integers(0, size - length + 1))
        along = (np.arange(size) >= start) & (np.arange(size) < start + length)
        inside &= np.expand_dims(along, 1 - axis)
    return ~inside if rng.random() < 0.25 and not inside.all() else inside
