"""The text of `--help`: the overview of the commands, and hints for options without a default."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated, NamedTuple

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from reelm.lm.mesh import MeshSpec


class Group(NamedTuple):
    """Commands that the overview shows together.

    Attributes:
        title: what they are for.
        commands: their names.
        example: a command line of one of them.
    """

    title: str
    commands: tuple[str, ...]
    example: str


def overview(groups: Mapping[Group, Sequence[type]]) -> str:
    """Return the text of `reelm --help`: every command in its group, with an example for each group.

    groups: the dataclasses of the commands of each.
    """
    width = max(len(name) for group in groups for name in group.commands)
    lines = ["usage: reelm COMMAND [OPTIONS]", "", "Video and sound from words, pictures, clips and sounds."]
    for (title, names, example), commands in groups.items():
        lines += ["", f"{title}:"]
        for name, command in zip(names, commands, strict=True):
            first = " ".join((inspect.getdoc(command) or "").split()).partition(". ")[0].rstrip(".")
            lines.append(f"  {name:{width}}  {first}.")
        lines.append(f"  {'':{width}}  Example: {example}")
    lines += ["", "`reelm COMMAND --help` explains a command. `reelm --version` prints the version."]
    lines += ["`--debug`, anywhere on the line, prints the traceback of an error."]
    return "\n".join(lines)


optional_fields = ConstructorRegistry()
_asking: ContextVar[bool] = ContextVar("asking", default=False)
# Rows of whole numbers, each a word such as 8,7,7: tyro would make an option of each row, and no way to add one.
_Rows = tuple[tuple[int, ...], ...]
_ROWS = PrimitiveConstructorSpec(
    nargs="*",
    metavar="[ROW [ROW ...]]",
    instance_from_str=lambda words: tuple(tuple(int(part) for part in word.split(",")) for word in words),
    is_instance=lambda value: isinstance(value, tuple),
    str_from_instance=lambda rows: [",".join(map(str, row)) for row in rows],
)
# One option for a mesh, as everywhere else: tyro would make one of each axis, and the others would keep their defaults.
_MESH = PrimitiveConstructorSpec(
    nargs=1,
    metavar="AXIS=N,...",
    instance_from_str=lambda words: MeshSpec.parse(words[0]),
    is_instance=lambda value: isinstance(value, MeshSpec),
    str_from_instance=lambda mesh: [str(mesh)],
)


@optional_fields.struct_rule
def _mark_optional(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Describe a dataclass as tyro does, but without `(default: None)`.

    An option without a default either says in its help what happens without it, after the word "Default", or is marked
    "(optional)".
    """
    if _asking.get():  # let tyro's own rules apply
        return None
    token = _asking.set(True)
    try:
        spec = ConstructorRegistry.get_struct_spec(info)
    finally:
        _asking.reset(token)
    if not isinstance(spec, StructConstructorSpec):
        return None
    return replace(spec, fields=tuple(_marked(field) for field in spec.fields))


def _marked(field: StructFieldSpec) -> StructFieldSpec:
    if field.type is MeshSpec:
        field = replace(field, type=Annotated[field.type, _MESH])  # type: ignore[arg-type]
    if field.type == _Rows:
        field = replace(field, type=Annotated[field.type, _ROWS])  # type: ignore[arg-type]
    if field.default is not None and field.default != ():
        return field
    hint = tyro.conf.arg(help_behavior_hint=_hint(field.helptext))
    return replace(field, type=Annotated[field.type, hint])  # type: ignore[arg-type]


def _hint(text: str | Callable[[], str | None] | None) -> Callable[[str], str]:
    """Return the hint as a function, so that docstrings are read only when help is printed."""

    def hint(default: str) -> str:
        help_text = text() if callable(text) else text
        return "" if "Default" in (help_text or "") else "(optional)"

    return hint
