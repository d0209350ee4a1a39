"""Scores as a table for a terminal."""

from collections.abc import Iterator
from typing import Any


def table(result: dict[str, Any]) -> str:
    """Return scores, of one set or by group, as lines of text."""
    groups = dict(_groups(result))
    if not groups:
        return _aligned([[name, _shown(value)] for name, value in result.items()])
    columns = list(dict.fromkeys(column for row in groups.values() for column in row))
    rows = [["", *columns]]
    return _aligned(
        rows + [[name, *(_shown(row.get(column, "")) for column in columns)] for name, row in groups.items()]
    )


def _groups(result: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the groups of scores, however deep, under the names on the way to them, each with what its parents say."""
    for name, row in result.items():
        if isinstance(row, dict):
            said = {column: value for column, value in row.items() if not isinstance(value, dict)}
            deeper = [(inner, said | scores) for inner, scores in _groups(row, f"{above}{name}, ")]
            yield from deeper or [(f"{above}{name}", row)]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(_shown(x) for x in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
