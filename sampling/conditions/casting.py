"""The first pictures of a shot with references or a track: a draft, whose subjects are given their forms or place.

In: references or a track, words, and a draft of each clip's latent frame. Out: the codes of that latent frame. What
comes later continues these codes as it does any others.

A small net draws what words say well, and a form that it has never seen badly. So words give place and colour here, and
the picture of a reference its form. Words say, too, which subject is which reference: those around its name make a
picture of that subject alone likelier than a picture of another. A track says where its subject is.
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from reelm.lm.language_model import LanguageModel
from reelm.lm.likelihood import nats_of
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import FILLER, HEAD, MOST_REFERENCES, NAMES
from reelm.media.pixels import Frames
from reelm.tokenizer.codes import to_device, to_host
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions import Conditions, names
from .recast import followed, moved, nearest, recast, recognised


class Casting:
    """The references or tracks of a stream's shots, in the parts of the subjects that a draft has."""

    def __init__(self, tokenizer: VideoTokenizer, config: LMConfig, reader: LanguageModel):
        """`config` is of the net that draws, `reader` the language model that knows words best."""
        self._tokenizer, self._config, self._reader = tokenizer, config, reader

    def of(self, conditions: Conditions, words: Prefix, draft: jax.Array, *, begins: bool) -> np.ndarray:
        """Return the codes int32 `[B, h, w]` of the latent frame that was drafted.

        Args:
            conditions: of its shot.
            words: of the shot, a row for each prompt.
            draft: ids `[B, t, h, w]` on the device: the draft of each clip, behind the latent frame before it if any.
            begins: whether the shot begins with it; else with the one before.
        """
        ids = to_host(draft, self._config.bits)
        copies = len(ids) // len(words.words)
        rows = np.repeat(np.asarray(words.words), copies, axis=0)
        called = {n: np.repeat(names(words, n, self._config), copies) for n in sorted(conditions.references)}
        made = []
        # One by one, so that a clip is what it is alone.
        for clip, (codes, row) in enumerate(zip(ids, rows, strict=True)):
            before = len(codes) - 1
            last = self._tokenizer.config.frames_of(before) if before else 0  # the frame that it begins with
            frames = self._tokenizer.decode(codes[None], cuts=[before] if before and begins else ())[0]
            if conditions.track is None:
                forms = {number: conditions.references[number].picture for number in called if called[number][clip]}
                new = self._recast(forms, row, frames[last if begins else 0 :], len(frames) - last)
            else:
                new = _on_track(conditions.track, frames, last)
            whole = None if new is None else np.concatenate([frames[:last], new])
            made.append(codes[-1] if whole is None else self._tokenizer.encode(whole[None])[0, -1])
        return np.stack(made)

    def _recast(self, forms: Mapping[int, Frames], words: np.ndarray, frames: Frames, last: int) -> Frames | None:
        """Return the last frames of a shot, so many, with forms in it; None for a draft without subjects, or no forms.

        The words int32 `[P]` call the forms by their numbers. Those of all frames but the last ones are there already.
        """
        boxes, pictures = followed(frames), list(forms.values())
        if last == len(frames):
            cast = self._called(list(forms), words, frames[:1], boxes[:1])
        else:
            cast = recognised(frames[0], boxes[0], pictures)
        if not cast:
            return None
        which, where = map(list, zip(*cast, strict=True))
        return recast(frames[-last:], boxes[-last:, where], [pictures[each] for each in which])

    def _called(
        self, named: Sequence[int], words: np.ndarray, frame: Frames, boxes: np.ndarray
    ) -> list[tuple[int, int]]:
        """Return (the place of a name, that of the box which it calls), as far as they go.

        Of words that an encoder reads no name is known: the largest subject is then the first that they name.

        Args:
            named: what words call references.
            words: int32 `[P]`.
            frame: uint8 `[1, H, W, 3]`.
            boxes: int `[1, n, 4]`, of the subjects in it.
        """
        from scipy.optimize import linear_sum_assignment

        count = min(boxes.shape[1], MOST_REFERENCES)
        if min(len(named), count) == 0 or len(named) == count == 1 or self._reader.config.text_width:
            return [(each, each) for each in range(min(len(named), count))]
        others = ([other for other in range(boxes.shape[1]) if other != each] for each in range(count))
        frames = [recast(frame, boxes[:, each], [None] * len(each)) for each in others]
        alone = [self._tokenizer.encode(each[None])[0] for each in frames]
        nats = [[self._nats(_about(words, number), codes) for codes in alone] for number in named]
        return list(zip(*map(np.ndarray.tolist, linear_sum_assignment(nats)), strict=True))

    def _nats(self, words: np.ndarray, codes: np.ndarray) -> float:
        """Return the cross entropy of a picture, codes `[1, h, w]`, by words `[P]`."""
        reader = self._reader.config
        clip = ClipCodes(
            video=to_device(codes[None], reader.bits),
            sound=reader.no_track(1)[None],
            control=np.zeros((1, 1, 1, 1, reader.control), np.float32) if reader.control else None,
        )
        prefix = Prefix.of_words(words[None, : reader.prefix], *codes.shape[1:])
        return float(nats_of(reader, self._reader.params, prefix, clip).video.sum())


def _about(words: np.ndarray, number: int) -> np.ndarray:
    """Return of words int32 `[P]` those that are nearer to the name of a reference than to others, without names."""
    head, text = np.split(words, [HEAD])
    is_name = (text > NAMES) & (text <= NAMES + MOST_REFERENCES)
    at = np.flatnonzero(is_name)
    kept = (text != FILLER) & ~is_name
    if len(at):
        kept &= text[at[np.abs(np.arange(len(text))[:, None] - at).argmin(axis=1)]] == NAMES + number
    return np.concatenate([head, text[kept], np.full(len(text) - kept.sum(), FILLER, text.dtype)])


def _on_track(track: np.ndarray, frames: Frames, last: int) -> Frames | None:
    """Return the frames from number `last` on, with the subject on its track `[T, 2]`; None without any subject."""
    boxes, along = followed(frames), track[np.minimum(np.arange(len(frames)), len(track) - 1)]
    if not boxes.shape[1]:
        return None
    subject = nearest(frames[0], boxes[0], along[0])
    return moved(frames[last:], boxes[last:, subject], along[last:])
