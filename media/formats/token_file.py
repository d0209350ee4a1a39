"""Token files: the codes of a clip as .npz."""

from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.storage.atomic import replacing

_TOKEN_FIELDS = ("video", "fps", "frames", "height", "width", "times", "tokenizer_hash", "model")


def write_token_file(path: Path, arrays: dict[str, Any]) -> None:
    """Write the fields of a token file, compressed, whole or not at all."""
    import numpy as np

    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_token_file(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive raises as many kinds of error as it has parts
        raise RequestError(f"{path} is no token file, or a damaged one; `reelm tokenize` writes them") from error
    missing = [name for name in _TOKEN_FIELDS if name not in arrays]
    if missing:
        raise RequestError(f"{path} is no token file: it lacks {', '.join(missing)}; `reelm tokenize` writes them")
    if arrays["video"].ndim != 3 or 0 in arrays["video"].shape:
        raise RequestError(f"{path} holds codes of the shape {list(arrays['video'].shape)}; a clip's are [t, h, w]")
    return arrays
