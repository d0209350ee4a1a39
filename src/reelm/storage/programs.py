"""Programs for the device: compiled ahead of time, side by side, and found again on disk by the next process.

`@program(static=("self",), donate=("state",))` makes of a function what `jax.jit` does, with three differences.
`prepare` takes shapes in place of arrays and compiles in the background. On a CPU, LLVM optimizes little: matmuls are a
library's, and the rest takes longer to optimize than it ever wins. And each program is written to the folder that
`keep` or `$REELM_PROGRAMS` names, so that the next process neither traces nor compiles it.

In a folder a program is named by all that it was made of: source, versions, device, flags, static arguments, shapes. A
damaged file is compiled anew and replaced. The files hold pickles and machine code, so none but the user may write
there.
"""

import ctypes
import hashlib
import inspect
import os
import pickle
import platform
import stat
import warnings
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from threading import Lock, RLock, current_thread, local, main_thread
from typing import Any, NamedTuple

import jax
import jax.core
import numpy as np
from jax.experimental import serialize_executable

from reelm.cores import cores
from reelm.errors import RequestError

from .atomic import write_bytes

_MOST_BYTES = 1 << 29  # of a folder; what was used longest ago goes first
_DIGEST = hashlib.sha256().digest_size

_folder: Path | None = None  # of programs that are kept
_programs: "list[Program]" = []
_APART = Lock()


def keep(folder: str | os.PathLike[str] | None) -> None:
    """Find programs in a folder, and keep those of this process there; it is made with mode 700. None keeps none.

    A folder that cannot be made, or that others can write to, is not used, with a warning.
    """
    global _folder
    _folder = None
    if folder is None:
        return
    path = Path(folder).expanduser()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner, mode = path.stat().st_uid, path.stat().st_mode
    except OSError as error:
        warnings.warn(f"{path}: {error.strerror}; programs are compiled anew each time", stacklevel=2)
        return
    if os.name == "posix" and (owner != os.getuid() or mode & (stat.S_IWGRP | stat.S_IWOTH)):
        warnings.warn(f"{path}: others may write there; programs are compiled anew each time", stacklevel=2)
        return
    _folder = path


if os.environ.get("REELM_PROGRAMS"):
    keep(os.environ["REELM_PROGRAMS"])


def forget() -> None:
    """Drop the programs of this process from memory."""
    for each in _programs:
        each.made.clear()


def program(*, static: tuple[str, ...], donate: tuple[str, ...] = ()) -> "Callable[[Callable], Program]":
    """Return a decorator that makes a `Program`.

    Args:
        static: names of arguments that each compile a program of their own; their `repr` says all of them.
        donate: names of arguments whose memory the results may take; do not use them again.
    """
    return lambda function: Program(function, static, donate)


class _Made(NamedTuple):
    """A compiled program, perhaps still under way, and the shapes of its results."""

    run: Future
    shapes: Any


class Program:
    """A function that is compiled once for each of its static arguments and shapes."""

    def __init__(self, function: Callable, static: tuple[str, ...], donate: tuple[str, ...]):
        self.jitted = jax.jit(function, static_argnames=static, donate_argnames=donate)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.made: dict[Hashable, _Made] = {}
        self.__doc__, self.__wrapped__ = function.__doc__, function
        self._static = [name in static for name in inspect.signature(function).parameters]
        self._lock = RLock()
        _programs.append(self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def __call__(self, *arguments: Any) -> Any:
        """Return the results for arguments by position."""
        given, moving = self._sorted(arguments)
        leaves, tree = jax.tree.flatten(moving)
        if not jax.sharding.get_abstract_mesh().empty or not all(map(_is_on_one_device, leaves)):
            return self.jitted(*given)  # over a mesh, or while another program is traced
        return self._find(given, leaves, tree, _at_once).run.result()(*moving)

    def prepare(self, *arguments: Any) -> Any:
        """Compile in the background for arguments that may be shapes; return the shapes of the results."""
        given, moving = self._sorted(arguments)
        if not jax.sharding.get_abstract_mesh().empty:
            return self.jitted.eval_shape(*given)
        return self._find(given, *jax.tree.flatten(moving), _in_background).shapes

    def _sorted(self, arguments: tuple) -> tuple[list, list]:
        """Return all arguments, and those that are not static."""
        pairs = list(zip(arguments, self._static, strict=True))
        # A Python number would be a program of its own, of weak type.
        given = [np.int32(each) if type(each) is int and not static else each for each, static in pairs]
        return given, [each for each, static in zip(given, self._static, strict=True) if not static]

    def _find(self, arguments: list, leaves: list, tree: Any, submit: Callable[..., Future]) -> _Made:
        static = tuple(each for each, is_static in zip(arguments, self._static, strict=True) if is_static)
        key = static, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        with self._lock:
            if key not in self.made:
                path = self._path(key)
                self.made[key] = self._read(path, arguments, submit) or self._make(path, arguments, submit)
            return self.made[key]

    def _make(self, path: Path | None, arguments: list, submit: Callable[..., Future]) -> _Made:
        traced = self.jitted.trace(*arguments)
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), traced.out_info)
        return _Made(submit(partial(_compiled, path, traced, shapes)), shapes)

    def _read(self, path: Path | None, arguments: list, submit: Callable[..., Future]) -> _Made | None:
        found = None if path is None else _content(path)
        if found is None:
            return None
        *executable, shapes = found

        def loaded() -> Callable:
            try:
                return serialize_executable.deserialize_and_load(*executable)
            except (RuntimeError, ValueError):  # of a compiler that is not this one after all
                return _compiled(path, self.jitted.trace(*arguments), shapes)

        return _Made(submit(loaded), shapes)

    def _path(self, key: Hashable) -> Path | None:
        if _folder is None or jax.process_count() > 1:  # a program names its device, which has another number there
            return None
        about = f"{_surroundings()}\n{self.name}\n{key!r}".encode()
        return _folder / f"{self.name.rpartition('.')[2]}-{hashlib.sha256(about).hexdigest()[:40]}"


class _Method:
    """A program that is bound to its first argument."""

    def __init__(self, program: Program, instance: Any):
        self.program, self.instance = program, instance

    def __call__(self, *arguments: Any) -> Any:
        return self.program(self.instance, *arguments)

    def prepare(self, *arguments: Any) -> Any:
        """See `Program.prepare`."""
        return self.program.prepare(self.instance, *arguments)


def _compiled(path: Path | None, traced: Any, shapes: Any) -> Callable:
    """Return a traced program compiled, and keep it at `path`."""
    lowered = traced.lower()
    _found.count = 0
    with nullcontext() if path is None else _apart_from_jaxs_cache():
        made = lowered.compile(compiler_options=_options())
    _return_memory()
    # What was once serialized loses functions when it is serialized again, and fails when it runs (jax 0.12 on a CPU).
    if path is not None and not _found.count:
        _write(path, (*serialize_executable.serialize(made), shapes))
    return made


def _return_memory() -> None:
    """Give back to the system what the compiler has freed, about a hundred megabytes. glibc would keep it."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


_found = local()  # what this thread found in JAX's own cache
_compiling = 0
_usual_seconds = 0.0


def _note_found(event: str, **about: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _found.count = getattr(_found, "count", 0) + 1


jax.monitoring.register_event_listener(_note_found)


@contextmanager
def _apart_from_jaxs_cache() -> Iterator[None]:
    """Leave nothing that is compiled in JAX's own cache, where the next process would find it in place of compiling."""
    global _compiling, _usual_seconds
    name = "jax_persistent_cache_min_compile_time_secs"
    with _APART:
        if not _compiling:
            _usual_seconds = getattr(jax.config, name)
            jax.config.update(name, 1e9)
        _compiling += 1
    try:
        yield
    finally:
        with _APART:
            _compiling -= 1
            if not _compiling:
                jax.config.update(name, _usual_seconds)


def _is_on_one_device(leaf: Any) -> bool:
    if isinstance(leaf, jax.core.Tracer):
        return False
    return not isinstance(leaf, jax.Array) or leaf.devices() == {_device()}


def _at_once(function: Callable) -> Future:
    if current_thread() is not main_thread():
        future: Future = Future()
        future.set_result(function())
        return future
    # In another thread, since no signal is heard in one that compiles.
    thread = ThreadPoolExecutor(1, "compile-now")
    try:
        future = thread.submit(function)
        future.result()
    finally:
        thread.shutdown(wait=False)
    return future


def _in_background(function: Callable) -> Future:
    # Python ends no thread that still has work: what is queued when the process ends is left undone.
    return _pool().submit(lambda: function() if main_thread().is_alive() else None)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(4, cores()), thread_name_prefix="compile")


@cache
def _device() -> Any:
    return jax.local_devices()[0]


def _options() -> dict[str, Any]:
    if _device().platform != "cpu" or "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", ""):
        return {}
    # One part a program: they are compiled side by side as it is.
    return {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}


@cache
def _surroundings() -> tuple:
    """Return what every program depends on, whatever it is."""
    package, source = Path(__file__).parents[1], hashlib.sha256()
    for room in ("lm", "sampling", "storage", "tokenizer"):
        for path in sorted((package / room).rglob("*.py")):
            source.update(path.read_bytes())
    device = _device()
    settings = [getattr(jax.config, name) for name in ("jax_enable_x64", "jax_default_matmul_precision")]
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    versions = jax.__version__, device.client.platform_version
    return source.hexdigest(), versions, device.platform, device.device_kind, _processor(), settings, flags


def _processor() -> str:
    """Return what the processor can do: machine code for another one may not run here."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.processor()


def _content(path: Path) -> Any:
    """Return what `_write` wrote; None where there is nothing, or nothing whole."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    return pickle.loads(rest) if hashlib.sha256(rest).digest() == digest else None


def _write(path: Path, content: Any) -> None:
    data = pickle.dumps(content)
    with suppress(OSError, RequestError):  # a full disk costs a compilation, no more
        write_bytes(path, hashlib.sha256(data).digest() + data)
        _make_room(path.parent)


def _make_room(folder: Path) -> None:
    """Remove the files that were used longest ago, until the folder is small enough."""
    about = [(path.stat(), path) for path in folder.iterdir()]
    total = 0
    for each, path in sorted(about, key=lambda each: each[0].st_mtime, reverse=True):
        total += each.st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
