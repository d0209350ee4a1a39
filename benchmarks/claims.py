"""Measure the figures of the shipped models that the documents claim, and write them into tables.

    python benchmarks/claims.py --footage FOLDER     # every evaluation in full
    python benchmarks/claims.py --only sound films   # some of them
    python benchmarks/claims.py --fast --if-changed  # check that figures still hold, with a few clips of changed models
    python benchmarks/claims.py --write              # only write the tables, from the record

The record, docs/claims.json, has a row for each evaluation: the command, the shipped model, its figures, and the digest
of the measured model. A figure is a value, or [share, n] if its interval is shown. `tables.md` holds the tables with
the positions of the figures; figures that no table shows are not recorded. To add an evaluation, add a row with a
command and a model.

If an evaluation misses something (a data set, weights of a judge, films), its error says so. A full run then ends with
status 1; a fast run skips it.
"""

import argparse
import contextlib
import hashlib
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import reelm
from reelm.cli.parse import parse
from reelm.errors import RequestError
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.sampling.folder import shipped
from reelm.storage.atomic import write_bytes

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "docs" / "claims.json"
TABLES = ROOT / "benchmarks" / "tables.md"
DOCUMENTS = ("README.md", "docs/**/*.md", "src/reelm/weights/*/README.md", "zoo/**/*.md")
FOOTAGE = "FOLDER"  # in a command: the folder of the test films
_PROMPTS = {"emoji": "dog face"}
_FEW = 24  # clips of a fast run
_IMPROBABLE = 1e-3

Record = dict[str, dict[str, Any]]


class Field(NamedTuple):
    """A figure of a table: "evaluation/keys of its result", its format, and the key of the number of cases."""

    figure: str
    form: str
    of: str

    def shown(self, record: Record) -> str:
        """Return the figure as text for a document."""
        name, _, path = self.figure.partition("/")
        value = record[name].get("figures", {}).get(path)
        if value is None:
            return "not measured"
        value, n = value if isinstance(value, list) else (value, 0)
        if not self.form.startswith("%"):
            return f"{value:{self.form}}"
        share = f"{100 * value:.{0 if self.form == '%0' else 1}f}%"
        share = {"100.0%": "100%", "0.0%": "0%", "-0%": "0%"}.get(share, share)
        if self.form != "%i":
            return share
        low, high = wilson_interval(round(value * n), n)
        return f"{share} [{100 * low:.1f}, {100 * high:.1f}]"


_FIELD = re.compile(r"\{([^{}:/]+/[^{}:]+):([^{} ]+)(?: of ([^{}]+))?\}")
_PLACE = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def field(match: re.Match[str]) -> Field:
    """Return the field of a match."""
    return Field(match[1], match[2], match[3] or "n")


def tables() -> dict[str, str]:
    """Return the tables by their names, with fields for figures."""
    parts = re.split(r"^## (.+)\n", TABLES.read_text(), flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def written(document: str, record: Record) -> str:
    """Return the text of a document with the figures of the record in its tables."""
    named = tables()

    def table(place: re.Match[str]) -> str:
        text = _FIELD.sub(lambda found: field(found).shown(record), named[place[2]])
        return f"{place[1]}\n{text}\n\n{place[3]}"

    return _PLACE.sub(table, document)


def documents() -> Iterator[Path]:
    """Yield the documents that show a table."""
    for pattern in DOCUMENTS:
        yield from (path for path in sorted(ROOT.glob(pattern)) if _PLACE.search(path.read_text()))


def figures(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of an evaluation that tables show, from its printed result; None if nothing was counted."""
    found: dict[str, Any] = {}
    fields = [field(match) for match in _FIELD.finditer("".join(tables().values()))]
    for each in sorted(fields, key=lambda each: each.form == "%i"):
        evaluation, _, path = each.figure.partition("/")
        if evaluation != name:
            continue
        *keys, last = path.split("/")
        row, clips = result, result.get("clips")
        for key in keys:
            row = row[key]
            clips = row.get("clips", clips)
        value = row.get(last)
        found[path] = value if value is None else round(float(value), 4)
        if each.form == "%i" and value is not None:
            found[path] = [found[path], row.get(each.of, clips)]
    return found


def improbable(claimed: Any, came: Any) -> bool:
    """Return whether the result of a few clips has a probability below one in a thousand under the claim."""
    if not isinstance(claimed, list) or not isinstance(came, list) or came[1] == 0:
        return False
    (low, high), (share, n) = wilson_interval(round(claimed[0] * claimed[1]), claimed[1]), came
    hits = round(share * n)

    def chance(counts: range, of: float) -> float:
        return sum(math.comb(n, k) * of**k * (1 - of) ** (n - k) for k in counts)

    return chance(range(hits + 1), low) < _IMPROBABLE or chance(range(hits, n + 1), high) < _IMPROBABLE


def measure(command: str, footage: Path | None) -> dict[str, Any]:
    """Run a command of `reelm evaluate` in this process, and return what it prints as JSON; RequestError."""
    words = command.split()[1:]
    if FOOTAGE in words and footage is None:
        raise RequestError("it needs --footage; `python -m reelm.zoo.natural.make_footage --help` says how to get them")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        parse([*(str(footage) if word == FOOTAGE else word for word in words), "--json"]).run()
    text = printed.getvalue()  # the text before the scores is for people
    return json.loads(text[text.index("{\n") :])


@cache
def digest(name: str) -> str:
    """Return a digest of a model's weights and defaults, and of the clips of three seeds.

    The names of fields in model.json are left out, because the clips already depend on their values.
    """
    found = hashlib.sha256()
    for path in sorted(shipped.folder(name).iterdir()):
        if path.suffix not in (".md", ".json"):
            found.update(path.read_bytes())
    model = reelm.load(name)
    found.update(repr(sorted(asdict(model.defaults).items())).encode())
    for seed in range(3):
        if model.lm is None:  # then use its tokenizer's reconstruction of noise
            noise = np.random.default_rng(seed).integers(0, 256, (17, 64, 64, 3), np.uint8)
            found.update(model.video_tokenizer.encode(noise).tobytes())
        elif model.lm.config.keys:
            world = model.play(seed=seed)
            found.update(b"".join(world.step(keys=[key]).video.tobytes() for key in world.keys[:3]))
        else:
            clip = model.generate(_PROMPTS.get(name, "a red seven moves right"), seed=seed)
            found.update(b"".join(codes.tobytes() for codes in (clip.tokens or {}).values() if codes is not None))
    return found.hexdigest()[:16]


def run(names: list[str], record: Record, footage: Path | None, *, fast: bool) -> int:
    """Measure evaluations, record the figures or that they still hold, and return the status."""
    status = 0
    for name in names:
        row, command = record[name], record[name]["command"]
        if fast:
            command = re.sub(r"--clips \d+", f"--clips {row.get('fast', _FEW)}", command)
        try:
            result = measure(command, footage)
        except RequestError as error:
            print(f"{name}: left out: {error}", flush=True)
            status |= not fast
            continue
        came = figures(name, result)
        if not fast:
            row |= {"digits": result["digits"]} if "digits" in result else {}
            row |= {"held_at": digest(row["model"]), "figures": came}
            print(f"{name}: measured", flush=True)
            continue
        wrong = [path for path, claimed in row["figures"].items() if improbable(claimed, came.get(path))]
        status |= bool(wrong)
        row["held_at"] = row["held_at"] if wrong else digest(row["model"])
        print(f"{name}: {'does not hold' if wrong else 'holds'}", flush=True)
        for path in wrong:
            print(f"  {path} is {came[path][0]:.3f} of {came[path][1]}; {row['figures'][path][0]:.3f} is claimed")
    return status


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="evaluations; default: all")
    parser.add_argument("--fast", action="store_true", help="a few clips each: the record keeps its figures")
    parser.add_argument("--if-changed", action="store_true", help="leave out models that draw what they drew")
    parser.add_argument("--footage", type=Path, help="folder of the test films; default: test in $FOOTAGE")
    parser.add_argument("--write", action="store_true", help="write the tables of the documents, and measure nothing")
    asked = parser.parse_args(arguments)
    record: Record = json.loads(RECORD.read_text())
    names = asked.only or list(record)
    if unknown := sorted(set(names) - set(record)):
        parser.error(f"no evaluation is named {unknown[0]}; there are: {', '.join(record)}")
    if asked.if_changed:
        names = [name for name in names if record[name].get("held_at") != digest(record[name]["model"])]
    films = os.environ.get("FOOTAGE")
    footage = asked.footage or (Path(films) / "test" if films else None)
    status = 0 if asked.write else run(names, record, footage, fast=asked.fast)
    write(record)
    return status


def write(record: Record) -> None:
    """Write the record, each figure on a line, and the tables of the documents."""
    text = re.sub(r"\[\s+([^\[\]]+?),\s+([^\[\]]+?)\s+\]", r"[\1, \2]", json.dumps(record, indent=1))
    write_bytes(RECORD, (text + "\n").encode())
    for path in documents():
        path.write_text(written(path.read_text(), record))


if __name__ == "__main__":
    sys.exit(main())
