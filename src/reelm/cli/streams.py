"""Standard output and error of a command: a reader that goes away, or a full disk, does not stop the work.

What cannot be written is dropped. A reader that goes away, as `head` does, has what it wanted: that is no error. Any
other error is kept for the end.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast


class Lasting:
    """A text stream that drops what it cannot write; `error` is why, None while it can or where nobody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or drop, and return the number of letters."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what is held, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.error = self.error or error
        with suppress(OSError, ValueError):  # a stream without a descriptor
            # Python would flush once more on its way out, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def lasting_streams() -> Iterator[Lasting]:
    """Make standard output and error last, and yield the output; one that is closed is a place where all is lost."""
    with ExitStack() as stack:
        out, err = (
            Lasting(stack.enter_context(open(os.devnull, "w")) if stream is None else stream)
            for stream in (sys.stdout, sys.stderr)
        )
        stack.enter_context(redirect_stdout(cast(TextIO, out)))
        stack.enter_context(redirect_stderr(cast(TextIO, err)))
        yield out
