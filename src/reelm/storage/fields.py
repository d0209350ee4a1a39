"""Read text and JSON that come from elsewhere; JSON is read field by field.

In: text or a file, and a dataclass or NamedTuple whose type hints say what each field holds. Out: an instance, or a
RequestError that names file and field. All JSON that another program may have written is read here.

A dataclass is read from an object with its fields. Fields with a default may be missing, unknown ones are refused. Of
several dataclasses, the one whose `family` the object names is read, or else the first. A NamedTuple is read from a
list. Numbers are finite, whole ones have at most 64 bits. `Any` takes any JSON value.
"""

import functools
import json
import math
import os
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from reelm.errors import RequestError

T = TypeVar("T")

_MOST_BYTES = 64 * 2**20  # of a file
_PIECE_BYTES = 2**16  # read at once
_MOST_LEVELS = 64  # of lists and objects inside each other
_MOST_INT = 2**63
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, pipe or device, without a byte order mark.

    RequestError when it is missing, larger than 64 MiB or not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            # A device has no size, and perhaps no end.
            pieces = iter(functools.partial(file.read, _PIECE_BYTES), b"")
            data = b"".join(islice(pieces, _MOST_BYTES // _PIECE_BYTES + 1))
        if len(data) <= _MOST_BYTES:
            return data.decode("utf-8-sig")
        why = f"it is larger than {_MOST_BYTES // 2**20} MiB"
    except OSError as error:
        why = error.strerror or str(error)
    except UnicodeDecodeError:
        why = "it is not text in UTF-8; save it in that encoding, a table of a spreadsheet as CSV UTF-8"
    raise RequestError(f"{path} cannot be read: {why}")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text. Only LF and CR LF end one: other separators of Unicode belong to its words."""
    return text.replace("\r\n", "\n").split("\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the JSON value in a file; RequestError when it is missing, too large, too deep or not JSON."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Return the JSON value in a text; RequestError, which calls it `where`, when it is too deep or not JSON."""
    try:
        value = json.loads(text)
    except RecursionError:
        value = None
        deep = True
    except ValueError as error:
        raise RequestError(f"{where} is damaged: it is not JSON ({error})") from error
    else:
        deep = _levels(value) > _MOST_LEVELS
    if deep:
        raise RequestError(f"{where} is damaged: lists and objects are nested more than {_MOST_LEVELS} deep")
    return value


def check_format(value: Any, version: int, where: str) -> dict[str, Any]:
    """Return the fields of a JSON object except its `format`; RequestError unless that is `version`."""
    if not isinstance(value, dict) or "format" not in value:
        raise RequestError(f"{where} is damaged: it is not an object with a format")
    if value["format"] != version:
        found = shown(value["format"])
        raise RequestError(f"{where} is of format {found}, this version of reelm reads format {version}")
    return {name: each for name, each in value.items() if name != "format"}


def parsed(kind: type[T], value: Any, where: str) -> T:
    """Return a JSON value as a `kind`.

    Args:
        kind: dataclass, NamedTuple, or any type that their fields may have.
        value: as `read_json` returns it.
        where: what holds it, for messages.

    Raises:
        RequestError: a field is missing, unknown, of another type, or refused by the dataclass itself.
    """
    return cast(T, _read(kind, value, where, ""))


def shown(value: object) -> str:
    """Return a value on one line of at most 80 letters, for a message."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _levels(value: Any) -> int:
    levels, layer = 0, [value]
    while layer and levels <= _MOST_LEVELS:
        inner = (each.values() if isinstance(each, dict) else each for each in layer if isinstance(each, dict | list))
        layer = [each for found in inner for each in found]
        levels += 1
    return levels


def _read(kind: Any, value: Any, where: str, name: str) -> Any:
    """Return `value` as a `kind`; `name` is the dotted name of its field, "" for the whole value."""
    if kind in _PLAIN:
        in_words, fits = _PLAIN[kind]
        if not fits(value):
            raise _wrong(where, name, value, in_words)
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value, where, name)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple(kind, value, where, name)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        kinds = [each for each in arguments if each is not type(None)]
        return _read(kinds[0] if len(kinds) == 1 else _of_family(kinds, value, where, name), value, where, name)
    if origin is Literal:
        if value in arguments and isinstance(value, str):
            return value
        raise _wrong(where, name, value, f"one of {', '.join(arguments)}")
    if origin is tuple:
        if not isinstance(value, list) or (... not in arguments and len(value) != len(arguments)):
            length = "" if ... in arguments else f" of {len(arguments)}"
            raise _wrong(where, name, value, f"a list{length}")
        if ... in arguments and arguments[0] in _PLAIN and all(map(_PLAIN[arguments[0]][1], value)):
            return tuple(value)  # fast, for thousands of captions and words
        kinds = arguments[:1] * len(value) if ... in arguments else arguments
        return tuple(_read(*each, where, f"{name}[{i}]") for i, each in enumerate(zip(kinds, value, strict=True)))
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, name, value, "an object")
        return {key: _read(arguments[1], each, where, _inside(name, key)) for key, each in value.items()}
    raise TypeError(f"no JSON is read as {kind}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and (value.isascii() or not _SURROGATE.search(value))


def _is_int(value: Any) -> bool:
    return type(value) is int and abs(value) < _MOST_INT


def _is_number(value: Any) -> bool:
    return _is_int(value) or (type(value) is float and math.isfinite(value))


_PLAIN = {
    str: ("text", _is_text),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", _is_int),
    float: ("a number", _is_number),
}


def _dataclass(kind: Any, value: Any, where: str, name: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, name, value, "an object")
    known = {field.name: field for field in fields(kind)}
    if unknown := [key for key in value if key not in known]:
        what = shown(_inside(name, unknown[0]))
        raise RequestError(f"{where} has the field {what}, which this version of reelm does not know")
    for key, field in known.items():
        if key not in value and field.default is MISSING and field.default_factory is MISSING:
            raise RequestError(f"{where} is damaged: it has no field '{_inside(name, key)}'")
    hints = _hints(kind)
    found = {key: _read(hints[key], each, where, _inside(name, key)) for key, each in value.items()}
    return _made(lambda: kind(**found), where, name)


def _of_family(kinds: list[Any], value: Any, where: str, name: str) -> Any:
    """Return the dataclass whose `family` an object names; the first if it names none."""
    family = value.get("family") if isinstance(value, dict) else None
    if family is None:
        return kinds[0]
    for kind in kinds:
        if getattr(kind, "family", None) == family:
            return kind
    what = shown(_inside(name, "family"))
    raise RequestError(f"{where} has the field {what} of {shown(family)}, which this version of reelm does not know")


def _named_tuple(kind: Any, value: Any, where: str, name: str) -> Any:
    if not isinstance(value, list) or len(value) != len(kind._fields):
        raise _wrong(where, name, value, f"a list of {', '.join(kind._fields)}")
    pairs, hints = zip(kind._fields, value, strict=True), _hints(kind)
    found = [_read(hints[key], each, where, f"{name}[{i}]") for i, (key, each) in enumerate(pairs)]
    return _made(lambda: kind(*found), where, name)


def _made(make: Any, where: str, name: str) -> Any:
    """Return what `make` returns; RequestError if checked fields do not fit together."""
    try:
        return make()
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:  # RequestError is a ValueError
        raise RequestError(f"{where} holds {name or 'values'} that cannot be used: {error}") from error


_hints = functools.cache(get_type_hints)


def _inside(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _wrong(where: str, name: str, value: Any, wanted: str) -> RequestError:
    what = f"its field '{name}' is" if name else "it is"
    return RequestError(f"{where} is damaged: {what} {shown(value)}; it must be {wanted}")
