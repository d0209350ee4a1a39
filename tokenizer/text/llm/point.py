"""Make a folder that points to a published language model, to use it as text encoder.

    python -m reelm.tokenizer.text.llm.point gemma-3-270m.gguf runs/llm --layer -3

In: a GGUF file, or a folder with config.json, safetensors and tokenizer.json; the layer, template and pooling. Out: a
folder with a config.json, for `--text-encoder`. Weights are not copied, and not part of this package.
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

from reelm.errors import RequestError
from reelm.storage.atomic import write_json
from reelm.tokenizer.text.encoder import CONFIG_FILE

from . import files
from .encoder import MODEL_TYPE, LLMEncoder, LLMFolder, Pooling, layer_of
from .vocabulary import PROMPT


def point(
    weights: Path, folder: Path, *, layer: int | None = -3, template: str = PROMPT, pooling: Pooling = "none"
) -> Path:
    """Write the folder and return it.

    Args:
        weights: the published model.
        folder: where to write.
        layer, template, pooling: as in `LLMFolder`.

    Raises:
        RequestError: the model is unknown or damaged, or does not have the layer.
    """
    weights, folder = Path(weights).resolve(), Path(folder)
    found = files.opened(weights)
    layer_of(found.config, layer)
    inside = weights.is_relative_to(folder.resolve())
    settings = LLMFolder(
        model_type=MODEL_TYPE,
        weights=str(weights.relative_to(folder.resolve()) if inside else weights),
        sha256=found.digests(),
        layer=layer,
        template=template,
        pooling=pooling,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG_FILE, vars(settings))
    return folder


def _layer(text: str) -> int | None:
    return None if text == "all" else int(text)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reelm.tokenizer.text.llm.point", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("weights", type=Path, help="GGUF file, or folder of a published model")
    parser.add_argument("folder", type=Path, help="folder to write; name it with --text-encoder")
    parser.add_argument(
        "--layer",
        type=_layer,
        default=-3,
        help="layer whose states the video model reads: 1 is the first, -1 the last, 'all' every layer side by "
        "side (default: -3)",
    )
    parser.add_argument(
        "--template",
        default=PROMPT,
        help="text around the prompt, which replaces {}; the rows of the text before it are dropped (default: {})",
    )
    parser.add_argument(
        "--pooling",
        choices=get_args(Pooling),
        default="none",
        help="none: a row for each token; last: one row for the whole prompt, the last one (default: none)",
    )
    given = parser.parse_args()
    try:
        folder = point(given.weights, given.folder, layer=given.layer, template=given.template, pooling=given.pooling)
        print(f"{folder}: width {LLMEncoder(folder, max_tokens=1).width} (--model.text-width)")
    except (RequestError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
