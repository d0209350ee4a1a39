"""The best evaluation of a run so far, by one metric."""

import math
from collections.abc import Mapping
from typing import Any

from reelm.errors import RequestError


class Best:
    """Remembers the step at which a metric was lowest, or highest where its name begins with "-"."""

    def __init__(self, metric: str) -> None:
        self._name, self._sign = metric.removeprefix("-"), -1.0 if metric.startswith("-") else 1.0
        self._value: float | None = None
        self.step: int | None = None
        self.waited = 0
        """Evaluations since the best one."""

    def take(self, step: int, values: Mapping[str, float]) -> bool:
        """Whether these values are better than all before; RequestError when the metric is not among them."""
        if self._name not in values:
            raise RequestError(f"evaluations have no {self._name!r} to be best by; they have {', '.join(values)}")
        value = self._sign * values[self._name]
        if not math.isfinite(value) or (self._value is not None and value >= self._value):
            self.waited += 1
            return False
        self._value, self.step, self.waited = value, step, 0
        return True

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint holds, as JSON values."""
        return {"value": self._value, "step": self.step, "waited": self.waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from `get_state()`."""
        self._value, self.step = state["value"], state["step"]
        self.waited = state.get("waited", 0)  # earlier versions did not count
