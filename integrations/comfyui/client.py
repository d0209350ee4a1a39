"""A client of `reelm serve`: asks for a clip, waits for it and fetches it. Needs only the standard library."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

LOCAL = "http://127.0.0.1:8000"

_ANSWER_SECONDS = 60.0  # for one answer of the server, not for a clip
_AWAY_SECONDS = 60.0  # for a restart of the server: jobs outlive it
_LOOK_SECONDS = 0.3  # between looks at a job


class Refused(Exception):
    """A clip that cannot be made; the message is one sentence for the user."""


class Client:
    """A client of one server.

    Without `server`, the address is REELM_SERVER and the key is REELM_KEY, both of the environment. That key is sent
    only to that server: not to another `server`, and redirects are not followed.

    Args:
        server: address, such as http://127.0.0.1:8000.
        key: for a server that asks for one.

    Raises:
        Refused: an address or a key of another form.
    """

    def __init__(self, server: str = "", key: str = ""):
        if not server:
            server, key = os.environ.get("REELM_SERVER") or LOCAL, key or os.environ.get("REELM_KEY", "")
        self.server, self._key = server.strip().rstrip("/"), key.strip()
        try:
            parts = urlsplit(self.server)
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            parts, self._host = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not self._host or parts.query or parts.username:
            raise Refused(f"the address of the server is {server!r}; it must be like {LOCAL}")
        if not (self._key.isascii() and self._key.isprintable()):
            raise Refused("the key must be one line of ASCII letters")
        self._secure, self._path = parts.scheme == "https", parts.path

    def models(self) -> list[dict[str, Any]]:
        """Return the models of the server and what each can do."""
        return self._json("GET", "/v1/models")["data"]

    def make(
        self, settings: Mapping[str, Any], files: Mapping[str, bytes], follow: Callable[[int], None]
    ) -> tuple[dict[str, Any], bytes]:
        """Make a clip.

        Args:
            settings: `model`, `prompt`, `seed`, `num_frames` and the other names of `generate`.
            files: pictures, clips and sound by name: `image`, `last_image`, `video`, `mask`, `audio`.
            follow: called repeatedly with the progress in percent. An exception that it raises stops the clip.

        Returns:
            The job, as JSON values, and the mp4.

        Raises:
            Refused: the server refuses, fails or does not answer.
        """
        body, kind = _form(settings, files) if files else (json.dumps(dict(settings)).encode(), "application/json")
        job = self._json("POST", "/v1/videos", body, kind)
        path = f"/v1/videos/{job['id']}"
        try:
            while job["status"] in ("queued", "in_progress"):
                follow(job["progress"])
                time.sleep(_LOOK_SECONDS)
                job = self._patiently(path)
        except BaseException:
            self._cancel(path)
            raise
        if job["status"] != "completed":
            raise Refused((job.get("error") or {}).get("message") or "the server made no clip")
        follow(100)
        return job, self._ask("GET", f"{path}/content")

    def _patiently(self, path: str) -> dict[str, Any]:
        until = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                return self._json("GET", path)
            except _Away:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)

    def _cancel(self, path: str) -> None:
        try:
            self._ask("POST", f"{path}/cancel")
        except Refused:
            pass  # the job is deleted, or the server does not answer

    def _json(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        return _read(self._ask(method, path, body, kind), self.server)

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        if kind:
            headers["Content-Type"] = kind
        opened = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = opened(self._host or "", self._port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, self._path + path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            hint = "; start one with `reelm serve`" if isinstance(error, ConnectionRefusedError) else ""
            raise _Away(f"no server answers at {self.server} ({error}){hint}") from error
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            return content
        message = _read(content, self.server).get("error", {}).get("message", f"status {answer.status}")
        raise (_Away if answer.status in (502, 503, 504) else Refused)(message)


class _Away(Refused):
    """A server that does not answer, perhaps only for a moment."""


def _read(content: bytes, server: str) -> Any:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise Refused(f"the server at {server} is not `reelm serve`") from error
    if not isinstance(found, dict):
        raise Refused(f"the server at {server} is not `reelm serve`")
    return found


def _form(settings: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a multipart form and its content type."""
    edge, parts = secrets.token_hex(16), []
    for name, value in settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    for name, content in files.items():
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"
