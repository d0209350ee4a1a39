"""The record of what came out: docs/claims.json.

Each evaluation has its command, the clips, the handwriting its scenes are drawn from, and

    measured_at: digest of what drew when its claims' values were measured; null for values of before the ledger
    held_at: that of the last run, fast or full, in which all its claims held
    claims: value, n and for shares the 95% interval, by the name of the claim without that of the evaluation
"""

import json
from pathlib import Path
from typing import Any

from reelm.storage.atomic import write_bytes

from .bounds import Outcome
from .evaluations import EVALUATIONS

FILE = Path(__file__).parents[2] / "docs" / "claims.json"
_DIGITS = 4


def read(path: Path = FILE) -> dict[str, Any]:
    """Return the record; an empty one where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(record: dict[str, Any], path: Path = FILE) -> None:
    """Write the record, evaluations in their order; the file appears whole."""
    ordered = {name: record[name] for name in EVALUATIONS if name in record}
    write_bytes(path, (json.dumps(ordered, indent=1) + "\n").encode())


def held_at(record: dict[str, Any], evaluation: str) -> str | None:
    """Return the digest at which all claims of an evaluation held last."""
    return record.get(evaluation, {}).get("held_at")


def measured(name: str, outcomes: dict[str, Outcome], *, at: str, held: bool, digits: str | None) -> dict[str, Any]:
    """Return the record of an evaluation that was run in full."""
    evaluation = EVALUATIONS[name]
    claims: dict[str, Any] = {}
    for claim, came in outcomes.items():
        claims[claim.partition("/")[2]] = {"value": round(came.value, _DIGITS), "n": came.n} | (
            {"interval": [round(bound, _DIGITS) for bound in came.interval]} if came.interval else {}
        )
    return {
        "command": f"reelm {evaluation.command} --clips {evaluation.clips}",
        **({"digits": digits} if digits else {}),
        "measured_at": at,
        "held_at": at if held else None,
        "claims": claims,
    }


def value(record: dict[str, Any], claim: str) -> dict[str, Any] | None:
    """Return value, n and interval of a claim; None where it was not measured."""
    evaluation, _, path = claim.partition("/")
    return record.get(evaluation, {}).get("claims", {}).get(path)
