"""Read tracks and camera moves of the command line: "0:0.2,0.5 2:0.8,0.5" is two places with their seconds."""

from typing import TYPE_CHECKING

from reelm.errors import RequestError

if TYPE_CHECKING:
    from reelm.lm.control.camera import Camera


def track(text: str) -> list[tuple[float, tuple[float, float]]] | None:
    """Return a track of SECONDS:X,Y separated by spaces; None for "-", a subject that is not steered."""
    if text.strip() == "-":
        return None
    return [(at, (numbers[0], numbers[1])) for at, numbers in _moments("--track", text, "SECONDS:X,Y", 2)]


def camera(text: str) -> "str | list[tuple[float, Camera]]":
    """Return a camera: the name of a move, or a path of SECONDS:ORBIT,ZOOM,RISE separated by spaces."""
    if ":" not in text:
        return text
    from reelm.lm.control.camera import Camera  # it imports NumPy

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
