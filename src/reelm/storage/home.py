"""Where what does not ship is kept: data that was fetched, compiled programs, embeddings of prompts."""

import os
from pathlib import Path


def home() -> Path:
    """`$REELM_HOME`, by default `~/.cache/reelm`."""
    return Path(os.environ.get("REELM_HOME") or Path.home() / ".cache" / "reelm")
