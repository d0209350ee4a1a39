"""Print scores as a table for a terminal, with the units of its figures."""

import re
from collections.abc import Iterator
from typing import Any

# Units by the beginning of the name of a figure or its group. All others are counts, shares of 1, or have no unit.
_UNITS = {
    "psnr": "dB",
    "delta psnr": "dB",
    "si_sdr": "dB",
    "mel_distance": "decades",
    "flicker": "squared steps of 1/255",
    "bits_per_pixel": "bits",
    "nats_": "nats",
    "frames_per_second": "frames",
}

_BETWEEN = ", "  # between the name of a group and the name of a group in it


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


def units(result: dict[str, Any]) -> str:
    """Return the line under a table that gives the units of its scores."""
    groups = dict(_groups(result))
    names = [name for group in groups for name in group.split(_BETWEEN)]
    names += [column for row in groups.values() for column in row] if groups else list(result)
    found = {name: unit for name in names for start, unit in _UNITS.items() if re.match(start, name)}
    known = [f"{name} in {unit}" for name, unit in found.items()]
    return f"units: {', '.join([*known, ('others' if known else 'figures') + ' are counts, shares of 1 or have none'])}"


def _groups(result: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the innermost groups of scores, under their joined names, each with the scores of its parents, too."""
    for name, row in result.items():
        if isinstance(row, dict):
            own = {column: value for column, value in row.items() if not isinstance(value, dict)}
            deeper = [(inner, own | scores) for inner, scores in _groups(row, f"{above}{name}{_BETWEEN}")]
            yield from deeper or [(f"{above}{name}", row)]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(_shown(x) for x in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
