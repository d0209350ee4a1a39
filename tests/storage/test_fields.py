"""JSON from elsewhere: every field of the type it must have, or a line that names it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pytest

from reelm.errors import RequestError
from reelm.storage.fields import check_format, parse_json, parsed, read_json, read_text


class Span(NamedTuple):
    first: int
    sizes: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float
    kind: Literal["a", "b"] = "a"

    def __post_init__(self):
        if 1 // self.rate > 9:
            raise RequestError(f"rate is {self.rate}")


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner
    spans: tuple[Span, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more: Any = None
    flag: bool = False
    count: int | None = None


WHOLE = {
    "name": "x",
    "inner": {"rate": 2},
    "spans": [[1, [2, 3]]],
    "words": {"y": ["z"]},
    "more": [{}],
    "count": 4,
}


def test_a_value_becomes_what_the_hints_say():
    assert parsed(Outer, WHOLE, "f.json") == Outer(
        name="x", inner=Inner(rate=2), spans=(Span(1, (2, 3)),), words={"y": ("z",)}, more=[{}], count=4
    )
    assert parsed(Outer, {"name": "x", "inner": {"rate": 0.5}, "count": None}, "f.json").count is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, "'name' is 3; it must be text"),
        ({"name": "\ud800"}, "'name' is"),
        ({"inner": []}, r"'inner' is \[\]; it must be an object"),
        ({"inner": {}}, "no field 'inner.rate'"),
        ({"inner": {"rate": True}}, "'inner.rate' is True; it must be a number"),
        ({"inner": {"rate": float("nan")}}, "'inner.rate' is nan; it must be a number"),
        ({"inner": {"rate": 10**400}}, "'inner.rate'"),
        ({"inner": {"rate": 0}}, "holds inner that cannot be used: .*zero"),
        ({"inner": {"rate": 0.01}}, "holds inner that cannot be used: rate is 0.01"),
        ({"inner": {"rate": 1, "kind": "c"}}, "'inner.kind' is 'c'; it must be one of a, b"),
        ({"inner": {"rate": 1, "kind": ["a"]}}, "'inner.kind'"),
        ({"inner": {"rate": 1, "new": 1}}, "'inner.new', which this version"),
        ({"spans": [[1, [2]]]}, r"'spans\[0\]\[1\]' is \[2\]; it must be a list of 2"),
        ({"spans": [[1]]}, "a list of first, sizes"),
        ({"spans": {}}, "'spans' is"),
        ({"words": {"y": "z"}}, "'words.y'"),
        ({"flag": 1}, "'flag' is 1; it must be true or false"),
        ({"count": 1.0}, "'count' is 1.0; it must be a whole number"),
        ({"count": 2**70}, "'count'"),
        ({"new\n": 1}, r"'new\\n', which this version of reelm does not know"),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_named(change, words):
    with pytest.raises(RequestError, match=f"f.json.*{words}") as refused:
        parsed(Outer, {**WHOLE, **change}, "f.json")
    assert str(refused.value).isprintable() and len(str(refused.value)) < 300


@pytest.mark.parametrize("value", [None, [], 3, "x"])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(RequestError, match="must be an object"):
        parsed(Outer, value, "f.json")
    with pytest.raises(RequestError, match="not an object with a format"):
        check_format(value, 1, "f.json")


def test_a_file_is_read_whole_or_refused_in_words(tmp_path):
    path = tmp_path / "f.json"
    path.write_text('{"format": 1, "x": [1]}')
    assert check_format(read_json(path), 1, str(path)) == {"x": [1]}
    with pytest.raises(RequestError, match="is of format 1, this version of reelm reads format 2"):
        check_format(read_json(path), 2, str(path))
    for text in ("[" * 100 + "]" * 100, "[" * 200_000, '{"a":' * 100 + "1" + "}" * 100):
        with pytest.raises(RequestError, match="deep"):
            parse_json(text, "f.json")
    path.write_bytes(b"\xff\xfe")
    for file, words in ((path, "not text in UTF-8"), (tmp_path, "directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(RequestError, match=words):
            read_json(file)
    with path.open("wb") as file:
        file.truncate(2**27)
    for endless in (path, "/dev/zero"):
        with pytest.raises(RequestError, match="larger than 64 MiB"):
            read_text(endless)


@dataclass(frozen=True, kw_only=True)
class Round:
    radius: int = 1


@dataclass(frozen=True, kw_only=True)
class Square:
    family: str = "square"
    side: int = 1


@dataclass(frozen=True, kw_only=True)
class Drawing:
    shape: Round | Square


def test_an_object_of_several_kinds_is_the_one_whose_family_it_names():
    assert parsed(Drawing, {"shape": {"radius": 2}}, "file") == Drawing(shape=Round(radius=2))
    assert parsed(Drawing, {"shape": {"family": "square", "side": 2}}, "file") == Drawing(shape=Square(side=2))
    with pytest.raises(RequestError, match="the field 'shape.family' of 'star', which this version"):
        parsed(Drawing, {"shape": {"family": "star"}}, "file")
