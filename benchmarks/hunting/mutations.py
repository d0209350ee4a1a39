"""Changes of JSON, npz and safetensors that keep their structure, so that they come as far as whatever reads them.

In: a value or bytes that are right. Out: what a careless program, another version or a stranger might write.
"""

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .media import flipped, truncated

_WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 300, 2**31, 2**63, 2**64, -(2**63), 10**400),
    *(0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "\ud800", "\x1b[31m\n", "\0", "../../x", "/etc/hostname", "٣", "a" * 5000),
    *([], {}, [[]], [None], ["a", 1], {"": {}}, {"x": None}),
)


def mutated_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one to three changes somewhere in it."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(_places(value))
        if not places:
            return rng.choice(_WRONG)
        holder, key = rng.choice(places)
        _CHANGES[rng.choice(list(_CHANGES))](holder, key, rng)
    return value


def _places(value: Any):
    """Yield every (container, key) in a value."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(keys):
        yield value, key
        yield from _places(inner)


def _replace(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = copy.deepcopy(rng.choice(_WRONG))


def _drop(holder: Any, key: Any, rng: random.Random) -> None:
    del holder[key]


def _add(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder, dict):
        holder[rng.choice(["new", "", "x" * 300, "\x1b", "format", "../x"])] = rng.choice(_WRONG)
    else:
        holder.insert(key, copy.deepcopy(holder[key]))


def _rename(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder, dict):
        holder[rng.choice([key.upper(), f"{key}_", "", "../" + key])] = holder.pop(key)
    else:
        holder.reverse()


def _wrap(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = rng.choice([[holder[key]], {"x": holder[key]}, str(holder[key])])


def _nudge(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder[key], int | float):
        holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, -holder[key], holder[key] * 10**6, 0, 0.5])
    elif isinstance(holder[key], str):
        holder[key] = rng.choice([holder[key] + "x", holder[key][:-1], holder[key].upper(), holder[key] * 1000])
    else:
        _replace(holder, key, rng)


_CHANGES: Mapping[str, Callable[[Any, Any, random.Random], None]] = {
    "replace": _replace,
    "drop": _drop,
    "add": _add,
    "rename": _rename,
    "wrap": _wrap,
    "nudge": _nudge,
}


def json_bytes(value: Any, rng: random.Random) -> bytes:
    """Return a mutated JSON value as the bytes of a file; now and then the bytes are what is wrong."""
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice([truncated, flipped])(json.dumps(value).encode(), rng)
    if kind == 1:
        deep = rng.choice([b"[", b'{"a":']) * rng.choice([60, 70, 1_000, 100_000])
        return rng.choice([deep, b'{"format": ' + deep, deep + b"1" + b"]" * deep.count(b"[")])
    if kind == 2:
        return rng.choice(
            [b"", b"null", b"\xff\xfe", b"\0", b"1" * 5000, b"\xef\xbb\xbf{}", b"[" + b"1," * 10_000 + b"1]"]
        )
    return json.dumps(mutated_json(value, rng)).encode()


def mutated_npz(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes of an .npz file with other values, types, shapes or names, or of a broken archive."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice([truncated, flipped])(data, rng)
    with np.load(io.BytesIO(data)) as held:
        arrays: dict[str, np.ndarray] = dict(held)
    if kind == 1:
        return _lying_npz(arrays, rng)
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        choice = rng.randrange(6)
        if choice == 0:
            del arrays[name]
        elif choice == 1 and array.dtype.kind in "iuf":
            kind = rng.choice(["f4", "f8", "i8", "u1", "U9", "S3", "?", "c8", "i4"])
            arrays[name] = array.astype(kind, casting="unsafe")
        elif choice == 1:
            arrays[name] = np.array(rng.choice(["", "x", "\x1b[31m", "a" * 5000, "../../x", "/dev/zero"]))
        elif choice == 2:
            flat = array.reshape(-1)
            arrays[name] = rng.choice([array[None], flat, flat[:0], flat[:1], array.T])
        elif choice == 3 and array.dtype.kind in "if":
            arrays[name] = array * np.asarray(rng.choice([0, -1, 2, 1000, 2**31, 1e12, np.nan, np.inf]))
        elif choice == 4 and array.dtype.kind in "if":
            arrays[name] = np.full_like(array, rng.choice([0, 1, -1, 7, 2**31 - 1, -(2**31)]))
        else:
            arrays[rng.choice(["x", "audio", "mask", "../x"])] = array
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=True, **arrays)
    return out.getvalue()


def _lying_npz(arrays: dict[str, np.ndarray], rng: random.Random) -> bytes:
    """Return an archive one of whose headers tells of numbers that are not there, or that would fill the memory."""
    lies = rng.choice(sorted(arrays))
    shape = rng.choice([(2**40,), (2**62, 4), (-1,), (10**6, 10**6), (2**31,), (0,), (1,) * 60])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            content = member.getvalue()
            if name == lies:
                kind = rng.choice(["<i4", "<f8", "<U4", "|O", "<U100000000"])
                header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
                content = (
                    b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + rng.choice([b"", bytes(3 * 10**6)])
                )
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def mutated_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes of a safetensors file with another header, other numbers or other tensors."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice([truncated, flipped])(data, rng)
    (length,) = struct.unpack("<Q", data[:8])
    header, numbers = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    if kind == 1 and numbers:
        at = rng.randrange(0, len(numbers), 4)
        numbers[at : at + 4] = struct.pack("<f", rng.choice([float("nan"), float("inf"), 1e38, -1e38]))
    elif kind == 2:  # a tensor loses its last axis, or its name
        name = rng.choice(sorted(header))
        about = header.pop(name)
        header[rng.choice([name + "x", name.replace("/", "//"), name + "/x", "", name.upper()])] = about
    else:
        header = mutated_json(header, rng)
    text = json.dumps(header).encode()
    length = rng.choice([len(text)] * 6 + [0, 2**63, len(text) + 1])
    return struct.pack("<Q", length) + text + bytes(numbers)
