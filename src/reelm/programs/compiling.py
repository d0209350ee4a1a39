"""Compile a traced program: with which options, and whether through JAX's own cache.

On a CPU, LLVM is told to optimize little: matmuls come from a library, and optimizing the rest takes longer than it
saves.
"""

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from threading import Lock, local
from typing import Any

import jax

from .machine import device
from .patient import let_others_first, patient_device


def compiled(traced: Any, *, apart: bool) -> tuple[Any, bool]:
    """Compile a traced program; return it, and whether it is new or came out of JAX's own cache.

    apart: whether to leave it out of JAX's own cache.
    """
    lowered, chosen = traced.lower(), options()

    def compile_lowered() -> tuple[Any, bool]:
        _found.count = 0
        made = lowered.compile(compiler_options=chosen)
        return made, not _found.count

    with _apart_from_jaxs_cache() if apart else nullcontext():
        # XLA compiles in the thread that calls it.
        patient = device() == patient_device()
        made = _patient_thread().submit(compile_lowered).result() if patient else compile_lowered()
    _return_memory()
    return made


@cache
def _patient_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "compile-patiently", initializer=let_others_first)


def options() -> dict[str, Any]:
    """Return the options of XLA for this device."""
    if device().platform != "cpu" or "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", ""):
        return {}
    # One part a program: several programs are compiled in parallel anyway.
    return {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}


def _return_memory() -> None:
    """Give the memory that the compiler has freed, about a hundred megabytes, back to the system. glibc keeps it."""
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
    """Compile without JAX's own cache: what the next process finds there cannot be serialized for our own."""
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
