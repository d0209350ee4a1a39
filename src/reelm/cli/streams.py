"""Standard output and error of a command: a closed pipe, or a full disk, does not stop the work.

Text that cannot be written is dropped. A closed pipe (`| head`) is not an error. Any other error is kept for the end.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast


class Lasting:
    """A text stream that drops what it cannot write. `error` is the reason; None without one, or for a closed pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write or drop the text, and return its number of letters."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or drop what it holds."""
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
            # Python flushes once more when it exits, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def lasting_streams() -> Iterator[Lasting]:
    """Make standard output and error lasting, and yield the output. One that is closed drops everything."""
    with ExitStack() as stack:
        out, err = (
            Lasting(stack.enter_context(open(os.devnull, "w")) if stream is None else stream)
            for stream in (sys.stdout, sys.stderr)
        )
        stack.enter_context(redirect_stdout(cast(TextIO, out)))
        stack.enter_context(redirect_stderr(cast(TextIO, err)))
        yield out
