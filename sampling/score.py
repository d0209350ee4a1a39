"""How likely a clip is under a prompt, and for a clip without words the prompt under which it is likeliest.

In: codes of pictures, and words. Out: log-likelihoods of the codes, or words. The latter is Bayes' rule: a model that
knows what pictures follow words knows which words fit pictures, and takes no training for it.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from reelm.lm.likelihood import cross_entropy
from reelm.lm.prefix import ClipCodes
from reelm.lm.stream import audio_frames
from reelm.lm.words import words_of
from reelm.tokenizer.codes import check_ids
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer

from .clip import Clip

if TYPE_CHECKING:
    from .model import LanguageModel, Model

_COST = 1.5  # nats that a word must save to be worth saying
_FRAMES = 2  # latent frames that are looked at: in the second one things have moved
_LIKELY = 12  # words that are tried together
_ROWS = 16  # prompts compared by one forward; all forwards are of this shape, so that one program serves them


def score(model: "Model", clip: Clip, prompt: str | None) -> np.ndarray:
    """See `Model.score`. Codes are those of `clip.tokens`, else made from its frames and its sound."""
    lm, tokens, made_by = model.language_model(), clip.tokens or {}, clip.info.get("tokenizer")
    ids = tokens.get("video")
    if ids is not None and made_by not in (None, model.video_tokenizer.hash):
        raise RequestError(
            f"the codes of the clip are of the tokenizer {made_by}, this model's is {model.video_tokenizer.hash}; "
            "leave its tokens out and they are made from its frames"
        )
    ids = model.video_tokenizer.encode(clip.video)[0] if ids is None else ids
    check_ids(ids, lm.config.code)
    frames, rows, columns = ids.shape
    if frames > lm.config.frames:
        raise RequestError(f"{frames} latent frames are too many; this model reads up to {lm.config.frames}")
    codes = ClipCodes.of_video(ids[None])
    if (track := model.soundtrack) is not None:
        sound = track.of_clip(clip, frames)
        none = np.full((track.count(frames), lm.config.sound_levels), -1, np.int32)
        codes = codes.replace(sound=(none if sound is None else sound)[None])
    words = words_of(lm.config, lm.text, [prompt or ""], rows=rows, columns=columns, fps=clip.fps)
    nats = _cross_entropy(lm.config, lm.params, words, codes)
    return -np.asarray(nats.video[0])


def describe(lm: "LanguageModel", codes: np.ndarray, *, fps: float, words: Sequence[str] | None = None) -> str:
    """The prompt under which the pictures are likeliest, found word by word; "" where no word fits.

    A word costs as much as it must save. From no words at all, the best change is made, a word more, another one or one
    fewer, for as long as there is one that saves something.

    Args:
        codes: int32 `[t, h, w]`, of the clip's first latent frames, of which two are looked at.
        fps: of the clip.
        words: to choose from, each a word or several; None for those that are pieces of the model's text tokenizer.

    Raises:
        RequestError: no words, for a model whose text encoder has no list of them.
    """
    if words is None:
        if not isinstance(lm.text, TextTokenizer):
            raise RequestError("a text encoder has no list of words; give the words to choose from")
        words = lm.text.words
    words = [word for word in dict.fromkeys(words) if word.strip()]
    seen = codes[:_FRAMES]
    frames, rows, columns = seen.shape
    silence = np.full((_ROWS, audio_frames(lm.config.sound_frames, frames), lm.config.sound_levels), -1, np.int32)
    clip = ClipCodes(video=np.broadcast_to(seen, (_ROWS, *seen.shape)), sound=silence)

    def cost(prompts: Sequence[Sequence[str]]) -> np.ndarray:
        """Nats of the pictures and of saying the words, for each prompt."""
        nats = []
        for start in range(0, len(prompts), _ROWS):
            some = [" ".join(prompt) for prompt in prompts[start : start + _ROWS]]
            some += [""] * (_ROWS - len(some))
            prefix = words_of(lm.config, lm.text, some, rows=rows, columns=columns, fps=fps)
            nats.append(np.sum(_cross_entropy(lm.config, lm.params, prefix, clip).video, axis=(1, 2, 3)))
        return np.concatenate(nats)[: len(prompts)] + _COST * np.array([len(prompt) for prompt in prompts])

    alone = cost([[], *([word] for word in words)])
    likely = [words[place] for place in np.argsort(alone[1:])[:_LIKELY]]
    said: list[str] = []
    least = alone[0]
    while near := [each for each in _changed(said, likely) if lm.text.count(" ".join(each)) <= lm.config.text_slots]:
        costs = cost(near)
        if costs.min() >= least:
            break
        said, least = near[int(costs.argmin())], costs.min()
    return " ".join(said)


def _changed(said: list[str], words: Sequence[str]) -> Iterator[list[str]]:
    """All prompts with one word less, or with one of `words` that is not said yet, in place of one or between them."""
    others = [word for word in words if word not in said]
    for place in range(len(said)):
        yield said[:place] + said[place + 1 :]
        yield from ([*said[:place], word, *said[place + 1 :]] for word in others)
    for place in range(len(said) + 1):
        yield from ([*said[:place], word, *said[place:]] for word in others)


_cross_entropy = jax.jit(cross_entropy, static_argnums=0)
