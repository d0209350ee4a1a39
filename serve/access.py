"""Access control: the keys of clients, the limits of a request, and the allowance of each key."""

import hmac
import logging
import stat
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from reelm.errors import RequestError, reason
from reelm.storage.fields import lines_of, read_text
from reelm.value_checks import within

OPERATOR = "operator"  # the name of the key that may see the figures of all
_SAFE, _MOST = 16, 512  # letters of a key, which nobody guesses, and which it may have

_log = logging.getLogger("reelm.serve")

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one request and of one key.

    Attributes:
        body_bytes: Bytes of a request, files included.
        prompt_letters: Letters of a prompt.
        clip_pixels: Pixels of a clip, all frames together.
        reading_seconds: Seconds for which the files of a request may be read.
        under_way: Jobs of one key that wait or run.
        live: Live clips and worlds of one key that play.
        new_kinds: Clips of one key in an hour whose programs are not compiled yet, such as those of another size.
        stored_bytes: Bytes of the clips and files of one key that are kept.
        codes_a_minute: Codes that each key may ask for in a minute. Default: any number.

    Raises:
        RequestError: a limit below 1.
    """

    body_bytes: int = 64 * 2**20
    prompt_letters: int = 2_000
    clip_pixels: int = 64_000_000
    reading_seconds: float = 20.0
    under_way: int = 16
    live: int = 4
    new_kinds: int = 60
    stored_bytes: int = 4 * 2**30
    codes_a_minute: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None:
                within(f"--{name.replace('_', '-')}", value, 1)

    def check_pixels(self, height: int, width: int, frames: int, clips: int) -> None:
        """Check that all frames of all clips have at most `clip_pixels`; RequestError if not."""
        if (pixels := height * width * frames * clips) > self.clip_pixels:
            raise RequestError(f"the clip has {pixels} pixels in all; at most {self.clip_pixels} are made")


class Keys:
    """The keys of a file: a name and a key on each line. The file is read again when it changes.

    Raises:
        RequestError: a file that cannot be read, or holds a line of another form, or no key.
    """

    def __init__(self, path: Path):
        self._path, self._read_at, self._lock = path, (0, 0), Lock()
        self._keys: dict[str, bytes] = {}
        self._read()

    def owner(self, key: str) -> str | None:
        """Return the name that a key belongs to; None if it is not in the file. It takes the same time for any key."""
        with self._lock:
            try:
                self._read()
            except RequestError:
                pass  # the file is being rewritten: the keys read before stay valid
            found = None
            for name, known in self._keys.items():
                if hmac.compare_digest(known, key.encode()):
                    found = name
            return found

    def _read(self) -> None:
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_size
            if stamp == self._read_at:
                return
        except OSError as error:
            raise RequestError(f"the keys in {self._path} cannot be read: {reason(error)}") from error
        lines = [line.split() for line in lines_of(read_text(self._path))]
        lines = [line for line in lines if line and not line[0].startswith("#")]
        if not lines or any(len(line) != 2 for line in lines):
            raise RequestError(f"{self._path} must hold lines of a name and a key, with a space between them")
        for what, values in zip(("name", "key"), zip(*lines, strict=True), strict=True):
            if len({*values}) < len(values):
                raise RequestError(f"{self._path} gives a {what} twice; each {what} stands in one line")
        if long := [name for name, key in lines if len(key) > _MOST]:
            raise RequestError(f"the key of {long[0]!r} in {self._path} must have at most {_MOST} letters")
        for name in (name for name, key in lines if len(key) < _SAFE):
            _log.warning("the key of %r in %s can be guessed: give it %d letters or more", name, self._path, _SAFE)
        if status.st_mode & stat.S_IROTH:
            _log.warning("other users of this machine can read %s; do chmod 600", self._path)
        self._keys, self._read_at = {name: key.encode() for name, key in lines}, stamp


class Busy(Exception):
    """As much of a thing is under way as may be; the text says what."""


class Shares:
    """Counts what each key has under way at once. Only one thread may use it.

    Args:
        what: things, in words.
        of_a_key: things that one key may have; those of nobody, on a server without keys, are not counted.
        in_all: things that all may have; None for any number.
    """

    def __init__(self, what: str, of_a_key: int, in_all: int | None = None):
        self._what, self._of_a_key, self._in_all, self._count = what, of_a_key, in_all, Counter[str]()

    @contextmanager
    def one(self, owner: str) -> Iterator[None]:
        """Count a thing of an owner while it is under way; Busy if there are as many as there may be."""
        if self._in_all is not None and self._count.total() >= self._in_all:
            raise Busy(f"too many {self._what}; try again later")
        if owner and self._count[owner] >= self._of_a_key:
            raise Busy(f"this key has {self._of_a_key} {self._what}, which is all that it may; wait for one to end")
        self._count[owner] += 1
        try:
            yield
        finally:
            self._count[owner] -= 1
            self._count += Counter()  # forgets those with none


class Allowance:
    """Codes that each key may still ask for: a bucket for each key, which refills within a minute."""

    def __init__(self, codes_a_minute: int | None):
        self._most, self._left, self._lock = codes_a_minute, dict[str, tuple[float, float]](), Lock()

    def take(self, owner: str, codes: int) -> float:
        """Take codes out of a key's bucket and return 0, or return the seconds until it holds so many.

        Raises:
            RequestError: more codes than the bucket ever holds.
        """
        if self._most is None:
            return 0.0
        if codes > self._most:
            raise RequestError(f"the clip has {codes} codes; a key may ask for {self._most} a minute")
        with self._lock:
            now = time.monotonic()
            left, then = self._left.get(owner, (float(self._most), now))
            left = min(self._most, left + (now - then) * self._most / 60)
            if codes > left:
                return (codes - left) * 60 / self._most
            self._left[owner] = left - codes, now
            return 0.0


def host_of(address: str) -> str:
    """Return the name in a `Host` header, without its port."""
    return address[1:].partition("]")[0] if address.startswith("[") else address.partition(":")[0]
