"""Whether a claim holds, from all of its clips or from a few.

Comes in: a claim and what came out. Goes out: a sentence that says why it cannot hold, or None. Knows nothing of
models.
"""

import math
from dataclasses import dataclass
from typing import Any

from reelm.evaluation.scores.intervals import wilson_interval

_IMPROBABLE = 1e-3  # a fast outcome less likely than this, though the claim held, fails it
_ERRORS = 3.1  # standard errors with that probability beyond them, on one side


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What may come out for a figure of an evaluation.

    Attributes:
        name: evaluation and keys of its result, as "sound/two/all_right".
        least, most: what may come out at full n; None for no bound. Without either the figure is only recorded.
        of: of a share, the key beside it that says of how many; None for a mean or a count.
        spread: of a mean, its standard deviation from clip to clip; None for what only a full run can judge.
    """

    name: str
    least: float | None = None
    most: float | None = None
    of: str | None = None
    spread: float | None = None

    @property
    def evaluation(self) -> str:
        """The name of its evaluation."""
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Outcome:
    """What came out for a claim: its value, of how many, and for a share its 95% interval."""

    value: float
    n: int
    interval: tuple[float, float] | None


def outcome(claim: Claim, result: dict[str, Any]) -> Outcome:
    """Return what an evaluation's JSON says of a claim; KeyError where it says nothing."""
    row, keys = result, claim.name.split("/")[1:]
    clips = row.get("clips")
    for key in keys[:-1]:
        row = row[key]
        clips = row.get("clips", clips)
    if row[keys[-1]] is None:  # nothing of this kind was among a few clips
        return Outcome(math.nan, 0, None)
    value = float(row[keys[-1]])
    n = row.get(claim.of or "n", clips)
    assert n is not None, claim.name
    return Outcome(value, n, None if claim.of is None else wilson_interval(round(value * n), n))


def broken(claim: Claim, came: Outcome, *, fast: bool) -> str | None:
    """Return why a claim does not hold, or None.

    In full the outcome must lie within the bounds. Of a few clips (`fast`) it must only be possible: not less probable
    than one in a thousand for a model of which the claim just holds.
    """
    if fast and came.n == 0:
        return None
    for bound, sign, name in ((claim.least, 1, "least"), (claim.most, -1, "most")):
        if bound is None:
            continue
        if not fast:
            wrong = not sign * came.value >= sign * bound - 1e-9
        elif claim.of is not None:
            hits = round(came.value * came.n)
            wrong = _tail(hits, came.n, bound, below=sign > 0) < _IMPROBABLE
        elif claim.spread is not None:
            wrong = not sign * came.value >= sign * bound - _ERRORS * claim.spread / math.sqrt(came.n)
        else:
            wrong = False
        if wrong:
            return f"{claim.name} is {came.value:.3f} of {came.n}; the {name} that is claimed is {bound:g}"
    return None


def _tail(hits: int, n: int, share: float, *, below: bool) -> float:
    """Return the probability of `hits` or fewer (else: or more) of `n` trials that succeed with probability `share`."""
    counts = range(hits + 1) if below else range(hits, n + 1)
    return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in counts)
