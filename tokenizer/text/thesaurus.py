"""The thesaurus of a model: prompts in anyone's words to the captions that the model was trained on.

In: a prompt, the sentence encoder of the model. Out: the caption that means it, for the language model to read. A
language model that saw each thing under one name draws nothing under another; which caption a prompt means is asked
of the encoder, which has read far more than there are captions. `train/lm/thesaurus.py` fits one.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError
from reelm.storage.arrays import ArrayField, read_arrays, write_arrays
from reelm.storage.home import home

from .encoder import Text, TextEncoder
from .pieces import TextTokenizer
from .words import is_han, normalised

_OTHER_MATTERS = Path(__file__).with_name("other_matters.txt")
_NEAREST = 3
_BATCH = 256  # captions embedded at a time


class Likeness(NamedTuple):
    """How like a prompt is to the captions.

    value: how much nearer it is to captions than to sentences about other matters; 1 for a caption itself.
    nearest: the caption that it is read as.
    similarity: cosine to that caption, or to the nearest of its names.
    """

    value: float
    nearest: str
    similarity: float


@dataclass(frozen=True)
class Thesaurus:
    """Captions, what may be added to any of them, and a linear classifier of sentences.

    Attributes:
        captions: the N that it knows.
        modifiers: what may be said beside any of them, as "on a blue background" -> how a caption ends that says so, as
            " on blue". Endings stand in the order in which they come here.
        params: "kernel" float32 `[E, N]` and "bias" `[N]`, over the encoder's embedding of a sentence.
        names: what a caption is called in any language -> that caption.
    """

    captions: tuple[str, ...]
    modifiers: Mapping[str, str]
    params: dict = field(repr=False)
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    _made: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def check(self, text: Text) -> None:
        """Check that `text` makes the embeddings that the classifier reads, else raise RequestError."""
        width = self.params["kernel"].shape[0]
        if isinstance(text, TextTokenizer) or not text.embeds_sentences or text.width != width:
            raise RequestError(f"a thesaurus asks a sentence encoder of width {width}, and the model has another text")

    def read(self, encoder: TextEncoder, prompt: str) -> str:
        """Return the caption that means the prompt: itself where it is known, else the likeliest one, with its endings.

        RequestError when the prompt has more pieces than the encoder reads, or is no valid Unicode.
        """
        if (known := self._known.get(_plain(prompt))) is not None:
            return known
        said, endings = self._without_modifiers(prompt)
        if not said:
            return prompt
        if (known := self._known.get(said)) is None:
            known = self.captions[self._likeliest(encoder.encode([said]).values[0, 0])]
        return known + "".join(endings)

    def likeness(self, encoder: TextEncoder, prompt: str) -> Likeness:
        """Return how like a prompt is to the captions and their names.

        Nearness is the mean of the cosines to the three nearest ones, as the encoder embeds them; to captions at most
        the cosine to the one that the prompt is read as.
        """
        said, _ = self._without_modifiers(prompt)
        known = self._known.get(_plain(prompt), self._known.get(said))
        if not said or known is not None:
            return Likeness(1.0, known or prompt, 1.0)
        sentence = encoder.encode([said]).values[0, 0]
        direction = sentence / np.linalg.norm(sentence)
        labels, others = self._references(encoder)
        cosines, read = labels @ direction, self._likeliest(sentence)
        similarity = float(cosines[self._owners == read].max())
        value = min(_nearness(cosines), similarity) - _nearness(others @ direction)
        return Likeness(value, self.captions[read], similarity)

    def _likeliest(self, sentence: np.ndarray) -> int:
        """Return which caption a sentence means, by its embedding `[E]`."""
        return int(np.argmax(sentence @ self.params["kernel"] + self.params["bias"]))

    def _without_modifiers(self, prompt: str) -> tuple[str, list[str]]:
        """Return (the prompt without modifiers, in plain form; the endings of its modifiers)."""
        said, found = normalised(prompt).lower(), set()

        def taken(match: re.Match[str]) -> str:
            found.add(self.modifiers[match[0]])
            return " "

        if self._modifier is not None:
            said = self._modifier.sub(taken, said)
        return _plain(said), [ending for ending in dict.fromkeys(self.modifiers.values()) if ending in found]

    def _references(self, encoder: TextEncoder) -> tuple[np.ndarray, np.ndarray]:
        """Return the directions of the captions and their names, and of the other matters, `[N, E]` each.

        To make them takes seconds: they are made once, and kept in `$REELM_HOME/likeness`.
        """
        others = tuple(_OTHER_MATTERS.read_text(encoding="utf-8").splitlines())
        labels = (*self.captions, *self.names)
        digest = hashlib.sha256(json.dumps([encoder.hash, labels, others]).encode()).hexdigest()
        if digest not in self._made:
            path = home() / "likeness" / f"{digest[:32]}.npz"
            found = _kept(path)
            if found is None:
                found = _keep(path, _directions(encoder, labels), _directions(encoder, others))
            self._made[digest] = found
        return self._made[digest]

    @cached_property
    def _known(self) -> dict[str, str]:
        named = {_plain(name): caption for name, caption in self.names.items()}
        return named | {_plain(caption): caption for caption in self.captions}

    @cached_property
    def _owners(self) -> np.ndarray:
        """The index int `[N]` of the caption that each caption and each name is of."""
        places = {caption: place for place, caption in enumerate(self.captions)}
        return np.array([*places.values(), *(places[caption] for caption in self.names.values())])

    @cached_property
    def _modifier(self) -> re.Pattern[str] | None:
        """Whole modifiers; of those that begin at one place the longest."""
        longest_first = sorted(self.modifiers, key=len, reverse=True)
        return re.compile("|".join(map(_whole, longest_first))) if longest_first else None


def _whole(words: str) -> str:
    """Return the pattern of words that are part of no longer word; Chinese has no borders between words."""
    before = "" if is_han(words[0]) else r"(?<![\w-])"
    return before + re.escape(words) + ("" if is_han(words[-1]) else r"(?!\w)")


def _directions(encoder: TextEncoder, sentences: Sequence[str]) -> np.ndarray:
    """Return the embeddings of sentences, of norm 1, `[N, E]`."""
    batches = [sentences[i : i + _BATCH] for i in range(0, len(sentences), _BATCH)]
    found = np.concatenate([encoder.encode(batch).values[:, 0] for batch in batches])
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def _kept(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what `_keep` wrote; None where there is nothing, or nothing whole."""
    try:
        found = read_arrays(path, {"captions": ArrayField("f", "ne"), "others": ArrayField("f", "ne")})
    except RequestError:
        return None
    return found["captions"], found["others"]


def _keep(path: Path, captions: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with suppress(OSError, RequestError):  # a home that cannot be written costs seconds the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {"captions": captions, "others": others})
    return captions, others


def _nearness(cosines: np.ndarray) -> float:
    return float(np.sort(cosines)[-_NEAREST:].mean())


def _plain(words: str) -> str:
    """Return words in lower case, with single spaces and without punctuation at the ends."""
    return " ".join(normalised(words).lower().split()).strip(" .,:;!?。、")
