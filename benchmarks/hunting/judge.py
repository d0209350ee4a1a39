"""What counts as a fault, for every hunter alike.

In: something to run, and words or code that a person can run again. Out: a `Fault`, or nothing. Of exceptions only
RequestError is none, and TypeError for the name of an argument.
"""

import re
import time
import traceback
from collections.abc import Callable
from typing import Any

from reelm.errors import RequestError

from .area import Area

_NAMES_AN_ARGUMENT = re.compile(r"has no argument|unexpected keyword argument|required (positional|keyword)|takes \d")
_MOST_LETTERS = 2_000  # of a message


class Fault(Exception):
    """What should not have happened; `about` runs it again, `where` is the line that raised."""

    def __init__(self, what: str, about: str = "", where: str = ""):
        super().__init__(what)
        self.what, self.about, self.where = what, about, where

    def told(self) -> dict[str, str]:
        """Return the fault as JSON values."""
        return {"what": self.what, "about": self.about, "where": self.where}


class Judge:
    """Runs attempts in an area; `begin` is told of each before it runs, so that a death can be blamed on it."""

    def __init__(self, area: Area, begin: Callable[[str], None]):
        self.area, self._begin = area, begin
        self._before = area.untouched()

    def check(self, about: str, run: Callable[[], Any]) -> Any:
        """Return what `run` returns, None where it was refused; Fault."""
        self._begin(about)
        try:
            result = run()
        except RequestError as error:
            result = None
            check_message(str(error), about)
        except Fault as fault:
            raise Fault(fault.what, about, fault.where) from fault
        except BaseException as error:
            if not (isinstance(error, TypeError) and _NAMES_AN_ARGUMENT.search(str(error))):
                raise Fault(
                    f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", about, _place(error)
                ) from error
            result = None
        now = self.area.untouched()
        if now != self._before:
            changed = sorted({*now.items()} ^ {*self._before.items()})[0][0]
            self._before = now
            raise Fault(f"{changed} was touched", about)
        if left := {*self.area.left_behind()}:
            time.sleep(2)  # compiled programs are written in the background
            if left := left & {*self.area.left_behind()}:
                raise Fault(f"{min(left)} was left behind", about)
        return result


def check_message(message: str, about: str = "") -> None:
    """Fault unless a message is one line of visible letters."""
    if "\n" in message or not message.strip() or len(message) > _MOST_LETTERS:
        raise Fault(
            f"a message of {len(message)} letters and {message.count(chr(10))} newlines: {message[:200]!r}", about
        )


def _place(error: BaseException) -> str:
    """Return file and line of the last of our lines that an exception came through."""
    places = traceback.extract_tb(error.__traceback__)
    ours = [place for place in places if "site-packages" not in place.filename and "benchmarks" not in place.filename]
    ours = [place for place in ours if not place.filename.startswith("<")] or places
    return f"{ours[-1].filename}:{ours[-1].lineno}" if ours else ""
