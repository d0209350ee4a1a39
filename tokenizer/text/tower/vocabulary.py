"""Text to the ids of a published language model: what its tokenizer.json or GGUF file says of pieces, as one value.

In: a string. Out: ids. Pieces are joined by ranks, as GPT-2 does over bytes, or by scores, as
SentencePiece does over letters with bytes for those that it does not know. Text of a user never spells a control token;
a template does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reelm.errors import RequestError
from reelm.storage.fields import shown

from . import byte_pairs
from .byte_pairs import Priority, compiled

_SPACE = "▁"
_NORMAL, _CONTROL, _OWN = 1, 3, 4  # kinds of tokens in a GGUF file
_CUTS = {  # what a GGUF file calls the patterns that cut words
    "llama-bpe": (byte_pairs.LLAMA3,),
    "qwen2": (byte_pairs.QWEN2,),
    "smollm": (byte_pairs.DIGITS, byte_pairs.GPT2),
    "gpt-2": (byte_pairs.GPT2,),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The pieces of a model.

    ids: of all pieces.
    priority: which pairs are joined, and when.
    cuts: patterns that cut a text into words, one behind another.
    over_bytes: whether letters stand for bytes; if not, a space is a letter of its own and words hold it.
    whole_words: whether a word that is a piece is taken as it is.
    leading_space: whether a text begins with a space.
    own: tokens that are found in any text before it is cut.
    control: tokens that are found in templates alone.
    begin, end: ids around every text.
    unknown: the id of what has none; it is left out if there is no such id.
    """

    ids: Mapping[str, int]
    priority: Priority
    cuts: tuple[re.Pattern[str], ...]
    over_bytes: bool
    whole_words: bool = False
    leading_space: bool = False
    own: Mapping[str, int]
    control: Mapping[str, int]
    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    unknown: int | None = None

    def encode(self, text: str, *, template: bool = False) -> list[int]:
        """Return the ids of a text, without those around it.

        Args:
            text: as the model reads it.
            template: whether it may hold control tokens.
        """
        tokens = {**self.own, **self.control} if template else self.own
        found = sorted((token for token in tokens if token in text), key=len, reverse=True)
        if not found:
            return self._plain(text)
        parts = byte_pairs.cut(text, re.compile("|".join(map(re.escape, found))))
        return [number for part in parts for number in ([tokens[part]] if part in tokens else self._plain(part))]

    def _plain(self, text: str) -> list[int]:
        if self.over_bytes:
            words = [text]
            for pattern in self.cuts:
                words = [part for word in words for part in byte_pairs.cut(word, pattern)]
            letters = byte_pairs.byte_letters()
            words = ["".join(letters[byte] for byte in word.encode()) for word in words]
        else:
            words = [(" " * self.leading_space + text).replace(" ", _SPACE)] if text else []
        return [number for word in words for number in self._word(word)]

    def _word(self, word: str) -> list[int]:
        if self.whole_words and word in self.ids:
            return [self.ids[word]]
        return [number for piece in byte_pairs.joined(word, self.priority) for number in self._piece(piece)]

    def _piece(self, piece: str) -> list[int]:
        """Return the id of a piece, or of the bytes of a letter that is none."""
        if piece in self.ids:
            return [self.ids[piece]]
        found = [self.ids.get(f"<0x{byte:02X}>", self.unknown) for byte in piece.encode()]
        known = [number for number in found if number is not None]
        return known[:1] if {*known} == {self.unknown} else known


def of_facts(facts: Mapping[str, Any], where: str) -> Vocabulary:
    """Return the vocabulary in the facts of a GGUF file; RequestError when it is none that is known."""

    def fact(name: str, kind: type, default: Any = None) -> Any:
        value = facts.get(f"tokenizer.ggml.{name}", default)
        if not isinstance(value, kind):
            raise RequestError(f"{where} is damaged: its tokenizer.ggml.{name} is {shown(value)}")
        return value

    tokens, kinds = fact("tokens", list), fact("token_type", list)
    if len(kinds) != len(tokens) or not all(isinstance(token, str) for token in tokens):
        raise RequestError(f"{where} is damaged: it has {len(tokens)} tokens and {len(kinds)} kinds of tokens")
    ids = {token: number for number, token in enumerate(tokens)}
    model, named = fact("model", str), fact("pre", str, "default")
    if model == "llama":
        scores = fact("scores", list)
        if len(scores) != len(tokens):
            raise RequestError(f"{where} is damaged: it has {len(tokens)} tokens and {len(scores)} scores")
        rows = zip(tokens, scores, kinds, strict=True)
        priority = by_score({token: score for token, score, kind in rows if kind == _NORMAL})
        cuts = ()
    elif model == "gpt2":
        merges = fact("merges", list)
        priority = by_rank({tuple(str(pair).split(" ")): rank for rank, pair in enumerate(merges)})
        if named not in _CUTS:
            raise RequestError(f"{where} cuts words by {shown(named)}; known are {', '.join(_CUTS)}")
        cuts = tuple(map(compiled, _CUTS[named]))
    else:
        raise RequestError(f"{where} has pieces of {shown(model)}; known are llama, gpt2")
    begins = fact("add_bos_token", bool, model == "llama" or named == "llama-bpe")
    return Vocabulary(
        ids=ids,
        priority=priority,
        cuts=cuts,
        over_bytes=model == "gpt2",
        whole_words=named == "llama-bpe",
        leading_space=fact("add_space_prefix", bool, model == "llama"),
        own={token: ids[token] for token, kind in zip(tokens, kinds, strict=True) if kind == _OWN},
        control={token: ids[token] for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL},
        begin=(fact("bos_token_id", int),) if begins else (),
        end=(fact("eos_token_id", int),) if fact("add_eos_token", bool, False) else (),
        unknown=facts.get("tokenizer.ggml.unknown_token_id"),
    )


def by_rank(ranks: dict[tuple[str, ...], int]) -> Priority:
    return lambda first, second: ranks.get((first, second))


def by_score(scores: dict[str, float]) -> Priority:
    def priority(first: str, second: str) -> float | None:
        score = scores.get(first + second)
        return None if score is None else -score

    return priority
