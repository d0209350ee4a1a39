"""An MCP server on standard input and output that makes clips with `reelm serve`.

One JSON-RPC message a line. Each call of a tool has a thread, so that pings and cancellations are answered meanwhile.
Needs only the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# ComfyUI's node is copied as a folder, so the client that both use is in that folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "comfyui"))
from client import Client, Refused  # noqa: E402

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")  # of the protocol, newest first

_PARSE, _REQUEST, _METHOD, _PARAMS = -32700, -32600, -32601, -32602
_FILES = ("image",)
_MOST_BYTES = 64 << 20  # of a file
_TYPES = {"string": str, "integer": int}
_TOOLS: list[dict[str, Any]] = [
    {
        "name": "make_video",
        "description": "Make a short video clip from words and save it as an mp4 file. The same seed gives the same "
        "clip. Returns the path of the file. Each model knows few subjects: ask list_models first.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "prompt": {"type": "string", "description": "What the clip shows, in plain words."},
                "model": {"type": "string", "description": "Name of a model. Default: the server's first."},
                "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "Default: 0."},
                "num_frames": {"type": "integer", "minimum": 1, "description": "Default: the model's usual length."},
                "image": {"type": "string", "description": "Path of a picture that becomes the first frame."},
            },
            "required": ["prompt"],
            "additionalProperties": False,
        },
        "annotations": {"title": "Make a video", "destructiveHint": False, "idempotentHint": True},
    },
    {
        "name": "list_models",
        "description": "List the video models: sizes, lengths, frame rates, tasks, and whether they make sound.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "annotations": {"title": "List video models", "readOnlyHint": True},
    },
]


class _Fault(Exception):
    """A message that breaks the protocol; its arguments are a code of JSON-RPC and a sentence."""


class _Stopped(Exception):
    """A call that its client cancelled."""


class Session:
    """The session of this process with its client.

    Args:
        client: of the server that makes the clips.
        folder: where clips are written.
        pictures: folders whose files may be sent to the server, besides `folder`.
        send: takes one message to the client.
    """

    def __init__(self, client: Client, folder: Path, pictures: list[Path], send: Callable[[dict[str, Any]], None]):
        self._client, self._folder, self._send = client, folder, send
        self._roots = [each.expanduser().resolve() for each in (folder, *pictures)]
        self._calls: dict[Any, tuple[threading.Thread, threading.Event]] = {}  # under way, by the id of their request

    def handle(self, line: bytes) -> None:
        """Handle one line of the client, JSON in UTF-8 whatever the locale says."""
        number = None
        try:
            try:
                message = json.loads(line.decode())
            except (ValueError, RecursionError) as error:
                raise _Fault(_PARSE, f"the line is not JSON: {error}") from error
            if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
                raise _Fault(_REQUEST, "a message is one object of JSON-RPC 2.0")
            number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
            if method is None:  # an answer, although no request was sent
                return
            if not isinstance(method, str) or not isinstance(params, dict) or not isinstance(number, str | int | None):
                raise _Fault(_REQUEST, "method must be text, params an object, id text or a whole number")
            if number is not None:
                self._answer(number, method, params)
            elif method == "notifications/cancelled":
                self._cancel(params.get("requestId"))
        except _Fault as fault:
            code, text = fault.args
            self._send({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}})

    def close(self) -> None:
        """Stop the calls that are under way, and wait until the server has been told."""
        calls = list(self._calls.values())
        for _, stopped in calls:
            stopped.set()
        for thread, _ in calls:
            thread.join(10)

    def _cancel(self, number: Any) -> None:
        for each, (_, stopped) in list(self._calls.items()):
            if each == number:
                stopped.set()

    def _answer(self, number: str | int, method: str, params: dict[str, Any]) -> None:
        if method == "initialize":
            asked = params.get("protocolVersion")
            result = {
                "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "reelm", "version": "0.1.0"},
            }
        elif method == "ping":
            result = {}
        elif method == "tools/list":
            result = {"tools": _TOOLS}
        elif method == "tools/call":
            self._call(number, params)
            return
        else:
            raise _Fault(_METHOD, f"there is no method {method!r}")
        self._send({"jsonrpc": "2.0", "id": number, "result": result})

    def _call(self, number: str | int, params: dict[str, Any]) -> None:
        tool = next((each for each in _TOOLS if each["name"] == params.get("name")), None)
        arguments, token = params.get("arguments") or {}, (params.get("_meta") or {}).get("progressToken")
        if tool is None:
            raise _Fault(_PARAMS, f"there is no tool {params.get('name')!r}")
        if not isinstance(arguments, dict):
            raise _Fault(_PARAMS, "arguments must be an object")
        if number in self._calls:
            raise _Fault(_REQUEST, f"a call with the id {number!r} is under way")
        stopped, sent = threading.Event(), [-1]

        def follow(percent: int) -> None:
            if stopped.is_set():
                raise _Stopped
            if token is not None and percent > sent[0]:
                about = {"progressToken": token, "progress": percent, "total": 100}
                self._send({"jsonrpc": "2.0", "method": "notifications/progress", "params": about})
                sent[0] = percent

        def work() -> None:
            try:
                result = self._run(tool, arguments, follow)
            except _Stopped:
                return  # a cancelled call gets no answer
            except Exception as error:
                text = str(error) if isinstance(error, Refused | OSError) else f"{type(error).__name__}: {error}"
                result = {"content": [{"type": "text", "text": text}], "isError": True}
            finally:
                self._calls.pop(number, None)
            self._send({"jsonrpc": "2.0", "id": number, "result": result})

        thread = threading.Thread(target=work, daemon=True)
        self._calls[number] = thread, stopped
        thread.start()

    def _run(self, tool: dict[str, Any], arguments: dict[str, Any], follow: Callable[[int], None]) -> dict[str, Any]:
        schema = tool["inputSchema"]
        known = schema["properties"]
        if unknown := arguments.keys() - known.keys():
            raise Refused(f"there is no argument {min(unknown)!r}; there are {', '.join(known) or 'none'}")
        if missing := [name for name in schema.get("required", []) if name not in arguments]:
            raise Refused(f"the argument {missing[0]!r} is missing")
        for name, value in arguments.items():
            kind = known[name]["type"]
            if not isinstance(value, _TYPES[kind]):
                raise Refused(f"{name} is {value!r}; it must be {kind}")
        made = {"models": self._client.models()} if tool["name"] == "list_models" else self._made(arguments, follow)
        return {"content": [{"type": "text", "text": json.dumps(made)}], "structuredContent": made, "isError": False}

    def _made(self, arguments: dict[str, Any], follow: Callable[[int], None]) -> dict[str, Any]:
        files = {name: self._given(arguments[name]) for name in _FILES if name in arguments}
        settings = {"seed": 0, **{name: value for name, value in arguments.items() if name not in _FILES}}
        job, content = self._client.make(settings, files, follow)
        if not re.fullmatch(r"\w+", job["id"]):
            raise Refused("the server is not `reelm serve`")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{job['id']}.mp4"
        path.write_bytes(content)
        return {"path": str(path), **{name: job[name] for name in ("prompt", "seed", "model", "seconds", "size")}}

    def _given(self, name: str) -> bytes:
        """Return the bytes of a file. Whoever steers the client could name any file, so folders are listed."""
        path = Path(name).expanduser().resolve()
        if not any(path.is_relative_to(root) for root in self._roots):
            listed = ", ".join(map(str, self._roots))
            raise Refused(f"{name} lies outside of {listed}; name its folder by --pictures when you start the server")
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(f"{name} is not a regular file")
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise Refused(f"{name} is larger than {_MOST_BYTES >> 20} MiB")
        return content


def main() -> None:
    """Answer until standard input ends."""
    parser = argparse.ArgumentParser(description="An MCP server that makes clips with `reelm serve`.")
    parser.add_argument("--server", default="", help="address of `reelm serve`; default: REELM_SERVER, or this machine")
    parser.add_argument("--folder", type=Path, default=Path.home() / "reelm", help="where clips are written")
    about = "folder of pictures that may be sent to the server, besides --folder; may be given several times"
    parser.add_argument("--pictures", type=Path, action="append", default=[], help=about)
    options = parser.parse_args()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(message), flush=True)

    try:
        client = Client(options.server, os.environ.get("REELM_KEY", ""))
    except Refused as error:
        parser.exit(2, f"{error}\n")
    session = Session(client, options.folder.expanduser().resolve(), options.pictures, send)
    for line in sys.stdin.buffer:
        if line.strip():
            session.handle(line)
    session.close()


if __name__ == "__main__":
    main()
