"""The `reelm` command: arguments in, exit status out.

Statuses: 0 done; 2 the request is at fault; 130 Ctrl-C; 143 SIGTERM; 1 anything else. An error is one line on stderr,
with a traceback above it only under `--debug`, which may be anywhere on the command line. Results go to stdout,
progress to stderr. Nothing slow is imported here: a command imports what it needs after it has checked its arguments.
"""

import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from reelm.errors import RequestError, RequestWarning
from reelm.storage.home import home
from reelm.storage.private import made_private

from .interrupts import WORDS, leave, signals_raised
from .printable import printable
from .streams import lasting_streams

# Errors about paths that the user named: missing, forbidden or impossible ones.
_AT_FAULT = (RequestError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)


def entry_point() -> NoReturn:
    """Run the process's own command line and end the process."""
    status, stopped = _run_line(None)
    # The work is done: Ctrl-C while Python shuts down ends it at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if stopped:
        leave(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; None is the process's own, and prepares JAX's environment."""
    return _run_line(arguments)[0]


def _run_line(arguments: Sequence[str] | None) -> tuple[int, bool]:
    """Return the exit status of a command line, and whether a signal stopped it."""
    own = arguments is None
    arguments = list(sys.argv[1:] if own else arguments)
    with lasting_streams() as out:
        stderr = sys.stderr  # kept, because a signal may come while it is redirected
        with signals_raised() as signals, warnings.catch_warnings():
            warnings.simplefilter("once", RequestWarning)
            warnings.showwarning = _show(stderr, warnings.showwarning)
            try:
                if own:
                    _prepare_jax()
                try:
                    _run([argument for argument in arguments if argument != "--debug"])
                except SystemExit as asked:
                    if asked.code:
                        raise  # a training that saved after a signal; status 0 is --help
                out.flush()
                if out.error is not None:
                    raise out.error
                return 0, False
            except BaseException as error:
                end = error
        out.flush()
        if "--debug" in arguments:
            traceback.print_exception(end, file=stderr)
        status, message = _status_and_message(end, signals, arguments)
        if message:
            print(f"reelm: {printable(message)}", file=stderr)
        return status, bool(signals)


def _run(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        from reelm import __version__

        print(f"reelm {__version__}")
        return
    from .parse import parse

    parse(arguments).run()


def _show(stderr: TextIO, others: Callable[..., None]) -> Callable[..., None]:
    """Return a hook that prints our warnings on a line each, and passes all others to the hook `others`."""

    def show(message: Warning | str, category: type[Warning], *details: Any, **more: Any) -> None:
        if issubclass(category, RequestWarning):
            print(f"reelm: warning: {printable(message)}", file=stderr)
        else:
            others(message, category, *details, **more)

    return show


def _prepare_jax() -> None:
    # With the caches of compiled programs, a second clip does not wait for XLA. JAX reads these variables when it is
    # imported, which may be as early as the parsing of arguments, for the fields of `train`.
    os.environ.setdefault("REELM_PROGRAMS", str(home() / "programs"))
    if not made_private(home() / "compiled"):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # XLA's own log is not for the user of a command
    # A cache that cannot be written only costs a compilation, so it needs no warning.
    warnings.filterwarnings("ignore", message="Error (read|writ)ing persistent compilation cache")


def _status_and_message(end: BaseException, signals: list[int], arguments: Sequence[str]) -> tuple[int, str]:
    """Return the status and the message of a command line that raised `end` after `signals`; "" for no message."""
    if signals or isinstance(end, KeyboardInterrupt):
        number = signal.Signals(signals[-1]) if signals else signal.SIGINT
        return 128 + number, WORDS[number]
    if isinstance(end, SystemExit):  # a training that saved after a signal
        return (end.code, "") if isinstance(end.code, int) else (1, f"error: {end.code}")
    at_fault = isinstance(end, _AT_FAULT) or (isinstance(end, OSError) and end.errno in _NO_PATH)
    return 2 if at_fault else 1, f"error: {_in_words(end, arguments)}"


def _in_words(error: BaseException, arguments: Sequence[str]) -> str:
    """Return the message of an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    if isinstance(error, RequestError | OSError):  # tensorstore reports a full disk as RESOURCE_EXHAUSTED
        return text or type(error).__name__
    places = traceback.extract_tb(error.__traceback__)
    if places and places[-1].filename.endswith("xla_bridge.py"):  # it may raise without a message
        kind = os.environ.get("JAX_PLATFORMS", "")
        hint = f"no device for JAX_PLATFORMS={kind!r}: unset it, or install the extra of that device"
        return f"{hint} ({text[:200]})" if text else hint
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        advice = "ask for fewer samples or frames at once, or for a smaller size or batch"
        if "train" in arguments[:2]:  # --debug may come before it
            advice = "take a smaller batch, or more devices (--mesh fsdp=N); for a language model also --accumulate N, "
            advice += "which takes the batch through in N parts, and --remat full"
        return f"out of memory ({text[:200]}); {advice}"
    return f"{type(error).__name__}: {text[:500]} (--debug shows where)"
