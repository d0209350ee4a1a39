"""A digest of all that decides what a model draws and how it is judged.

Comes in: the name of a shipped model. Goes out: 16 hex digits of the bytes of its weights and of the sources.
"""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("lm", "sampling", "tokenizer", "evaluation")
"""Folders whose files decide it, besides the weights."""


@cache
def digest(model: str, root: Path = ROOT) -> str:
    """Return the digest for a model. Its card, and what Python compiles, are not looked at."""
    weights = [path for path in (root / "src/reelm/weights" / model).iterdir() if path.suffix != ".md"]
    sources = [path for room in SOURCES for path in (root / room).rglob("*") if "__pycache__" not in path.parts]
    found = hashlib.sha256()
    for path in sorted(path for path in (*weights, *sources) if path.is_file()):
        found.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
