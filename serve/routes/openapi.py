"""The description of the routes in OpenAPI 3.1, made from the list of options."""

import types
from dataclasses import fields
from importlib.metadata import version
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reelm.sampling.options import Options

from .body import FILES

_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
_JOB = {
    "id": "string",
    "object": "string",
    "model": "string",
    "status": "string",
    "progress": "integer",
    "created_at": "integer",
    "completed_at": ["integer", "null"],
    "seconds": "string",
    "size": "string",
    "prompt": "string",
    "seed": "integer",
    "error": ["object", "null"],
    "warnings": "array",
}

# method, path, what it does, what it answers with
ROUTES = (
    ("post", "/v1/videos", "Ask for a clip", "The job, which waits in the queue"),
    ("post", "/v1/videos/sync", "Ask for a clip and wait for it", "The clip, as mp4; 202 once Prefer: wait=N is over"),
    ("get", "/v1/videos", "List jobs", "A page of jobs, newest first"),
    ("get", "/v1/videos/{id}", "Look at a job", "The job"),
    ("delete", "/v1/videos/{id}", "Delete a job and its files", "What was deleted"),
    ("post", "/v1/videos/{id}/cancel", "Stop a job", "The job"),
    ("get", "/v1/videos/{id}/content", "Fetch the clip", "The file; 409 while it is not done"),
    ("get", "/v1/videos/{id}/stream", "Watch the clip while it is made", "A fragmented mp4"),
    ("get", "/v1/videos/{id}/hls/index.m3u8", "Watch the clip while it is made, in a player of HLS", "A playlist"),
    ("get", "/v1/videos/{id}/hls/stream.mp4", "Fetch bytes that the playlist names", "A fragmented mp4"),
    ("get", "/v1/videos/{id}/events", "Hear of progress", "Server-sent events: status, preview"),
    ("post", "/v1/videos/{id}/feedback", "Say whether a clip is good", "What was kept"),
    ("get", "/v1/models", "List models", "The models and what each can do"),
    ("get", "/healthz", "Ask whether the server lives", "ok"),
    ("get", "/readyz", "Ask whether jobs are taken", "ok"),
    ("get", "/metrics", "Read the figures of the server", "Prometheus text"),
    ("get", "/openapi.json", "Read this description", "OpenAPI 3.1"),
)


def description() -> dict[str, Any]:
    """Return the whole description, as JSON values."""
    paths: dict[str, Any] = {}
    for method, path, does, answers in ROUTES:
        route: dict[str, Any] = {
            "summary": does,
            "responses": {"202" if path == "/v1/videos" and method == "post" else "200": {"description": answers}},
        }
        route["responses"]["default"] = {"description": "An error", "content": _content("Error")}
        parameters = [_parameter("id", "path")] if "{id}" in path else []
        if path == "/v1/videos" and method == "get":
            parameters = [_parameter(name, "query") for name in ("after", "limit", "order", "status")]
        if path.endswith("/content"):
            parameters.append(_parameter("format", "query"))
        if parameters:
            route["parameters"] = parameters
        if path in ("/v1/videos", "/v1/videos/sync") and method == "post":
            kinds = ("application/json", "multipart/form-data")
            route["requestBody"] = {"content": {kind: {"schema": _reference("Request")} for kind in kinds}}
        if path.endswith("/feedback"):
            route["requestBody"] = {"content": _content("Feedback")}
        paths.setdefault(path, {})[method] = route
    return {
        "openapi": "3.1.0",
        "info": {"title": "reelm", "version": version("reelm")},
        "servers": [{"url": "."}],  # where this description lies, whatever prefix a proxy puts before it
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    hints = get_type_hints(Options)
    options = {field.name: _schema(hints[field.name]) for field in fields(Options) if field.name != "num_samples"}
    words = {name: {"type": "string"} for name in ("model", "prompt", "seconds", "size")}
    files = {name: {"type": "string", "format": "binary"} for name in FILES}
    error = {"code": {"type": "string"}, "message": {"type": "string"}}
    rating = {"rating": {"enum": [1, -1]}, "over": {"type": "string"}, "note": {"type": "string"}}
    return {
        "Request": _object(words | options | files),
        "Video": _object({name: {"type": kind} for name, kind in _JOB.items()}),
        "Feedback": _object(rating),
        "Error": _object({"error": _object(error)}),
    }


def _schema(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_schema(each) for each in get_args(hint) if each is not type(None)]}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    return {"type": "array", "items": _schema(get_args(hint)[0])}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _parameter(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(name)}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
