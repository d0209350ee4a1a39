"""The thumbs of viewers, with the words and settings of the clips, in a file of one JSON object a line."""

import json
import os
from pathlib import Path
from threading import Lock
from typing import Any

from reelm.storage.atomic import write_bytes


class Ratings:
    """The file. Any thread may use it."""

    def __init__(self, path: Path):
        self._path, self._lock = path, Lock()

    def add(self, rating: dict[str, Any]) -> None:
        """Store a rating, in the place of an earlier one of the same clip: `video` is the id of the clip."""
        self.forget(rating["video"])
        with self._lock:
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0) as file:
                file.write(json.dumps(rating).encode() + b"\n")

    def forget(self, job_id: str) -> None:
        """Remove the ratings of a clip, and with them its words."""
        with self._lock:
            if not self._path.exists():
                return
            lines = self._path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line).get("video") != job_id]
            if len(kept) < len(lines):
                write_bytes(self._path, b"".join(kept))
                self._path.chmod(0o600)
