"""tokenizer.json, in which the tokenizers of published models lie, as a `Vocabulary`.

In: the JSON value. Out: the vocabulary. Of the many things that such a file may ask for, those are read that Llama,
Qwen 3, Gemma 3 and their kin ask for; others are refused by name. Text comes normalised (`words.normalised`), so the
forms of Unicode that a file asks for are not applied again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reelm.errors import RequestError
from reelm.storage.fields import shown

from . import byte_pairs
from .byte_pairs import compiled
from .vocabulary import Vocabulary, by_rank

_SPACE = "▁"


@dataclass
class _Steps:
    """What is done to a text before its words are joined of symbols."""

    cuts: list[str] = field(default_factory=list)
    over_bytes: bool = False
    spaces: bool = False
    leading_space: bool = False


def of_json(value: Any, where: str) -> Vocabulary:
    """Return the vocabulary of a file.

    Args:
        value: its JSON value.
        where: the file, for messages.

    Raises:
        RequestError: the file is damaged, or asks for something that is not known here.
    """
    try:
        return _read(value, where)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{where} is damaged: {type(error).__name__} {shown(str(error))}; fetch it again") from error


def _read(value: Mapping[str, Any], where: str) -> Vocabulary:
    model = value["model"]
    if model.get("type", "BPE") != "BPE" or model.get("dropout") or model.get("continuing_subword_prefix"):
        raise RequestError(f"{where} has a model of {shown(model.get('type'))}; byte pairs (BPE) are read")
    steps = _Steps()
    for part in ("normalizer", "pre_tokenizer"):
        for step in _listed(value.get(part), f"{part}s"):
            _take(step, steps, where)
    if not (steps.over_bytes or (steps.spaces and model.get("byte_fallback"))):
        raise RequestError(f"{where} has pieces neither of bytes nor of letters with bytes for those unknown")
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    ids = {str(piece): int(number) for piece, number in model["vocab"].items()}
    tokens = value.get("added_tokens") or []
    begin, end = _around(value.get("post_processor"))
    unknown = model.get("unk_token")
    return Vocabulary(
        ids=ids,
        priority=by_rank({(first, second): rank for rank, (first, second) in enumerate(pairs)}),
        cuts=tuple(map(compiled, steps.cuts)),
        over_bytes=steps.over_bytes,
        whole_words=bool(model.get("ignore_merges")),
        leading_space=steps.leading_space,
        own={token["content"]: int(token["id"]) for token in tokens if not token["special"]},
        control={token["content"]: int(token["id"]) for token in tokens if token["special"]},
        begin=begin,
        end=end,
        unknown=None if unknown is None else ids[unknown],
    )


def _listed(part: Any, inner: str) -> list[dict[str, Any]]:
    """Return the steps of a part: none, one, or those of a sequence."""
    if part is None:
        return []
    return part[inner if inner in part else "pretokenizers"] if part["type"] == "Sequence" else [part]


def _take(step: Mapping[str, Any], steps: _Steps, where: str) -> None:
    """Note what a step does to a text; RequestError for one that is not known."""
    kind = step["type"]
    if kind in ("NFC", "NFKC"):
        return
    if kind == "ByteLevel" and not step.get("add_prefix_space"):
        steps.over_bytes = True
        steps.cuts += [byte_pairs.GPT2] if step.get("use_regex", True) else []
    elif kind == "Digits" and step.get("individual_digits"):
        steps.cuts.append(byte_pairs.DIGITS)
    elif kind == "Split" and "Regex" in step["pattern"] and step["behavior"] == "Isolated" and not step["invert"]:
        steps.cuts.append(step["pattern"]["Regex"])
    elif kind == "Replace" and step["pattern"] == {"String": " "} and step["content"] == _SPACE:
        steps.spaces = True
    elif kind == "Prepend" and step["prepend"] == _SPACE:
        steps.leading_space = True
    elif kind == "Metaspace" and step["replacement"] == _SPACE and not step.get("split"):
        steps.spaces, steps.leading_space = True, step.get("prepend_scheme") != "never"
    elif not (kind == "Split" and step["pattern"] == {"String": " "} and steps.spaces):  # no space is left to split at
        raise RequestError(f"{where} asks for {shown(dict(step))}, which is not known here")


def _around(part: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids that a file puts before and behind every text."""
    around: tuple[list[int], list[int]] = ([], [])
    for step in _listed(part, "processors"):
        behind = False
        for each in step["single"] if step["type"] == "TemplateProcessing" else ():
            if "Sequence" in each:
                behind = True
            else:
                around[behind].extend(step["special_tokens"][each["SpecialToken"]["id"]]["ids"])
    return tuple(around[0]), tuple(around[1])
