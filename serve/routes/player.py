"""Handles the messages of a world's player: its keys, words, seed and speed, replays and recordings."""

from concurrent.futures import Future
from functools import partial
from typing import Any

from reelm.errors import RequestError
from reelm.sampling.goals import goals_of
from reelm.sampling.model import Model
from reelm.sampling.options import Options
from reelm.serve.access import Limits
from reelm.serve.engine import Engine
from reelm.serve.key_state import KeyState
from reelm.serve.recordings import Recordings
from reelm.serve.world import World
from reelm.value_checks import real, within

from .live_socket import Outbox, check_fields, fault, words_of

_FIELDS = ("keys", "prompt", "record", "replay", "seed", "speed")
_UNSENT = 8  # messages to a slow client, from which on nothing more is drawn for it
_FASTEST = 8
_STEPS = 4_000  # of a replay: with a key or two in each they fit into a message


class Player:
    """Handles the messages of a world's player. The first one begins the world."""

    def __init__(
        self,
        recordings: Recordings,
        owner: str,
        name: str,
        model: Model,
        engine: Engine,
        limits: Limits,
        outbox: Outbox,
    ):
        self._name, self._model, self._engine, self._limits, self._outbox = name, model, engine, limits, outbox
        self._recordings, self._owner = recordings, owner
        self._key_state = KeyState(model.language_model().config.keys_at_once)
        self._world: World | None = None
        outbox.put({"hello": hello(model)})

    def handle(self, found: Any) -> Future[Any] | None:
        """Do what a message asks for, or answer with an error. The world goes on in either case."""
        try:
            return self._handle(found)
        except RequestError as error:
            self._outbox.put(fault(str(error)))
            return None

    def close(self) -> None:
        """End the world."""
        if self._world is not None:
            self._world.close()

    def _handle(self, found: Any) -> Future[Any] | None:
        if not isinstance(found, dict) or not found:
            raise RequestError('a message must be such as {"keys": ["left"]}, {"seed": 3} or {"prompt": WORDS}')
        check_fields(found, _FIELDS)
        keys = None if "keys" not in found else _keys(self._model, found["keys"])
        words = None if "prompt" not in found else words_of(found, self._limits)
        seed = None if "seed" not in found else Options(seed=found["seed"]).seed
        speed = None if "speed" not in found else _speed(found["speed"])
        replay = [] if "replay" not in found else _replay(self._model, found["replay"], seed)
        record = None if "record" not in found else _switch(found["record"])
        begun, world = self._world is not None, self._world or self._new(words or "", seed or 0, replay)
        world.speed = world.speed if speed is None else speed
        if keys is not None:
            self._key_state.hold(keys)
            if keys and not world.shown:
                message = "there is no picture yet; the keys are kept for the first step"
                self._outbox.put(fault(message, "no_picture"))
        done = None
        if not begun:
            self._world = world
            done = self._engine.play(world)
        elif seed is not None:
            done = self._engine.call(partial(world.begin, words, seed, replay))
        elif words is not None:
            done = self._engine.call(partial(world.say, words))
        else:
            self._engine.wake()
        return done if record is None else self._engine.call(partial(world.record, record))

    def _new(self, words: str, seed: int, replay: list[list[str]]) -> World:
        put, outbox, defaults = self._outbox.put, self._outbox, self._model.defaults
        return World(
            self._owner,
            self._name,
            self._key_state,
            words,
            seed,
            put,
            put,
            lambda: outbox.waiting < _UNSENT,
            lambda clip, keys: self._recordings.keep(clip, self._name, self._owner, keys, put),
            self._limits.clip_pixels // (defaults.height * defaults.width),
            replay,
        )


def hello(model: Model) -> dict[str, Any]:
    """Return the first message to a player: the format of frames, their number in each step, keys, and goals."""
    defaults, config, goals = model.defaults, model.language_model().config, goals_of(model)
    return {
        "format": "png",
        "width": defaults.width,
        "height": defaults.height,
        "fps": defaults.fps,
        "frames": model.video_tokenizer.config.time_stride,
        "keys": list(config.keys),
        "keys_at_once": config.keys_at_once,
        "goals": [] if goals is None else list(goals.names),
    }


def _keys(model: Model, keys: Any) -> list[str]:
    """Return the keys of a message; RequestError for keys that the world does not have, or too many."""
    most = len(model.language_model().config.keys)
    if not isinstance(keys, list):
        raise RequestError('keys are a list of names, such as {"keys": ["left"]}; [] lets all go')
    if len(keys) > most:
        raise RequestError(f"a message has {len(keys)} keys; this world has {most}")
    model.held(keys)
    return keys


def _replay(model: Model, replay: Any, seed: int | None) -> list[list[str]]:
    """Return the keys of the steps of a message; RequestError for what is no list of them, or has no seed beside it."""
    if seed is None:
        raise RequestError('a replay needs its seed: {"seed": 3, "replay": [["left"], []]}')
    if not isinstance(replay, list) or len(replay) > _STEPS:
        raise RequestError(f"a replay is a list of at most {_STEPS} lists of keys, one for each step")
    return [_keys(model, each) for each in replay]


def _switch(record: Any) -> bool:
    if not isinstance(record, bool):
        raise RequestError(f"record is {str(record)[:20]!r}; it must be true or false")
    return record


def _speed(speed: Any) -> float:
    within("speed", number := real("speed", speed), 1, _FASTEST)
    return float(number)
