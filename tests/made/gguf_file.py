"""GGUF files of given facts and tensors, right or wrong."""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

TYPES = {"F32": 0, "F16": 1, "Q4_1": 3, "Q5_0": 6, "Q8_0": 8, "Q4_K": 12, "Q6_K": 14, "BF16": 30}
_ALIGNMENT = 32


class Tensor(NamedTuple):
    """A tensor as it is written: its entry but for the offset, and its bytes."""

    entry: bytes
    data: bytes


def gguf(facts_by_name: dict[str, Any], tensors: dict[str, np.ndarray], raw: Sequence[Tensor] = (), *,
         facts: Sequence[bytes] = ()) -> bytes:  # fmt: skip
    """Return the bytes of a file with float32 tensors, and with `raw` ones and `facts` as they are."""
    listed = [*(fact(name, *_typed(value)) for name, value in facts_by_name.items()), *facts]
    all_tensors = [tensor(name, 0, each.shape, each.astype("<f4").tobytes()) for name, each in tensors.items()]
    all_tensors += raw
    entries, data = b"", b""
    for each in all_tensors:
        entries += each.entry + struct.pack("<Q", len(data))
        data += each.data + bytes(-len(each.data) % _ALIGNMENT)
    data = data[: len(data) - (-len(all_tensors[-1].data) % _ALIGNMENT)] if all_tensors else data
    head = b"GGUF" + struct.pack("<IQQ", 3, len(all_tensors), len(listed)) + b"".join(listed) + entries
    return head + bytes(-len(head) % _ALIGNMENT) + data


def tensor(name: str, kind: int, shape: tuple[int, ...], data: bytes) -> Tensor:
    """Return a tensor of a type by its number."""
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
    return Tensor(_text(name) + axes + struct.pack("<I", kind), data)


def fact(name: str, kind: int, value: bytes) -> bytes:
    """Return a fact of a type by its number."""
    return _text(name) + struct.pack("<I", kind) + value


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, list):
        kind = _typed(value[0])[0]
        return 9, struct.pack("<IQ", kind, len(value)) + b"".join(_typed(each)[1] for each in value)
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    return (6, struct.pack("<f", value)) if isinstance(value, float) else (8, _text(value))
