"""The socket of a live clip: words come in, fragments of the clip go out."""

import asyncio
import json
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from reelm.errors import RequestError
from reelm.serve.access import Limits
from reelm.serve.engine import Engine
from reelm.serve.live import Live

from .body import check_text


async def play(socket: WebSocket, model: str, engine: Engine, limits: Limits) -> None:
    """Play an endless clip of a model until the client goes."""
    if engine.plays_enough:
        await refuse(socket, "as many live clips play as this server makes; try again later")
        return
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue[bytes | Exception]()
    live: Live | None = None

    def put(piece: bytes | Exception) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, piece)

    async def send() -> None:
        while True:
            piece = await pieces.get()
            if isinstance(piece, Exception):
                await refuse(socket, str(piece) if isinstance(piece, RequestError) else "the live clip ended")
                return
            await socket.send_bytes(piece)

    sending = asyncio.create_task(send())
    try:
        while not sending.done():
            receiving = asyncio.create_task(socket.receive_json())
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                receiving.cancel()
                break
            words, settings, cut = _steer(receiving.result(), limits)
            if live is None:
                live = Live(model, words, settings, put, put)
                engine.play(live)
            else:
                engine.call(partial(live.say, words, cut))
    except (WebSocketDisconnect, RuntimeError):
        pass
    except (RequestError, json.JSONDecodeError, KeyError) as error:
        await refuse(socket, str(error) if isinstance(error, RequestError) else "a message must be a JSON object")
    finally:
        sending.cancel()
        if live is not None:
            live.close()


async def refuse(socket: WebSocket, message: str) -> None:
    """Say what is wrong, and close a socket."""
    await socket.send_json({"error": {"code": "invalid_request", "message": message}})
    await socket.close(1008)


def _steer(found: Any, limits: Limits) -> tuple[str, dict[str, Any], bool]:
    """Return words, settings and whether a new scene begins, of a message to a live clip."""
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise RequestError('a message must be {"prompt": WORDS}, and may have "cut" and, the first one, "seed"')
    if unknown := found.keys() - {"prompt", "seed", "cut"}:
        raise RequestError(f"a message has no field {min(unknown)!r}; it has prompt, cut and seed")
    if len(found["prompt"]) > limits.prompt_letters:
        raise RequestError(f"the prompt has {len(found['prompt'])} letters; at most {limits.prompt_letters} are read")
    check_text(found["prompt"])
    return found["prompt"], {"seed": found["seed"]} if "seed" in found else {}, found.get("cut") is True
