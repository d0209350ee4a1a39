"""The keyword arguments of `Model.generate` and `Model.stream`: the fields of `Sources` and `Options`.

In: keyword arguments. Out: the two dataclasses. Signature and docstring of both methods are made from them.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from reelm.guesses import wrong_name
from reelm.sampling.conditions.sources import SourceFields, Sources

from .options import OptionFields, Options

_Method = TypeVar("_Method", bound=Callable[..., Any])
_FIELDS = {field.name: field for kind in (Sources, Options) for field in fields(kind)}


class Arguments(SourceFields, OptionFields, total=False):
    """All keyword arguments with their types, for editors and type checkers."""


def read_arguments(arguments: Mapping[str, Any]) -> tuple[Sources, Options]:
    """Return keyword arguments as the two dataclasses.

    Raises:
        TypeError: an unknown argument; the message names the right one.
        RequestError: a value out of its range.
    """
    for name in arguments:
        if name == "callback":  # `generate` takes it as its own argument
            raise TypeError("stream() has no argument 'callback'; it yields every latent frame as it comes")
        if name not in _FIELDS:
            hint = wrong_name(name, _FIELDS, f"it has {', '.join(_FIELDS)}")
            raise TypeError(f"generate() has no argument {name!r}; {hint}")
    names = {field.name for field in fields(Sources)}
    sources = {name: value for name, value in arguments.items() if name in names}
    return Sources(**sources), Options(**{name: value for name, value in arguments.items() if name not in names})


def spelled_out(method: _Method) -> _Method:
    """Write the fields into the signature and the docstring of a method that takes them as `**arguments`."""
    signature = inspect.signature(method)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for name, field in _FIELDS.items()
    ]
    method.__signature__ = signature.replace(parameters=own + more)  # type: ignore[attr-defined]
    lines = []
    for line in inspect.cleandoc(method.__doc__ or "").splitlines():
        lines += [*_attributes(Sources), *_attributes(Options)] if line.startswith("    arguments: ") else [line]
    method.__doc__ = "\n".join(lines)
    return method


def _attributes(kind: type) -> list[str]:
    """Return the lines of the section `Attributes` in a docstring."""
    text = inspect.getdoc(kind) or ""
    return text.partition("Attributes:\n")[2].partition("\n\n")[0].splitlines()
