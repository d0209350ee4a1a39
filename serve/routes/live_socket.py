"""The WebSocket of live clips and worlds: messages of a viewer or a player come in, pictures go out."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.serve.access import Busy, Limits, Shares
from reelm.serve.engine import Engine
from reelm.serve.live import Live

from .body import check_text, json_number

_MOST_WAITING = 512  # messages to a client
_LOOK_SECONDS = 5.0  # between looks whether the key of a socket is still valid
_Piece = bytes | dict[str, Any] | Exception  # an exception ends the connection


class Outbox:
    """The queue of messages to a client. Any thread may add one."""

    def __init__(self):
        self._loop, self._pieces = asyncio.get_running_loop(), asyncio.Queue[_Piece]()

    @property
    def waiting(self) -> int:
        """The number of messages that are still to be sent."""
        return self._pieces.qsize()

    def put(self, piece: _Piece) -> None:
        """Send a message, after those before."""
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def next(self) -> _Piece:
        """Wait for the next message, and return it."""
        return await self._pieces.get()


class Client(Protocol):
    """Handles the messages of one client."""

    def handle(self, found: Any) -> Future[Any] | None:
        """Do what a message asks for, or answer with an error. Return the end of it, if the engine does it."""

    def close(self) -> None:
        """End the client's clip or world."""


async def play(socket: WebSocket, connect: Callable[[Outbox], Client], sockets: Shares) -> None:
    """Pass messages between a socket and its client until it disconnects, or its key is not valid any more."""
    try:
        with sockets.one(socket.state.owner):
            await _play(socket, connect)
    except (Busy, RequestError) as error:
        await refuse(socket, str(error))


async def _play(socket: WebSocket, connect: Callable[[Outbox], Client]) -> None:
    outbox = Outbox()

    async def send() -> None:
        while True:
            piece = await outbox.next()
            if isinstance(piece, Exception):
                await refuse(socket, str(piece) if isinstance(piece, RequestError) else "the live clip ended")
                return
            await (socket.send_bytes(piece) if isinstance(piece, bytes) else socket.send_json(piece))

    async def receive() -> None:
        while True:
            done = client.handle(await _message(socket))
            if done is not None:  # one message of a client waits in the engine; its further ones are not read
                await asyncio.wait([asyncio.wrap_future(done)])

    client = connect(outbox)
    tasks = {asyncio.create_task(send()), asyncio.create_task(receive())}
    try:
        while not (await asyncio.wait(tasks, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0]:
            if not socket.state.is_valid():
                raise RequestError("the key is not valid any more")
            if outbox.waiting > _MOST_WAITING:  # what is made for it would fill the memory
                raise RequestError("this client does not read what is sent to it")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # such as a disconnection
        client.close()


async def _message(socket: WebSocket) -> Any:
    """Return the JSON value of the next message; None, which no client takes, for anything that is not JSON text."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    try:
        return json.loads(message.get("text") or "", parse_float=json_number)
    except (ValueError, RecursionError):
        return None


async def refuse(socket: WebSocket, message: str) -> None:
    """Send an error, and close a socket."""
    await socket.send_json(fault(message))
    await socket.close(1008)


def fault(message: str, code: str = "invalid_request") -> dict[str, Any]:
    """Return an error message."""
    return {"error": {"code": code, "message": message}}


class Viewer:
    """Handles the messages of a live clip's viewer, who changes its words."""

    def __init__(self, owner: str, name: str, model: Model, engine: Engine, limits: Limits, outbox: Outbox):
        self._owner, self._name, self._model, self._engine = owner, name, model, engine
        self._limits, self._outbox = limits, outbox
        self._live: Live | None = None

    def handle(self, found: Any) -> Future[Any] | None:
        """Begin the clip, or change its words. A wrong message is answered with an error, and the clip goes on."""
        try:
            return self._handle(found)
        except RequestError as error:
            self._outbox.put(fault(str(error)))
            return None

    def _handle(self, found: Any) -> Future[Any] | None:
        if isinstance(found, dict) and "keys" in found:
            self._model.held(found["keys"])
            return None
        words, settings, cut = _steer(found, self._limits)
        if self._live is None or self._live.closed:
            self._live = Live(self._owner, self._name, words, settings, self._outbox.put, self._outbox.put)
            return self._engine.play(self._live)
        return self._engine.call(partial(self._live.say, words, cut))

    def close(self) -> None:
        """End the clip."""
        if self._live is not None:
            self._live.close()


def _steer(found: Any, limits: Limits) -> tuple[str, dict[str, Any], bool]:
    """Return words, settings and whether a new scene begins, of a message to a live clip."""
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise RequestError('a message must be {"prompt": WORDS}, and may have "cut" and, the first one, "seed"')
    check_fields(found, ("prompt", "cut", "seed"))
    return words_of(found, limits), {"seed": found["seed"]} if "seed" in found else {}, found.get("cut") is True


def check_fields(found: dict[str, Any], known: tuple[str, ...]) -> None:
    """Check that a message has no other fields; RequestError if it has."""
    if unknown := found.keys() - {*known}:
        listed = f"{', '.join(known[:-1])} and {known[-1]}"
        raise RequestError(f"a message has no field {min(unknown)[:40]!r}; it has {listed}")


def words_of(found: dict[str, Any], limits: Limits) -> str:
    """Return the words of a message; RequestError if they are not text, or too long."""
    words = found["prompt"]
    if not isinstance(words, str):
        raise RequestError("prompt must be text")
    if len(words) > limits.prompt_letters:
        raise RequestError(f"the prompt has {len(words)} letters; at most {limits.prompt_letters} are read")
    check_text(words)
    return words
