"""Start a server from its arguments. SIGTERM shuts it down in order."""

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from reelm.errors import RequestError
from reelm.sampling.model import Model

from .access import LOCAL, Keys, Limits
from .engine import WarmUp
from .routes.app import Server

_HEAD_SECONDS, _REST_SECONDS, _CONNECTIONS = 20.0, 2.0, 512
_MESSAGE_BYTES = 1 << 16  # of a socket
_SWITCH_SECONDS = 0.0005  # after which a thread gives the interpreter to others: tracing must not delay answers
_HANG_UP_SECONDS, _LAST_SECONDS = 1.0, 2  # for answers under way

_log = logging.getLogger("reelm.serve")


def serve(
    models: Mapping[str, Model],
    tell: Callable[[str], object],
    *,
    host: str,
    port: int,
    home: Path,
    keys: Path | None,
    queue: int,
    rows: int,
    warm_up: WarmUp,
    limits: Limits,
    origins: Sequence[str],
    log_prompts: bool,
    watts_per_core: float,
    price_per_kwh: float | None,
    keep_days: float | None,
) -> None:
    """Serve until the process is told to end; `tell` is called with the address once clients can connect.

    Raises:
        RequestError: an address that is taken or that only a server with keys may have, or keys that cannot be read.
    """
    if host not in LOCAL and keys is None:
        raise RequestError(f"{host} can be reached from other machines: give --keys FILE, with a name and a key a line")
    for name, model in models.items():
        if model.lm is None:
            raise RequestError(f"the model {name!r} is a tokenizer without a language model; it makes no clips")
    known = None if keys is None else Keys(keys)
    listening = _listen(host, port)
    hosts = frozenset(LOCAL) if host in LOCAL else None
    server = Server(
        models=models,
        home=home,
        queue=queue,
        rows=rows,
        warm_up=warm_up,
        keys=known,
        limits=limits,
        hosts=hosts,
        origins=origins,
        watts_per_core=watts_per_core,
        price_per_kwh=price_per_kwh,
        keep_days=keep_days,
    )
    _log_as_json(log_prompts)
    sys.setswitchinterval(_SWITCH_SECONDS)
    address, number = listening.getsockname()[:2]
    tell(f"http://{f'[{address}]' if ':' in address else address}:{number}")
    Leaving(config_of(server.app())).run([listening])


def config_of(app: Starlette) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app,
        port=0,
        http=Impatient,
        ws_max_size=_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a few bytes could become many
        limit_concurrency=_CONNECTIONS,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # from now on a client that is told the address can connect
    except (OSError, OverflowError) as error:
        listening.close()
        raise RequestError(f"cannot listen at {host}:{port}: {error}") from error
    return listening


class Leaving(uvicorn.Server):
    """A server that, when it ends, first ends the answers that wait for jobs, because they would delay it.

    A client that still holds a connection after that, such as a paused player, is cut off.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert isinstance(self.config.app, Starlette)
        self.config.app.state.hang_up()
        cut = asyncio.get_running_loop().call_later(_HANG_UP_SECONDS, self._cut_off)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


class Impatient(H11Protocol):
    """HTTP that closes connections whose clients let it wait, so that they cannot pile up.

    Those are connections on which no complete request head arrives in time, or not the rest of a request that has its
    answer already, such as a refusal.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEAD_SECONDS, self._look, self.cycle)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(_REST_SECONDS, self._hang_up, self.cycle)

    def _hang_up(self, answered: object) -> None:
        if self.cycle is answered and self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in event.headers)
        if event.method == b"GET" and not has_body:
            super().handle_websocket_upgrade(event)
        else:  # the WebSocket's own parser would leave it without an answer
            self.send_400_response("a WebSocket is opened by GET, without a body")

    def _look(self, before: object) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # a WebSocket by now
            return
        if self.conn.their_state is h11.IDLE and self.cycle is before:
            self.transport.close()
        else:
            self.loop.call_later(_HEAD_SECONDS, self._look, self.cycle)


class _AsJson(logging.Formatter):
    """Formats a log record as one JSON object a line: time, level, event, subject, error. Prompts only if wanted."""

    def __init__(self, prompts: bool):
        super().__init__()
        self._prompts = prompts

    def format(self, record: logging.LogRecord) -> str:
        about: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        about |= getattr(record, "about", {})
        if not self._prompts:
            about.pop("prompt", None)
        if record.exc_info:
            about["error"] = self.formatException(record.exc_info)
        return json.dumps(about)


def _log_as_json(prompts: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson(prompts))
    for name in ("reelm", "uvicorn", "opentelemetry"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
