"""The settings that a tokenizer was published with: the YAML beside its weights.

In: the file. Out: of a VidTok, those settings that no shape of a tensor tells. Where there is no such file, the names
of the published ones do. Of an Open-MAGVIT2, sizes that its tensors must have.
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
    model = _inside(_yaml(path), "model")
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


def check_sizes(path: Path, sizes: dict[str, Any]) -> None:
    """Raise a RequestError unless the YAML of an Open-MAGVIT2 has these sizes of nets."""
    said = _inside(_yaml(path), "model", "init_args", "ddconfig")
    for name, value in sizes.items():
        if said.get(name) != value:
            raise RequestError(
                f"{path} says {name} {shown(said.get(name))}, the tensors {shown(value)}; they are of another file"
            )


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise RequestError(f"{path} is no YAML ({' '.join(str(error).split())[:120]})") from error


def _inside(value: Any, *names: str) -> dict[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
