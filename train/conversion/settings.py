"""The settings that a VidTok was published with: the YAML beside its weights.

In: the file. Out: those settings that no shape of a tensor tells. Where there is no such file, the names of the
published ones do.
"""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_text, shown

_NEWER = ("v1_1", "v1.1")  # in names of files and classes


class Settings(NamedTuple):
    """Settings of a VidTok.

    Attributes:
        levels: of each latent; None where they are not known.
        newer: whether it is a VidTok v1.1, whose layers begin and double time in another way.
    """

    levels: tuple[int, ...] | None
    newer: bool


def of_name(path: Path) -> Settings:
    """Return what the name of a file of weights says."""
    return Settings(None, any(mark in path.name for mark in _NEWER))


def read_settings(path: Path) -> Settings:
    """Return the settings in a YAML file; RequestError when it is none, or is not that of a tokenizer with FSQ."""
    try:
        found = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise RequestError(f"{path} is no YAML ({' '.join(str(error).split())[:120]})") from error
    model = _inside(found, "model")
    regularizer = _inside(model, "params", "regularizer_config")
    kind = str(regularizer.get("target", "")).rpartition(".")[2]
    if kind != "FSQRegularizer":
        raise RequestError(
            f"{path} is of a tokenizer with the regularizer {shown(kind)}; only FSQRegularizer makes codes"
        )
    levels = parsed(tuple[int, ...], _inside(regularizer, "params").get("levels"), str(path))
    encoder = str(_inside(model, "params", "encoder_config").get("target", ""))
    if "noncausal" in encoder:
        raise RequestError(f"{path} is of a noncausal VidTok, whose codes depend on later frames; a causal one is read")
    targets = (encoder, str(model.get("target", "")))
    return Settings(levels, any(mark in target for mark in _NEWER for target in targets))


def _inside(value: Any, *names: str) -> dict[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
