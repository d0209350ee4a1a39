"""From a clip's codes to what the language model trains on: a prefix of some task, and the codes that follow it.

    begins      words                      -> the clip's first latent frames
    continues   words, the first frame     -> latent frames from anywhere later: a window of a long clip
    frames      words, a few frames        -> the clip's first latent frames, which show them
    fills       words, the clip with gaps  -> the clip's first latent frames
    hears       words, the sound           -> the clip's first latent frames, and the sound once more

Pictures and sound are given in the prefix. That a clip goes on from given codes needs no task, nor that one gets its
sound: these are the codes before the ones to be predicted, in training as in use.
"""

from typing import Any

import grain
import jax
import numpy as np

from reelm.data.tokens.sample import TokenSample
from reelm.lm.layout import audio_frames
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.prompts import beginning, words_of
from reelm.lm.specials import Given, Task
from reelm.tokenizer.text.encoder import Text

_FRAMES = 2  # given frames at most


class ToSample(grain.transforms.RandomMap):
    """A token sample -> {"prefix": `Prefix`, "codes": `ClipCodes`}, both without their row axis.

    Args:
        text: reads captions.
        model: what is trained.
        task: see above.
        frames: latent frames to be predicted.
        fps, stride: frames a second of the clip, and frames that a latent frame stands for.
        drop_text: share of samples whose words are taken out, so that guidance has an unconditional model; half at
            least of those that are shown frames or hear their sound, which may be all that is asked for.
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
    ):
        self.text, self.model, self.task, self.frames = text, model, task, frames
        self.fps, self.stride = fps, stride
        self.drop_text = max(drop_text, 0.5) if task in ("frames", "hears") else drop_text

    def random_map(self, element: TokenSample, rng: np.random.Generator) -> Any:
        video, first = element["video"], 0
        if self.task == "continues":
            first = int(rng.integers(1, len(video) - self.frames + 1))
        codes = video[first : first + self.frames]
        rows, columns = codes.shape[1:]
        caption = ""
        if rng.random() >= self.drop_text:
            caption = element["captions"][int(rng.integers(len(element["captions"])))]
            # Whoever captions a million clips writes some that are too long: their beginning has to do.
            caption = beginning(self.model, self.text, caption)
        size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": self.fps}
        words = words_of(self.model, self.text, [caption], **size, continues=first > 0)
        pictures, kinds, times = self._given(element, codes, rng)
        sound = self._sound(element["sound"], first)
        heard = sound if self.task == "hears" else sound[:0]
        prefix: Prefix = jax.tree.map(lambda leaf: leaf[0], words)
        prefix = prefix.replace(codes=pictures, kinds=kinds, times=times, sound=heard)
        return {"prefix": prefix, "codes": ClipCodes(video=codes, sound=sound)}

    def _sound(self, track: np.ndarray, first: int) -> np.ndarray:
        """int32 `[S, L]`, what sounds beside the latent frames from `first` on; -1 for a clip without a track."""
        begin, end = (audio_frames(self.model.sound_frames, n) for n in (first, first + self.frames))
        sound = track[begin:end]
        return sound if len(sound) == end - begin else np.full((end - begin, self.model.sound_levels), -1, np.int32)

    def _given(self, element: TokenSample, codes: np.ndarray, rng: np.random.Generator):
        """(codes int32 `[G, h, w]`, kinds int32 `[G, h, w]`, times float32 `[G]`) of the given pictures."""
        grid = codes.shape[1:]
        if self.task == "continues":
            return element["video"][:1], np.full((1, *grid), Given.ANCHOR, np.int32), np.array([-1.0], np.float32)
        if self.task == "frames":
            times = element["still_frames"] / self.stride
            inside = rng.permutation(np.flatnonzero((0 < times) & (times < self.frames)))
            chosen = inside[: rng.integers(1, _FRAMES + 1)]
            pictures, kinds = np.zeros((2, _FRAMES, *grid), np.int32)
            when = np.zeros(_FRAMES, np.float32)
            pictures[: len(chosen)], kinds[: len(chosen)] = element["stills"][chosen], Given.FRAME
            when[: len(chosen)] = times[chosen]
            return pictures, kinds, when
        if self.task == "fills":
            unknown = np.broadcast_to(_box(grid, rng), codes.shape)
            kinds = np.where(unknown, Given.UNKNOWN, Given.KNOWN).astype(np.int32)
            return codes, kinds, np.arange(self.frames, dtype=np.float32)
        none = np.zeros((0, *grid), np.int32)
        return none, none, np.zeros(0, np.float32)


def _box(grid: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """bool `[h, w]`: a random box, or in one of four cases all but a box."""
    inside = np.ones(grid, bool)
    for axis, size in enumerate(grid):
        length = int(rng.integers(max(1, size // 4), size + 1))
        start = int(rng.integers(0, size - length + 1))
        along = (np.arange(size) >= start) & (np.arange(size) < start + length)
        inside &= np.expand_dims(along, 1 - axis)
    return ~inside if rng.random() < 0.25 and not inside.all() else inside
