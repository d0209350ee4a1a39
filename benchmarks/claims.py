"""Measure anew what the documents claim of the shipped weights.

    python benchmarks/claims.py                     # all claims in full; writes docs/claims.json
    python benchmarks/claims.py --write             # takes the figures of docs/claims.json into the documents
    python benchmarks/claims.py --only sound emoji/held_out/both
    python benchmarks/claims.py --fast              # a few clips each: could the claims still hold?
    python benchmarks/claims.py --fast --if-changed # only where weights or decoding changed since they held
    python benchmarks/claims.py --list

One evaluation serves many claims, and all of its claims are judged. A full run demands all data; a fast one leaves out
what is missing and says how to get it. Ends with status 1 if a claim does not hold. `ledger/table.py` has the claims.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ledger import documents
from ledger import record as ledger
from ledger.bounds import Claim, broken, outcome
from ledger.digest import ROOT, digest
from ledger.evaluations import EVALUATIONS, digits_source, footage_folder, measure
from ledger.table import CLAIMS

from reelm.cli.streams import lasting_streams

_STATUS = {None: "never held", False: "to be measured", True: "holds"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="claims, or evaluations")
    parser.add_argument("--fast", action="store_true", help="24 clips each; the record keeps its values")
    parser.add_argument("--if-changed", action="store_true", help="leave out what held with these weights and sources")
    parser.add_argument("--footage", type=Path, help="folder of the test films; default: test in $FOOTAGE")
    parser.add_argument("--record", type=Path, default=ledger.FILE, help="the record; default: docs/claims.json")
    parser.add_argument("--list", action="store_true", help="print the claims and where they stand")
    parser.add_argument("--write", action="store_true", help="take the record's figures into the documents")
    asked = parser.parse_args(arguments)
    record = ledger.read(asked.record)
    if asked.list:
        return _list(record)
    if asked.write:
        return _write(record)
    names = list(dict.fromkeys(name.split("/")[0] for name in asked.only)) or list(EVALUATIONS)
    if unknown := [name for name in asked.only if name not in EVALUATIONS and name not in CLAIMS]:
        parser.error(f"no claim or evaluation is named {unknown[0]!r}; --list prints them")
    if asked.if_changed:
        names = [name for name in names if ledger.held_at(record, name) != digest(EVALUATIONS[name].model)]
    return _run(names, record, asked.record, footage_folder(asked.footage), fast=asked.fast)


def _run(names: list[str], record: dict[str, Any], path: Path, footage: Path | None, *, fast: bool) -> int:
    missing = {name: how for name in names if (how := EVALUATIONS[name].missing(footage))}
    for name, ways in missing.items():
        print(f"{name}: left out: {'; '.join(ways)}" if fast else f"{name}: {'; '.join(ways)}")
    if missing and not fast:
        return 1
    failed = 0
    for name in names:
        if name in missing:
            continue
        evaluation = EVALUATIONS[name]
        started = time.perf_counter()
        result = measure(evaluation, evaluation.fast if fast else evaluation.clips, footage)
        outcomes = {claim.name: outcome(claim, result) for claim in _claims(name)}
        wrong = [why for claim in _claims(name) if (why := broken(claim, outcomes[claim.name], fast=fast))]
        failed += len(wrong)
        at = digest(evaluation.model)
        if not fast:
            digits = digits_source() if evaluation.of_digits else None
            record[name] = ledger.measured(name, outcomes, at=at, held=not wrong, digits=digits)
        elif not wrong and name in record:
            record[name]["held_at"] = at
        ledger.write(record, path)
        took = time.perf_counter() - started
        print(f"{name}: {len(outcomes) - len(wrong)} of {len(outcomes)} claims hold ({took:.0f} s)", flush=True)
        for why in wrong:
            print(f"  {why}", flush=True)
    return int(failed > 0)


def _claims(evaluation: str) -> list[Claim]:
    return [claim for claim in CLAIMS.values() if claim.evaluation == evaluation]


def _list(record: dict[str, Any]) -> int:
    stated = documents.claimed()
    for name, evaluation in EVALUATIONS.items():
        held = ledger.held_at(record, name)
        state = _STATUS[held and held == digest(evaluation.model)]
        print(f"{name}: reelm {evaluation.command} --clips {evaluation.clips} ({state})")
        for claim in _claims(name):
            found = ledger.value(record, claim.name)
            bounds = [f"{side} {bound:g}" for side in ("least", "most") if (bound := getattr(claim, side)) is not None]
            value = documents.UNMEASURED if found is None else f"{found['value']:g} of {found['n']}"
            print(
                f"  {claim.name}: {value}; {', '.join(bounds) or 'recorded'}; {', '.join(stated.get(claim.name, ()))}"
            )
    return 0


def _write(record: dict[str, Any]) -> int:
    for name in documents.PASSAGES:
        path = ROOT / name
        before = path.read_text()
        after = documents.rewritten(name, before, record)
        if after != before:
            path.write_text(after)
            print(name)
    return 0


if __name__ == "__main__":
    with lasting_streams():  # `head` may go away
        status = main()
    sys.exit(status)
