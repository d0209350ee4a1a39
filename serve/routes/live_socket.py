"""The socket of what is live: messages of a viewer or a player come in, pictures go out."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.serve.access import Limits
from reelm.serve.engine import Engine
from reelm.serve.live import Live

from .body import check_text

_Piece = bytes | dict[str, Any] | Exception  # an exception ends the talk


class Outbox:
    """What is still to be sent to a client. Any thread may put something in."""

    def __init__(self):
        self._loop, self._pieces = asyncio.get_running_loop(), asyncio.Queue[_Piece]()

    @property
    def waiting(self) -> int:
        """How many pieces are still to be sent."""
        return self._pieces.qsize()

    def put(self, piece: _Piece) -> None:
        """Send a piece after those before."""
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def next(self) -> _Piece:
        """Wait for the next piece, and return it."""
        return await self._pieces.get()


class Talk(Protocol):
    """What hears the messages of one client."""

    def hear(self, found: Any) -> None:
        """Do what a message asks for, or say why not."""

    def close(self) -> None:
        """End what is played."""


async def play(socket: WebSocket, talk: Callable[[Outbox], Talk], engine: Engine) -> None:
    """Carry the messages of a talk until the client goes."""
    if engine.plays_enough:
        await refuse(socket, "as many live clips play as this server makes; try again later")
        return
    outbox = Outbox()

    async def send() -> None:
        while True:
            piece = await outbox.next()
            if isinstance(piece, Exception):
                await refuse(socket, str(piece) if isinstance(piece, RequestError) else "the live clip ended")
                return
            await (socket.send_bytes(piece) if isinstance(piece, bytes) else socket.send_json(piece))

    sending, client = asyncio.create_task(send()), talk(outbox)
    try:
        while not sending.done():
            receiving = asyncio.create_task(socket.receive_json())
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                receiving.cancel()
                break
            client.hear(receiving.result())
    except (WebSocketDisconnect, RuntimeError):
        pass
    except (json.JSONDecodeError, RecursionError, KeyError):
        await refuse(socket, "a message must be a JSON object")
    finally:
        sending.cancel()
        client.close()


async def refuse(socket: WebSocket, message: str) -> None:
    """Say what is wrong, and close a socket."""
    await socket.send_json(fault(message))
    await socket.close(1008)


def fault(message: str, code: str = "invalid_request") -> dict[str, Any]:
    """Return the message that says what is wrong."""
    return {"error": {"code": code, "message": message}}


class Viewer:
    """Hears the viewer of a live clip, who changes its words."""

    def __init__(self, name: str, model: Model, engine: Engine, limits: Limits, outbox: Outbox):
        self._name, self._model, self._engine, self._limits, self._outbox = name, model, engine, limits, outbox
        self._live: Live | None = None

    def hear(self, found: Any) -> None:
        """Begin the clip, or change its words. What cannot be met is told, and the clip goes on."""
        try:
            self._hear(found)
        except RequestError as error:
            self._outbox.put(fault(str(error)))

    def _hear(self, found: Any) -> None:
        if isinstance(found, dict) and "keys" in found:
            self._model.held(found["keys"])
            return
        words, settings, cut = _steer(found, self._limits)
        if self._live is None or self._live.closed:
            self._live = Live(self._name, words, settings, self._outbox.put, self._outbox.put)
            self._engine.play(self._live)
        else:
            self._engine.call(partial(self._live.say, words, cut))

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
    """RequestError for a message with other fields."""
    if unknown := found.keys() - {*known}:
        listed = f"{', '.join(known[:-1])} and {known[-1]}"
        raise RequestError(f"a message has no field {min(unknown)[:40]!r}; it has {listed}")


def words_of(found: dict[str, Any], limits: Limits) -> str:
    """Return the words of a message; RequestError for none that can be read."""
    words = found["prompt"]
    if not isinstance(words, str):
        raise RequestError("prompt must be text")
    if len(words) > limits.prompt_letters:
        raise RequestError(f"the prompt has {len(words)} letters; at most {limits.prompt_letters} are read")
    check_text(words)
    return words
