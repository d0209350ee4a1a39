"""What a careless program, another version or a stranger might give, for hypothesis to draw from."""

import copy
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.sampled_from(
    [0, 1, -1, 7, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf")]
)
WORDS = st.sampled_from(
    ["", "x", "0", "-", "nan", "None", "a\nb", "\x1b[31m", "\0", "../../x", "/etc/hostname", "٣", "🎬", "a" * 5000]
) | st.text(max_size=12)
OTHERS = st.sampled_from([None, True, False, [], {}, [[]], [None], ["a", 1], {"": {}}, {"x": None}]).map(copy.deepcopy)
VALUES = NUMBERS | WORDS | OTHERS
"""Values of JSON, most of them wrong wherever they stand."""


@st.composite
def changed(draw: Any, value: Any) -> Any:
    """Draw a JSON value with one to three changes somewhere in it; its structure mostly stays."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(VALUES)
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "replace", "drop", "add", "wrap"]))
        if change == "replace":
            holder[key] = draw(VALUES)
        elif change == "drop":
            del holder[key]
        elif change == "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"x": holder[key]}, str(holder[key])]))
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(["new", "", "\x1b", "../x"]))] = draw(VALUES)
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
    return value


def _places(value: Any) -> Any:
    """Yield every (container, key) in a value."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(keys):
        yield value, key
        yield from _places(inner)


@st.composite
def damaged(draw: Any, data: bytes) -> bytes:
    """Draw the bytes of a file that were cut, flipped, overwritten, or never were such a file."""
    kind = draw(st.sampled_from(["cut", "flipped", "overwritten", "another"]))
    at = draw(st.integers(0, len(data) - 1))
    if kind == "cut":
        return data[:at]
    if kind == "another":
        return draw(st.sampled_from([b"", b"no film\n" * 50, b"RIFF\x24\0\0\0WAVEfmt ", b"\x7fELF" + data[:90]]))
    wrong = bytearray(data)
    if kind == "overwritten":  # sizes, counts and times of up to four billion
        wrong[at : at + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"]))[
            : len(data) - at
        ]
        return bytes(wrong)
    for place in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=16)):
        wrong[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(wrong)


def one_line(error: Exception) -> None:
    """Check that the message of a refusal is a line that a person can read."""
    message = str(error)
    assert message.strip() and "\n" not in message and "\x1b" not in message and len(message) < 2000, message
