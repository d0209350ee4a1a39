"""`program`: like `jax.jit`, but it can compile ahead of time, and it uses the executable cache.

`@program(static=("self",), donate=("state",))` makes a `Program` of a function. Its `prepare` takes shapes in place of
arrays and compiles in the background. Each program is written to the cache's folder (`keep`), if there is one.
"""

import inspect
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from threading import Lock, RLock, current_thread, main_thread
from typing import Any, NamedTuple

import jax
import jax.core
import numpy as np
from jax.experimental import serialize_executable

from reelm.cores import cores

from .compiling import compiled
from .kept import place, read, write
from .machine import device
from .settings import usual_settings

_programs: "list[Program]" = []
_MOST = 64  # of a function that are held in memory; the one that was not used for longest goes


def forget() -> None:
    """Drop the programs of this process from memory."""
    for each in _programs:
        each.made.clear()


def program(*, static: tuple[str, ...], donate: tuple[str, ...] = ()) -> "Callable[[Callable], Program]":
    """Return a decorator that makes a `Program`.

    Args:
        static: names of arguments whose every value compiles another program; their `repr` must identify the value.
        donate: names of arguments whose memory the results may take; do not use them again.
    """
    return lambda function: Program(function, static, donate)


class _Made(NamedTuple):
    """A program that is compiled, or being compiled, and the shapes of its results."""

    run: Future
    shapes: Any


class Program:
    """A function that is compiled once for each combination of static arguments and shapes. Any thread may use it."""

    def __init__(self, function: Callable, static: tuple[str, ...], donate: tuple[str, ...]):
        self.jitted = jax.jit(function, static_argnames=static, donate_argnames=donate)
        self.made: dict[Hashable, _Made] = {}
        self.__doc__, self.__wrapped__ = function.__doc__, function
        self._static = [name in static for name in inspect.signature(function).parameters]
        self._lock, self._tracing = Lock(), RLock()
        _programs.append(self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def __call__(self, *arguments: Any) -> Any:
        """Return the results for arguments by position."""
        passed, moving = self._sorted(arguments)
        leaves, tree = jax.tree.flatten(moving)
        here = device()
        with usual_settings():
            if not jax.sharding.get_abstract_mesh().empty or not all(_is_on(here, leaf) for leaf in leaves):
                return self.jitted(*passed)  # over a mesh, or while another program is traced
            return self._find(here, passed, leaves, tree, _at_once).run.result()(*moving)

    def prepare(self, *arguments: Any) -> Any:
        """Compile in the background for arguments that may be shapes; return the shapes of the results."""
        passed, moving = self._sorted(arguments)
        with usual_settings():
            if not jax.sharding.get_abstract_mesh().empty:
                return self.jitted.eval_shape(*passed)
            return self._find(device(), passed, *jax.tree.flatten(moving), _in_background).shapes

    def _sorted(self, arguments: tuple) -> tuple[list, list]:
        """Return all arguments, and those that are not static."""
        pairs = list(zip(arguments, self._static, strict=True))
        # A Python number has a weak type and would compile another program.
        passed = [np.int32(each) if type(each) is int and not static else each for each, static in pairs]
        return passed, [each for each, static in zip(passed, self._static, strict=True) if not static]

    def _find(
        self, here: Any, arguments: list, leaves: list, tree: Any, submit: Callable[[Callable[[], None]], None]
    ) -> _Made:
        static = tuple(each for each, is_static in zip(arguments, self._static, strict=True) if is_static)
        # A program holds the number of its device. That of the first one serves the patient one, too.
        content = static, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves), here.id
        key = here, *content
        if (made := self._held(key)) is not None:
            return made
        with self._tracing:
            if (made := self._held(key)) is not None:
                return made
            path = place(self.__wrapped__.__module__, self.__wrapped__.__qualname__, content)
            make, shapes = self._read(here, path, arguments) or self._make(here, path, arguments)
            made = _Made(Future(), shapes)
            with self._lock:
                self.made[key] = made
                while len(self.made) > _MOST:
                    del self.made[next(iter(self.made))]
        # Without a lock, so that other programs are traced and run meanwhile.
        submit(lambda: self._settle(key, made.run, make))
        return made

    def _held(self, key: Hashable) -> _Made | None:
        with self._lock:
            if (made := self.made.pop(key, None)) is not None:
                self.made[key] = made  # the newest
            return made

    def _settle(self, key: Hashable, run: Future, make: Callable[[], Callable]) -> None:
        try:
            run.set_result(make())
        except BaseException as error:
            with self._lock:
                self.made.pop(key, None)  # another call tries again
            run.set_exception(error)

    def _make(self, here: Any, path: Path | None, arguments: list) -> tuple[Callable[[], Callable], Any]:
        traced = self.jitted.trace(*arguments)
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), traced.out_info)
        return partial(_compiled, here, path, traced, shapes), shapes

    def _read(self, here: Any, path: Path | None, arguments: list) -> tuple[Callable[[], Callable], Any] | None:
        found = None if path is None else read(path)
        if found is None:
            return None
        *executable, shapes = found

        def loaded() -> Callable:
            try:
                return serialize_executable.deserialize_and_load(*executable, backend=here.client)
            except (RuntimeError, ValueError):  # another compiler made it after all
                return _compiled(here, path, self.jitted.trace(*arguments), shapes)

        return loaded, shapes


class _Method:
    """A program that is bound to its first argument."""

    def __init__(self, program: Program, instance: Any):
        self.program, self.instance = program, instance

    def __call__(self, *arguments: Any) -> Any:
        return self.program(self.instance, *arguments)

    def prepare(self, *arguments: Any) -> Any:
        """See `Program.prepare`."""
        return self.program.prepare(self.instance, *arguments)


def _compiled(here: Any, path: Path | None, traced: Any, shapes: Any) -> Callable:
    """Compile a traced program for a device, in whichever thread, and write it to `path`."""
    with jax.default_device(here):
        made, new = compiled(traced, apart=path is not None)
    # A program that was deserialized loses functions when it is serialized again, and fails to run (jax 0.12, CPU).
    if path is not None and new:
        write(path, (*serialize_executable.serialize(made), shapes))
    return made


def _is_on(here: Any, leaf: Any) -> bool:
    if isinstance(leaf, jax.core.Tracer):
        return False
    return not isinstance(leaf, jax.Array) or leaf.devices() == {here}


def _at_once(function: Callable[[], None]) -> None:
    if current_thread() is not main_thread():
        function()
        return
    # In another thread: while the main thread compiles, Python handles no signal.
    thread = ThreadPoolExecutor(1, "compile-now")
    try:
        thread.submit(function).result()
    finally:
        thread.shutdown(wait=False)


def _in_background(function: Callable[[], None]) -> None:
    # At exit Python waits for threads that still have work, so work that is queued by then is dropped.
    _pool().submit(lambda: function() if main_thread().is_alive() else None)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(4, cores()), thread_name_prefix="compile")
