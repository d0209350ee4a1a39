"""How a traced program is compiled: with what options, and apart from JAX's own cache where it is kept here.

On a CPU, LLVM optimizes little: matmuls are a library's, and the rest takes longer to optimize than it ever wins.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Lock, local
from typing import Any

import jax

from .machine import device


def compiled(traced: Any, *, apart: bool) -> tuple[Any, bool]:
    """Return a traced program compiled, and whether it is new: otherwise it came out of JAX's own cache.

    apart: leave it out of that cache.
    """
    lowered = traced.lower()
    _found.count = 0
    with _apart_from_jaxs_cache() if apart else nullcontext():
        made = lowered.compile(compiler_options=options())
    _return_memory()
    return made, not _found.count


def options() -> dict[str, Any]:
    """Return the options of XLA for this device."""
    if device().platform != "cpu" or "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", ""):
        return {}
    # One part a program: they are compiled side by side as it is.
    return {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}


def _return_memory() -> None:
    """Give back to the system what the compiler has freed, about a hundred megabytes. glibc would keep it."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


_found = local()  # what this thread found in JAX's own cache
_APART = Lock()
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
