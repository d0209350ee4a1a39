"""From a clip's codes to what the language model trains on: a prefix of some task, and the codes that follow it.

    begins      words                      -> the clip's first latent frames
    continues   words, the first frame     -> latent frames from anywhere later: a window of a long clip
    frames      words, a few frames        -> the clip's first latent frames, which show them
    fills       words, the clip with gaps  -> the clip's first latent frames
    hears       words, the sound           -> the clip's first latent frames, and the sound once more
    plays       words, keys                -> latent frames from anywhere

Given pictures and given sound stand in the prefix. Continuing given codes needs no task, nor does sound for given
pictures: those are the codes before the ones to be predicted, in training as in use. `lm/tasks.py` is the table.
"""

from typing import Any, NamedTuple

import grain
import jax
import numpy as np

from reelm.data.tokens.sample import TokenSample
from reelm.lm.control.camera import camera_field
from reelm.lm.control.field import Source, control_field
from reelm.lm.control.keys import keys_field
from reelm.lm.control.motion import motion_field
from reelm.lm.control.structure import structure_field
from reelm.lm.control.tracks import tracks_field
from reelm.lm.layout import audio_frames
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.prompts import prompt_prefix, truncated
from reelm.lm.specials import Given
from reelm.lm.tasks import TASKS, Task
from reelm.tokenizer.text.encoder import Text

_FRAMES = 2  # given frames at most


class ToSample(grain.transforms.RandomMap):
    """A token sample -> {"prefix": `Prefix`, "codes": `ClipCodes`}, both without their row axis.

    Args:
        text: reads captions.
        model: what is trained.
        task: of the samples.
        frames: latent frames to be predicted.
        fps, stride: frames a second of the clip, and frames that a latent frame stands for.
        drop_text: share of samples that lose their words, so that guidance has an unconditional model; a task may ask
            for more.
        drop_control: share of samples in which a source of control does not speak; each of its own.
        motions: of many clips of the set, in order; None for a set that does not know them.
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
        drop_text: float,
        drop_control: float = 0.0,
        motions: np.ndarray | None = None,
    ):
        self.text, self.model, self.task, self.frames = text, model, TASKS[task], frames
        self.fps, self.stride, self.motions = fps, stride, motions
        self.drop_text, self.drop_control = max(drop_text, self.task.wordless), drop_control

    def random_map(self, element: TokenSample, rng: np.random.Generator) -> Any:
        video, first = element["video"], 0
        if self.task.earlier or self.task.anywhere:
            first = int(rng.integers(self.task.earlier, len(video) - self.frames + 1))
        codes = video[first : first + self.frames]
        rows, columns = codes.shape[1:]
        caption = ""
        if rng.random() >= self.drop_text:
            caption = element["captions"][int(rng.integers(len(element["captions"])))]
            # Among a million captions some are too long: their beginning has to do.
            caption = truncated(self.model, self.text, caption)
        size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": self.fps}
        words = prompt_prefix(self.model, self.text, [caption], **size)
        words = words.continuing() if self.task.earlier else words
        pictures = self._pictures(element, codes, rng)
        sound = self._sound(element["sound"], first)
        prefix: Prefix = jax.tree.map(lambda leaf: leaf[0], words)
        prefix = prefix.replace(**pictures._asdict(), sound=sound if self.task.sound else sound[:0])
        control = self._control(element, first, rng) if self.model.control else None
        start = not self.task.earlier
        return {"prefix": prefix, "codes": ClipCodes(video=codes, sound=sound, control=control, at_start=start)}

    def _pictures(self, element: TokenSample, codes: np.ndarray, rng: np.random.Generator) -> "_Pictures":
        """Return the given pictures of a sample, whose codes `[t, h, w]` are to be predicted."""
        match self.task.pictures:
            case Given.ANCHOR:
                return _anchor(element["video"][0])
            case Given.FRAME:
                return _stills(element["stills"], element["still_frames"] / self.stride, len(codes), rng)
            case Given.KNOWN:
                return _gaps(codes, rng)
        none = np.zeros((0, *codes.shape[1:]), np.int32)
        return _Pictures(none, none, np.zeros(0, np.float32))

    def _control(self, element: TokenSample, first: int, rng: np.random.Generator) -> np.ndarray:
        """Return the control field float32 `[t, h or 1, w or 1, C]` of the latent frames from `first` on.

        Each source speaks, or not, of its own.
        """
        here, grid = slice(first, first + self.frames), element["video"].shape[1:]
        told = {source for source in self.model.channels if rng.random() >= self.drop_control}
        parts: dict[Source, np.ndarray] = {}
        if "keys" in told:
            assert "keys" in element  # the run was checked
            keys = element["keys"][here]
            parts["keys"] = keys_field(keys, np.full(len(keys), True))
            if first == 0:
                parts["keys"][0] = 0  # nothing came before, so no key made it
        if "tracks" in told and "tracks" in element:
            parts["tracks"] = tracks_field(element["tracks"], self.model.tracks, self.stride, grid)[here]
        kinds = [kind for kind in self.model.structures if kind in element]
        if "structure" in told and kinds:
            kind = kinds[int(rng.integers(len(kinds)))]
            parts["structure"] = structure_field(element[kind][here], kind, self.model.structures, self.model.bits)
        if "camera" in told and "camera" in element:
            parts["camera"] = camera_field(element["camera"], self.stride)[here]
        if "motion" in told and self.motions is not None and "motion" in element:
            less = np.searchsorted(self.motions, element["motion"][0]) / len(self.motions)
            parts["motion"] = motion_field(float(less), self.frames)
        return control_field(self.model.channels, parts, self.frames, grid)

    def _sound(self, track: np.ndarray, first: int) -> np.ndarray:
        """Return int32 `[S, L]`, the sound beside the latent frames from `first` on; -1 for a clip without a track."""
        begin, end = (audio_frames(self.model.sound_frames, n) for n in (first, first + self.frames))
        sound = track[begin:end]
        return sound if len(sound) == end - begin else np.full((end - begin, self.model.sound_levels), -1, np.int32)


class _Pictures(NamedTuple):
    """Given pictures: codes int32 `[G, h, w]`, kinds int32 `[G, h, w]`, times float32 `[G]`."""

    codes: np.ndarray
    kinds: np.ndarray
    times: np.ndarray


def _anchor(picture: np.ndarray) -> _Pictures:
    """Return the clip's first latent frame `[h, w]` as the only picture."""
    return _Pictures(picture[None], np.full((1, *picture.shape), Given.ANCHOR, np.int32), np.array([-1.0], np.float32))


def _stills(stills: np.ndarray, times: np.ndarray, frames: int, rng: np.random.Generator) -> _Pictures:
    """Return one or more of the stills `[n, h, w]` whose times lie within the `frames` latent frames, if any do."""
    inside = rng.permutation(np.flatnonzero((0 < times) & (times < frames)))
    chosen = inside[: rng.integers(1, _FRAMES + 1)]
    pictures, kinds = np.zeros((2, _FRAMES, *stills.shape[1:]), np.int32)
    when = np.zeros(_FRAMES, np.float32)
    pictures[: len(chosen)], kinds[: len(chosen)] = stills[chosen], Given.FRAME
    when[: len(chosen)] = times[chosen]
    return _Pictures(pictures, kinds, when)


def _gaps(codes: np.ndarray, rng: np.random.Generator) -> _Pictures:
    """Return the clip's codes `[t, h, w]` with a gap."""
    unknown = np.broadcast_to(_box(codes.shape[1:], rng), codes.shape)
    kinds = np.where(unknown, Given.UNKNOWN, Given.KNOWN).astype(np.int32)
    return _Pictures(codes, kinds, np.arange(len(codes), dtype=np.float32))


def _box(grid: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a random box bool `[h, w]`, or in one of four cases everything but a box."""
    inside = np.ones(grid, bool)
    for axis, size in enumerate(grid):
        length = int(rng.integers(max(1, size // 4), size + 1))
        start = int(rng.integers(0, size - length + 1))
        along = (np.arange(size) >= start) & (np.arange(size) < start + length)
        inside &= np.expand_dims(along, 1 - axis)
    return ~inside if rng.random() < 0.25 and not inside.all() else inside
