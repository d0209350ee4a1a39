"""Prompt retrieval: prompts in anyone's words to the captions that the model was trained on.

In: a prompt. Out: the caption that means it, for the language model to read. A language model that saw each thing under
one name draws nothing under another; which caption a prompt means is asked of a sentence encoder, which has read far
more than there are captions. `train/lm/prompt_retrieval.py` fits it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError

from .encoder import Text, TextEncoder
from .pieces import TextTokenizer
from .simplified import simplified
from .words import is_han, normalised

_NEAREST = 3


class Similarity(NamedTuple):
    """How like a prompt is to the captions.

    value: how much nearer it is to captions than to sentences about other matters; 1 for a caption itself.
    nearest: the caption that it is read as.
    cosine: to that caption, or to the nearest of its names.
    """

    value: float
    nearest: str
    cosine: float


@dataclass(frozen=True)
class PromptRetrieval:
    """Captions, what may be added to any of them, and a linear classifier of sentences.

    Attributes:
        captions: the N that it knows.
        modifiers: what may be said beside any of them, as "on a blue background" -> how a caption ends that says so, as
            " on blue". Endings stand in the order in which they come here.
        params: "kernel" float32 `[E, N]` and "bias" `[N]`, over the encoder's embedding of a sentence; "labels" and
            "others" `[L, E]`, the directions of the captions and their names, and of sentences about other matters.
        encoder: of sentences.
        names: what a caption is called in any language -> that caption.

    Raises:
        RequestError: the encoder embeds no sentences, or not of width E.
    """

    captions: tuple[str, ...]
    modifiers: Mapping[str, str]
    params: dict = field(repr=False)
    encoder: TextEncoder = field(repr=False)
    names: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        check_encoder(self.encoder)
        if self.encoder.width != (width := self.params["kernel"].shape[0]):
            raise RequestError(
                f"prompt retrieval asks a sentence encoder of width {width}, not of {self.encoder.width}"
            )

    def read(self, prompt: str) -> str:
        """Return the caption that means the prompt: itself where it is known, else the likeliest one, with its endings.

        RequestError when the prompt has more pieces than the encoder reads, or is no valid Unicode.
        """
        if (known := self._known.get(_key(prompt))) is not None:
            return known
        said, endings = self._without_modifiers(prompt)
        if not said:
            return prompt
        if (known := self._known.get(_key(said))) is None:
            known = self.captions[self._likeliest(self.encoder.encode([said]).values[0, 0])]
        return known + "".join(endings)

    def similarity(self, prompt: str) -> Similarity:
        """Return how like a prompt is to the captions and their names.

        Nearness is the mean of the cosines to the three nearest ones, as the encoder embeds them; to captions at most
        the cosine to the one that the prompt is read as.
        """
        said, _ = self._without_modifiers(prompt)
        known = self._known.get(_key(prompt), self._known.get(_key(said)))
        if not said or known is not None:
            return Similarity(1.0, known or prompt, 1.0)
        sentence = self.encoder.encode([said]).values[0, 0]
        direction = sentence / np.linalg.norm(sentence)
        cosines, read = self.params["labels"] @ direction, self._likeliest(sentence)
        cosine = float(cosines[self._owners == read].max())
        value = min(_nearness(cosines), cosine) - _nearness(self.params["others"] @ direction)
        return Similarity(value, self.captions[read], cosine)

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

    @cached_property
    def _known(self) -> dict[str, str]:
        named = {_key(name): caption for name, caption in self.names.items()}
        return named | {_key(caption): caption for caption in self.captions}

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


def check_encoder(text: Text) -> None:
    """Check that what reads words embeds sentences, else raise RequestError."""
    if isinstance(text, TextTokenizer) or not text.embeds_sentences:
        raise RequestError(
            "prompt retrieval asks a sentence encoder; name the folder of one (--prompt-retrieval-encoder)"
        )


def _whole(words: str) -> str:
    """Return the pattern of words that are part of no longer word; Chinese has no borders between words."""
    before = "" if is_han(words[0]) else r"(?<![\w-])"
    return before + re.escape(words) + ("" if is_han(words[-1]) else r"(?!\w)")


def _nearness(cosines: np.ndarray) -> float:
    return float(np.sort(cosines)[-_NEAREST:].mean())


def _key(words: str) -> str:
    """Return what all spellings of a name have in common."""
    return simplified(_plain(words))


def _plain(words: str) -> str:
    """Return words in lower case, with single spaces and without punctuation at the ends."""
    return " ".join(normalised(words).lower().split()).strip(" .,:;!?。、")
