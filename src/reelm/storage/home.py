"""The folder of everything that does not ship: fetched data, compiled programs, embeddings of prompts."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder: `$REELM_HOME`, by default `~/.cache/reelm`."""
    return Path(os.environ.get("REELM_HOME") or Path.home() / ".cache" / "reelm")


def datasets_folder() -> Path:
    """Return the default folder of data sets on disk: `$REELM_HOME/datasets`."""
    return home() / "datasets"
