"""The description of the routes in OpenAPI 3.1, made from the table of routes and the list of options."""

import re
import types
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import version
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from starlette.requests import Request
from starlette.responses import Response

from reelm.sampling.conditions.pictures import Picture
from reelm.sampling.conditions.sources import STRUCTURED, Sources
from reelm.sampling.options import FILES, Options
from reelm.serve.job import Video

_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
_NAMES = {**_TYPES, list: "array", dict: "object", types.NoneType: "null"}


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Described:
    """A route, with its description.

    Attributes:
        method: "GET", "POST" or "DELETE".
        path: of the route; `{id}` is the id of a job, `{field}` the field of one of its files, `{name}` a model.
        endpoint: answers a request.
        does: what it is for.
        answers: what it answers with.
        status: of a successful answer.
        query: parameters after the question mark.
        body: name of the schema of the request's body; "" without one.
        kinds: media types of the body.
    """

    method: str
    path: str
    endpoint: Endpoint
    does: str
    answers: str
    status: int = 200
    query: Sequence[str] = ()
    body: str = ""
    kinds: Sequence[str] = ("application/json",)


def description(routes: Sequence[Described]) -> dict[str, Any]:
    """Return the whole description, as JSON values."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _route(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "reelm", "version": version("reelm")},
        "servers": [{"url": "."}],  # relative to this description, because a proxy may add a prefix
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _route(route: Described) -> dict[str, Any]:
    responses = {
        str(route.status): {"description": route.answers},
        "default": {"description": "An error", "content": _content("Error")},
    }
    found: dict[str, Any] = {"summary": route.does, "responses": responses}
    parameters = [_parameter(name, "path") for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_parameter(name, "query") for name in route.query]
    if parameters:
        found["parameters"] = parameters
    if route.body:
        found["requestBody"] = {"content": _content(route.body, route.kinds)}
    return found


def _schemas() -> dict[str, Any]:
    hints = get_type_hints(Options)
    options = {field.name: _schema(hints[field.name]) for field in fields(Options) if field.name != "num_samples"}
    words = {name: {"type": "string"} for name in ("model", "prompt", "seconds", "size")}
    options |= {name: _schema(get_type_hints(Sources)[name]) for name in STRUCTURED}
    file = {"type": "string", "format": "binary"}
    files = dict.fromkeys(FILES, file) | {"references": {"type": "array", "items": file}}
    error = {"code": {"type": "string"}, "message": {"type": "string"}}
    rating = {"rating": {"enum": [1, -1]}, "over": {"type": "string"}, "note": {"type": "string"}}
    return {
        "Request": _object(words | options | files),
        "Video": _object({name: {"type": _type(hint)} for name, hint in get_type_hints(Video).items()}),
        "Feedback": _object(rating),
        "Error": _object({"error": _object(error)}),
    }


def _schema(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if hint == Picture:  # JSON cannot hold pictures: they are uploaded as files
        return {}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_schema(each) for each in get_args(hint) if each is not type(None)]}
    if hint is Any:
        return {}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if is_dataclass(hint):
        return _object({name: _schema(each) for name, each in get_type_hints(hint).items()})
    if get_origin(hint) is tuple:
        return {"type": "array", "prefixItems": [_schema(each) for each in get_args(hint)]}
    return {"type": "array", "items": _schema(get_args(hint)[0])}


def _type(hint: Any) -> str | list[str]:
    """Return the name of a type, without the types that it contains."""
    kinds = get_args(hint) if get_origin(hint) is types.UnionType else [hint]
    names = [_NAMES[get_origin(each) or each] for each in kinds]
    return names[0] if len(names) == 1 else names


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _parameter(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _content(name: str, kinds: Sequence[str] = ("application/json",)) -> dict[str, Any]:
    return {kind: {"schema": _reference(name)} for kind in kinds}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
