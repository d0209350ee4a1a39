"""Convert text to the ids of a published language model, with the package `tokenizers` of the extra `llm`.

In: a tokenizer.json, or the pieces in a GGUF file; strings. Out: ids. The text of a user is never read as a control
token; a template may hold control tokens.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install
from reelm.storage.fields import shown

PROMPT = "{}"
"""Placeholder of the prompt in a template."""

_SPACE = "▁"
_NORMAL, _CONTROL, _OWN = 1, 3, 4  # kinds of tokens in a GGUF file
_CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
_GPT2 = rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"
_QWEN2 = (
    rf"(?i:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CUTS = {  # name in a GGUF file to the patterns that split words, in order
    "llama-bpe": (_QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|"),),
    "qwen2": (_QWEN2,),
    "smollm": (r"\p{N}", _GPT2),
    "gpt-2": (_GPT2,),
}


class Vocabulary:
    """The pieces of a model.

    Attributes:
        begin: ids before every text.
        end: ids after every text.
        size: one more than the largest id.
    """

    def __init__(self, tokenizer: Any, begin: tuple[int, ...], end: tuple[int, ...]):
        self._tokenizer, self.begin, self.end = tokenizer, begin, end
        self.size = 1 + max(tokenizer.get_vocab().values(), default=-1)

    def encode(self, text: str, *, template: bool = False) -> list[int]:
        """Return the ids of a text without `begin` and `end`; only in a template are control tokens read."""
        self._tokenizer.encode_special_tokens = not template
        return self._tokenizer.encode(text, add_special_tokens=False).ids


class Template:
    """The text around a prompt, as ids.

    Attributes:
        head: ids before every prompt, including the begin of the text.
    """

    def __init__(self, text: str, pieces: Vocabulary):
        head, tail = text.split(PROMPT)
        # A space before a word is part of its piece.
        self._gap = head[len(head.rstrip(" ")) :]
        self.head = [*pieces.begin, *pieces.encode(head.rstrip(" "), template=True)]
        self._pieces, self._tail = pieces, pieces.encode(tail, template=True)

    def behind(self, prompt: str) -> list[int]:
        """Return the ids of a prompt and of the template after it."""
        return [*self._pieces.encode(self._gap + prompt), *self._tail]


def of_json(path: Path) -> Vocabulary:
    """Return the vocabulary in a tokenizer.json; RequestError when it is damaged or missing."""
    package = _package()
    with _damaged(path):
        tokenizer = package.Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    around = tokenizer.encode("a")
    own = [place for place, special in enumerate(around.special_tokens_mask) if not special]
    first, last = (own[0], own[-1] + 1) if own else (len(around.ids), len(around.ids))
    return Vocabulary(tokenizer, tuple(around.ids[:first]), tuple(around.ids[last:]))


def of_facts(facts: Mapping[str, Any], where: str) -> Vocabulary:
    """Return the vocabulary in the facts of a GGUF file; RequestError when its kind is unknown."""

    def fact(name: str, kind: type, default: Any = None) -> Any:
        value = facts.get(f"tokenizer.ggml.{name}", default)
        if not isinstance(value, kind):
            raise RequestError(f"{where} is damaged: its tokenizer.ggml.{name} is {shown(value)}")
        return value

    tokens, kinds = fact("tokens", list), fact("token_type", list)
    if len(kinds) != len(tokens) or not all(isinstance(token, str) for token in tokens):
        raise RequestError(f"{where} is damaged: it has {len(tokens)} tokens and {len(kinds)} kinds of tokens")
    ids = {token: number for number, token in enumerate(tokens)}
    model, named, package = fact("model", str), fact("pre", str, "default"), _package()
    if model == "llama":
        scores = fact("scores", list)
        if len(scores) != len(tokens):
            raise RequestError(f"{where} is damaged: it has {len(tokens)} tokens and {len(scores)} scores")
        normal = {token: -score for token, score, kind in zip(tokens, scores, kinds, strict=True) if kind == _NORMAL}
        unknown = facts.get("tokenizer.ggml.unknown_token_id")
        with _damaged(where):
            token = None if unknown is None else tokens[unknown]
            tokenizer = package.Tokenizer(package.models.BPE(ids, _merges(normal), byte_fallback=True, unk_token=token))
        steps = [package.normalizers.Prepend(_SPACE)] if fact("add_space_prefix", bool, True) else []
        tokenizer.normalizer = package.normalizers.Sequence([*steps, package.normalizers.Replace(" ", _SPACE)])
    elif model == "gpt2":
        if named not in _CUTS:
            raise RequestError(f"{where} splits words by {shown(named)}; known are {', '.join(_CUTS)}")
        merges = [tuple(str(pair).split(" ")) for pair in fact("merges", list)]
        with _damaged(where):
            tokenizer = package.Tokenizer(package.models.BPE(ids, merges, ignore_merges=named == "llama-bpe"))
        split, over_bytes = package.pre_tokenizers.Split, package.pre_tokenizers.ByteLevel
        tokenizer.pre_tokenizer = package.pre_tokenizers.Sequence(
            [*(split(package.Regex(cut), "isolated") for cut in _CUTS[named]), over_bytes(False, use_regex=False)]
        )
    else:
        raise RequestError(f"{where} has pieces of {shown(model)}; known are llama, gpt2")
    for kind in (_CONTROL, _OWN):
        added = [token for token, each in zip(tokens, kinds, strict=True) if each == kind]
        control = kind == _CONTROL
        tokenizer.add_tokens([package.AddedToken(token, special=control, normalized=False) for token in added])
    begins = fact("add_bos_token", bool, model == "llama" or named == "llama-bpe")
    begin = (fact("bos_token_id", int),) if begins else ()
    return Vocabulary(tokenizer, begin, (fact("eos_token_id", int),) if fact("add_eos_token", bool, False) else ())


def _merges(ranks: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return the pairs of pieces to merge, best first: SentencePiece merges any two that form a piece."""
    ordered = sorted((piece for piece in ranks if len(piece) > 1), key=ranks.__getitem__)
    halves = ((piece[:i], piece[i:]) for piece in ordered for i in range(1, len(piece)))
    return [(first, second) for first, second in halves if first in ranks and second in ranks]


@contextmanager
def _damaged(where: str | Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the package raises no narrower class
        raise RequestError(f"cannot read the vocabulary of {where} ({reason(error)}); fetch it again") from error


def _package() -> ModuleType:
    """Return the package `tokenizers`; RequestError where it is missing."""
    try:
        import tokenizers
    except ImportError as error:
        raise RequestError(f"the package tokenizers is needed; install it: {how_to_install('llm')}") from error
    return tokenizers
