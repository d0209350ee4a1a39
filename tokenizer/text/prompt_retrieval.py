"""Prompt retrieval: prompts in anyone's words to the captions that the model was trained on.

In: a prompt. Out: the caption that means it, for the language model to read. A language model that saw each thing under
one name draws nothing under another; which caption a prompt means is asked of a sentence encoder, which has read far
more than there are captions. `train/lm/prompt_retrieval.py` fits it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from reelm.errors import RequestError

from .encoder import Text, TextEncoder
from .pieces import TextTokenizer
from .simplified import simplified
from .universal import affine
from .words import is_han, normalised

_UNREAD_SHARE = 0.5  # of the letters of a prompt


class Similarity(NamedTuple):
    """How like a prompt is to the captions.

    value: probability that it means a caption; 1 if it names the one that it is read as, 0 if the encoder cannot read
        half of it.
    nearest: the caption that it is read as.
    unread: what the encoder cannot read of it, if that is half or more.
    """

    value: float
    nearest: str
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptRetrieval:
    """Captions, what may be added to any of them, and a linear classifier of sentences.

    Attributes:
        captions: the N that it knows.
        modifiers: what may be said beside any of them, as "on a blue background" -> how a caption ends that says so, as
            " on blue". Endings stand in the order in which they come here.
        params: "kernel" float32 `[E, N]` and "bias" `[N]`, over the encoder's embedding of a sentence, tell which
            caption is likeliest. "known" tells whether any is meant: a net over the direction of that embedding, of two
            affine layers "in" `[E, H]` and "out" `[H, 1]`.
        encoder: of sentences.
        names: what a caption is called in any language, or the character that shows it -> that caption. A name that the
            encoder cannot read is also found inside a prompt.

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
        said, known, endings = self._found(prompt)
        if not said:
            return prompt
        if known is None:
            known = self.captions[self._likeliest(self._embedded(said))]
        return known + "".join(endings)

    def similarity(self, prompt: str) -> Similarity:
        """Return how like a prompt is to the captions and their names."""
        said, known, endings = self._found(prompt)
        if not said and not endings and prompt.strip():
            return Similarity(0.0, prompt, (prompt.strip(),))  # signs alone
        if not said or known is not None:
            return Similarity(1.0, known or prompt)
        sentence = self._embedded(said)
        nearest = self.captions[self._likeliest(sentence)]
        unread = "".join(parts := self.encoder.unknown(said))
        letters = sum(letter.isalnum() or letter in unread for letter in said)
        if parts and len(unread) >= _UNREAD_SHARE * letters:
            return Similarity(0.0, nearest, tuple(dict.fromkeys(parts)))
        if any(re.search(name, said) for name in self._called[nearest]):
            return Similarity(1.0, nearest)
        return Similarity(float(known_share(self.params["known"], sentence)), nearest)

    def _found(self, prompt: str) -> tuple[str, str | None, list[str]]:
        """Return (the prompt without modifiers, as the encoder reads it; the caption that it names; its endings)."""
        said, endings = self._without_modifiers(prompt)
        for words, ends in ((prompt, []), (said, endings)):
            if (known := self._known.get(_key(words))) is not None:
                return said, known, ends
        if self._unreadable is not None:
            said = _plain(self._unreadable.sub(lambda name: f" {self._known[_key(name[0])]} ", said))
        return said, self._known.get(_key(said)), endings

    def _embedded(self, said: str) -> np.ndarray:
        """Return the embedding `[E]` of a sentence."""
        return self.encoder.encode([said]).values[0, 0]

    def _likeliest(self, sentence: np.ndarray) -> int:
        """Return which caption a sentence means, by its embedding `[E]`."""
        return int(np.argmax(sentence @ self.params["kernel"] + self.params["bias"]))

    def _without_modifiers(self, prompt: str) -> tuple[str, list[str]]:
        """Return (the prompt without modifiers, in plain form; the endings of its modifiers)."""
        said, found = normalised(prompt).lower(), set()

        def taken(match: re.Match[str]) -> str:
            found.add(self.modifiers[match[0]])
            return " " if match[0][0].isalnum() else ""  # a symbol of skin stands inside a sequence of symbols

        if self._modifier is not None:
            said = self._modifier.sub(taken, said)
        return _plain(said), [ending for ending in dict.fromkeys(self.modifiers.values()) if ending in found]

    @cached_property
    def _known(self) -> dict[str, str]:
        named = {_key(name): caption for name, caption in self.names.items()}
        return named | {_key(caption): caption for caption in self.captions}

    @cached_property
    def _unreadable(self) -> re.Pattern[str] | None:
        """The names that the encoder cannot read, of those that begin at one place the longest."""
        names = sorted((name for name in self.names if self.encoder.unknown(name)), key=len, reverse=True)
        return re.compile("|".join(map(_whole, map(_plain, names)))) if names else None

    @cached_property
    def _called(self) -> dict[str, list[str]]:
        """The patterns of a caption and its names in a prompt. One Chinese character may be part of any word."""
        called = {caption: [_whole(_plain(caption))] for caption in self.captions}
        for name, caption in self.names.items():
            if len(name) > 1 or not is_han(name):
                called[caption].append(_whole(_plain(name)))
        return called

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


def known_share(net: dict, sentences: Any) -> Any:
    """Return the probability `[...]` that sentences mean a caption, by their embeddings `[..., E]`.

    The embeddings are scaled to values of about 1. It takes arrays of NumPy and of JAX.
    """
    square = (sentences * sentences).sum(axis=-1, keepdims=True)
    x = sentences * (sentences.shape[-1] / square) ** 0.5
    logits = affine(affine(x, net["in"]).clip(0), net["out"])[..., 0]
    return 1 / (1 + np.e ** -logits.clip(-30, 30))


def _whole(words: str) -> str:
    """Return the pattern of words that are part of no longer word; only letters but Chinese ones have such borders."""
    bordered = [letter.isalnum() and not is_han(letter) for letter in (words[0], words[-1])]
    return (r"(?<![\w-])" if bordered[0] else "") + re.escape(words) + (r"(?!\w)" if bordered[1] else "")


def _key(words: str) -> str:
    """Return what all spellings of a name have in common."""
    return simplified(_plain(words))


def _plain(words: str) -> str:
    """Return words in lower case, with single spaces and without punctuation at the ends."""
    return " ".join(normalised(words).lower().split()).strip(" .,:;!?。、")
