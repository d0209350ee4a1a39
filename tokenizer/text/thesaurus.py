"""The thesaurus of a model: prompts in anyone's words to the captions that the model was trained on.

In: a prompt, the sentence encoder of the model. Out: the caption that means it, for the language model to read. A
language model that saw each thing under one name draws nothing under another; which caption a prompt means is asked
of the encoder, which has read far more English than there are captions. `train/lm/thesaurus.py` fits one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reelm.errors import RequestError

from .encoder import Text
from .sentence_encoder import SentenceEncoder


@dataclass(frozen=True)
class Thesaurus:
    """Captions, what may be added to any of them, and a linear classifier of sentences.

    Attributes:
        captions: the N that it knows.
        modifiers: what may be said beside any of them, as "on a blue background" -> how a caption ends that says so, as
            " on blue". Endings stand in the order in which they come here.
        params: "kernel" float32 `[E, N]` and "bias" `[N]`, over the encoder's embedding of a sentence.
    """

    captions: tuple[str, ...]
    modifiers: Mapping[str, str]
    params: dict = field(repr=False)

    def check(self, text: Text) -> None:
        """Check that `text` makes the embeddings that the classifier reads, else raise RequestError."""
        width = self.params["kernel"].shape[0]
        if not isinstance(text, SentenceEncoder) or text.width != width:
            raise RequestError(f"a thesaurus asks a sentence encoder of width {width}, and the model has another text")

    def read(self, encoder: SentenceEncoder, prompt: str) -> str:
        """Return the caption that means the prompt: itself where it is known, else the likeliest one, with its endings.

        RequestError when the prompt has more pieces than the encoder reads, or is no valid Unicode.
        """
        if (known := self._known.get(_plain(prompt))) is not None:
            return known
        said, endings = self._without_modifiers(prompt)
        if not said:
            return prompt
        if (known := self._known.get(said)) is None:
            scores = encoder.encode([said]).values[0, 0] @ self.params["kernel"] + self.params["bias"]
            known = self.captions[int(np.argmax(scores))]
        return known + "".join(endings)

    def _without_modifiers(self, prompt: str) -> tuple[str, list[str]]:
        """Return (the prompt without modifiers, in plain form; the endings of its modifiers)."""
        said, found = prompt.lower(), set()

        def taken(match: re.Match[str]) -> str:
            found.add(self.modifiers[match[0]])
            return " "

        if self._modifier is not None:
            said = self._modifier.sub(taken, said)
        return _plain(said), [ending for ending in dict.fromkeys(self.modifiers.values()) if ending in found]

    @cached_property
    def _known(self) -> dict[str, str]:
        return {_plain(caption): caption for caption in self.captions}

    @cached_property
    def _modifier(self) -> re.Pattern[str] | None:
        """Whole modifiers; of those that begin at one place the longest."""
        longest_first = sorted(self.modifiers, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if longest_first else None


def _plain(words: str) -> str:
    """Return words in lower case, with single spaces and without punctuation at the ends."""
    return " ".join(words.lower().split()).strip(" .,:;!?")
