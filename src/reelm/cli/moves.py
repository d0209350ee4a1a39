"""Tracks and camera moves as the command line writes them: "0:0.2,0.5 2:0.8,0.5" is two places with their seconds."""

from typing import TYPE_CHECKING

from reelm.errors import RequestError

if TYPE_CHECKING:
    from reelm.lm.control.camera import Camera


def track(text: str) -> list[tuple[float, tuple[float, float]]] | None:
    """Return a track of SECONDS:X,Y written with spaces between; "-" is a subject that goes where it likes."""
    if text.strip() == "-":
        return None
    return [(at, (numbers[0], numbers[1])) for at, numbers in _moments("--track", text, "SECONDS:X,Y", 2)]


def camera(text: str) -> "str | list[tuple[float, Camera]]":
    """Return a camera: its words, or SECONDS:ORBIT,ZOOM,RISE written with spaces between."""
    if ":" not in text:
        return text
    from reelm.lm.control.camera import Camera  # it brings NumPy

    moments = _moments("--camera", text, "SECONDS:ORBIT,ZOOM,RISE", 3)
    return [(at, Camera(*numbers)) for at, numbers in moments]


def _moments(option: str, text: str, form: str, count: int) -> list[tuple[float, list[float]]]:
    found = []
    for part in text.split():
        seconds, _, rest = part.partition(":")
        try:
            at, *numbers = (float(number) for number in (seconds, *rest.split(",")))
        except ValueError:
            at, numbers = 0.0, []
        if len(numbers) != count:
            raise RequestError(f"{option} is {form} for each moment, not {part[:40]!r}")
        found.append((at, numbers))
    return found
