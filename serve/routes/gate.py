"""The gate: middleware that checks every request, socket and page before it reaches the routes.

A page of another site must not control a server on this machine. So the host name of a request is checked, because any
name may point to this machine, and so is the origin that a browser sends.
"""

from collections.abc import Sequence
from functools import partial
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelm.serve.access import Busy, Keys, Shares, host_of

from .answers import refusal

COOKIE = "reelm-key"  # holds the key of a page

_AT_ONCE = 64  # requests of a key, streams among them: the server has 512 connections for all
_OPEN = ("/healthz", "/readyz", "/openapi.json")
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'; "
        b"base-uri 'none'; form-action 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """Refuses foreign hosts and origins, and requests without a key where there are keys.

    Args:
        app: the application behind the gate.
        keys: of clients; None if none is needed.
        hosts: host names that clients may use; None for any.
        origins: other sites whose pages may send requests.
    """

    def __init__(self, app: ASGIApp, keys: Keys | None, hosts: frozenset[str] | None, origins: Sequence[str] = ()):
        self._app, self._keys, self._hosts, self._origins = app, keys, hosts, frozenset(origins)
        self._answers = Shares("answers under way", _AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy may read another request behind the body than this server does (RFC 9112, 6.1).
            await self._refuse(scope, receive, send, 400, "two_lengths", "give the length of a body in one way")
            return
        if self._hosts is not None and host_of(host).lower() not in self._hosts:
            await self._refuse(scope, receive, send, 421, "wrong_host", f"this server is not called {host_of(host)!r}")
            return
        if origin is not None and origin not in self._origins and _place(origin) != host.lower():
            await self._refuse(scope, receive, send, 403, "wrong_origin", "pages of other sites may not ask here")
            return
        owner, keys, key = "", self._keys, _key(scope, headers)
        if keys is not None and not _is_open(scope):
            if (found := keys.owner(key)) is None:
                await self._refuse(scope, receive, send, 401, "no_key", "send a key: Authorization: Bearer KEY")
                return
            owner = found
        is_valid = partial(_is_valid, keys, key, owner)  # long answers look again
        scope.setdefault("state", {}).update(owner=owner, key=key, is_valid=is_valid)
        # A picture or film element of a page sends no Origin, only its Referer.
        site = origin if origin is not None else _site(headers.get("referer", ""))
        try:
            with self._answers.one(owner):
                await self._app(scope, receive, _guarded(send, shared=site in self._origins))
        except Busy as error:
            await self._refuse(scope, receive, send, 429, "too_many", str(error))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, code: str, message: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": message})
            return
        headers = {401: {"WWW-Authenticate": "Bearer"}, 400: {"Connection": "close"}}.get(status)
        await refusal(status, code, message, headers)(scope, receive, _guarded(send, shared=False))


def _is_valid(keys: Keys | None, key: str, owner: str) -> bool:
    """Return whether a key still belongs to its owner; True where no key is needed."""
    return keys is None or not owner or keys.owner(key) == owner


def _site(referer: str) -> str:
    """Return the origin of a page's address; "" if it has none."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _place(origin: str) -> str:
    """Return the host and port of an origin; "" if it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as an unclosed bracket
        return ""


def _guarded(send: Send, *, shared: bool) -> Send:
    """Return a `send` with headers that make browsers load nothing from other sites, and frame the page nowhere.

    shared: whether a page of another site may show the answer.
    """
    policy = b"cross-origin" if shared else b"same-origin"

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS, (b"cross-origin-resource-policy", policy)]
        await send(message)

    return guarded


def _is_open(scope: Scope) -> bool:
    """Return whether a route needs no key: health checks, and the page, which asks the user for one."""
    path = scope["path"]
    return path in _OPEN or not (path.startswith("/v1/") or path == "/metrics")


def _key(scope: Scope, headers: Headers) -> str:
    """Return the key of a request. A browser's socket and video element send no headers, so a cookie may hold it."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return unquote(value)
    return ""
