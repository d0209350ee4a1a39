"""Compare the figures of documents with the record, and write them.

Comes in: the text of a document, its passages, the record. Goes out: faults as sentences, or the text with the record's
figures. A passage is found by its words alone, whatever figures stand in it and however its lines are broken.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from . import record as ledger
from .passages import NO_CLAIM_LINES, NO_CLAIMS, PASSAGES

UNMEASURED = "not measured"
_FIELD = re.compile(r"\{([^{}:]+):([^{}]+)\}")
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
_FIGURE = re.compile(r"\d[\d.,]*\s?(?:%|dB)")


class Field(NamedTuple):
    """A figure of a passage: its claim and its format."""

    claim: str
    form: str


class Passage(NamedTuple):
    """A row or a sentence of a document: what finds it, and its figures in order, one group of the pattern each."""

    words: str
    pattern: re.Pattern[str]
    fields: tuple[Field, ...]


def passages(document: str) -> list[Passage]:
    """Return the passages of a document."""
    return [_passage(line) for line in PASSAGES[document].splitlines() if line.strip()]


def shown(record: Mapping[str, Any], field: Field) -> str:
    """Return a figure as it stands in a document; "not measured" where there is none."""
    found = ledger.value(dict(record), field.claim)
    if found is None:
        return UNMEASURED
    value, form = found["value"], field.form
    if not form.startswith("%"):
        return f"{value:{form}}"
    text = _percent(value, 0 if form == "%0" else 1)
    if form != "%i":
        return text
    low, high = found["interval"]
    return f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def faults(document: str, text: str, record: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a document: passages that are missing, figures that differ or are no claim."""
    found: list[str] = []
    for passage in passages(document):
        matches = list(passage.pattern.finditer(text))
        if len(matches) != 1:
            found.append(f"{document} has {len(matches)} passages like {passage.words!r}; it should have one")
            continue
        for stands, field in zip(matches[0].groups(), passage.fields, strict=True):
            if stands != (right := shown(record, field)):
                found.append(f"{document}: {field.claim} stands as {stands} and is {right}; write it with --write")
    return found + [f"{document}: the figures of {line!r} are no claim" for line in loose(document, text)]


def rewritten(document: str, text: str, record: Mapping[str, Any]) -> str:
    """Return a document with the figures of the record in its passages."""
    places = [
        (*match.span(number), shown(record, field))
        for passage in passages(document)
        for match in passage.pattern.finditer(text)
        for number, field in enumerate(passage.fields, start=1)
    ]
    for start, end, figure in sorted(places, reverse=True):
        text = text[:start] + figure + text[end:]
    return text


def claimed() -> dict[str, list[str]]:
    """Return the documents that state each claim."""
    stated: dict[str, list[str]] = {}
    for document in PASSAGES:
        for claim in dict.fromkeys(field.claim for passage in passages(document) for field in passage.fields):
            stated.setdefault(claim, []).append(document)
    return stated


def loose(document: str, text: str) -> Iterator[str]:
    """Yield lines whose figures are no claim and are not excepted: rows of tables with a digit, prose with % or dB."""
    spans = [match.span() for passage in passages(document) for match in passage.pattern.finditer(text)]
    excepted = NO_CLAIM_LINES.get(document, {})
    heading, start, fenced = "", 0, False
    is_card = document.startswith("src/")
    lines = text.splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        end = start + len(line)
        if following.startswith("|---"):
            pass  # the header of a table
        elif line.startswith("```"):
            fenced = not fenced
        elif not fenced and line.startswith("#"):
            heading = line.strip("# \n")
        elif not fenced and (document, heading) not in NO_CLAIMS and (not is_card or heading == "Evaluation"):
            figures = re.finditer(r"\d", line) if line.startswith("|") else _FIGURE.finditer(line)
            at = [start + figure.start() for figure in figures]
            covered = all(any(low <= place < high for low, high in spans) for place in at)
            if not covered and not any(part in line for part in excepted):
                yield line.strip()
        start = end


def _passage(line: str) -> Passage:
    pattern, fields, last = "", [], 0
    for match in _FIELD.finditer(line):
        field = Field(*match.groups())
        pattern += _literal(line[last : match.start()]) + f"({_figure(field.form)}|{UNMEASURED})"
        fields.append(field)
        last = match.end()
    pattern += _literal(line[last:])
    if line.startswith("|"):
        pattern = f"^{pattern}$"
    return Passage(_FIELD.sub("...", line), re.compile(pattern, re.MULTILINE), tuple(fields))


def _literal(text: str) -> str:
    """Return a pattern of words that takes any line break between them."""
    return re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(text))


def _figure(form: str) -> str:
    return {"%i": rf"{_NUMBER}% \[[^\]|]*\]"}.get(form, f"{_NUMBER}%" if form.startswith("%") else _NUMBER)


def _percent(value: float, decimals: int) -> str:
    text = f"{100 * value:.{decimals}f}%"
    return {"100.0%": "100%", "0.0%": "0%", "-0%": "0%"}.get(text, text)
