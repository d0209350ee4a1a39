"""Read a model folder and check its files.

model.json                    format, configs of the parts, defaults, sha256 of the other files, training record
video_tokenizer.safetensors
audio_tokenizer.safetensors   only of models with sound
lm.safetensors, text.model    together or not at all: a folder without them has tokenizers only
text_encoder.safetensors      only of models that read a small frozen encoder; see text_files.py for large ones
thesaurus.safetensors         only of models that are told in other words than their captions'
describer.safetensors         only of models that say what a clip is called
README.md                     the model card, for people
"""

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reelm.errors import RequestError
from reelm.lm.describer import Describer, DescriberConfig
from reelm.lm.net.config import LMConfig
from reelm.lm.parameters import NumberFormat, check_mesh
from reelm.sampling.parts import Defaults, LanguageModel, ModelParts
from reelm.storage.tensors import unpack
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.thesaurus import Thesaurus
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from . import text_parts

FORMAT = 3
CARD = "README.md"
MANIFEST, VIDEO_FILE, AUDIO_FILE = "model.json", "video_tokenizer.safetensors", "audio_tokenizer.safetensors"
LM_FILE, DESCRIBER_FILE, THESAURUS_FILE = "lm.safetensors", "describer.safetensors", "thesaurus.safetensors"


def read(
    folder: Path,
    name: str,
    *,
    mesh: Mesh | None = None,
    number_format: NumberFormat | None = None,
    text_encoder: Path | None = None,
) -> ModelParts:
    """Return the parts that a model folder holds; see `reelm.load` for the arguments.

    Raises:
        RequestError: another format, a missing or altered file, another text encoder than the model names, an unknown
            number format, or a mesh that does not fit the model.
    """
    if number_format not in (None, *get_args(NumberFormat)):
        raise RequestError(f"dtype is {number_format!r}; choose one of {', '.join(get_args(NumberFormat))}")
    on_cpu = jax.default_backend() == "cpu"
    number_format = number_format or ("float32" if on_cpu else "bfloat16")
    manifest = _manifest(folder)
    data, parts = _files(folder, manifest), manifest["parts"]
    video, audio = parts["video_tokenizer"], None
    tokenizer = VideoTokenizer(
        VideoTokenizerConfig(**video["config"]), unpack(data[VIDEO_FILE], VIDEO_FILE), video["hash"]
    )
    if (part := parts.get("audio_tokenizer")) is not None:
        params = unpack(data[AUDIO_FILE], AUDIO_FILE)
        audio = AudioTokenizer(AudioTokenizerConfig(**part["config"]), params, part["hash"])
    lm = None
    if (part := parts.get("lm")) is not None:
        params, config = unpack(data[LM_FILE], LM_FILE), LMConfig(**part["config"])
        text = text_parts.opened(config, parts, data, text_encoder)
        if mesh is not None:
            check_mesh(config, dict(mesh.shape))
        lm = LanguageModel(config, params, text, tuple(part["tasks"]), number_format, mesh)
    describer = None
    if (part := parts.get("describer")) is not None:
        describer = Describer(DescriberConfig(**part["config"]), unpack(data[DESCRIBER_FILE], DESCRIBER_FILE))
    thesaurus = None
    if (part := parts.get("thesaurus")) is not None:
        params = unpack(data[THESAURUS_FILE], THESAURUS_FILE)
        thesaurus = Thesaurus(tuple(part["captions"]), part["modifiers"], params)
    wide = number_format == "float32" or (number_format == "int8" and on_cpu)
    activations = jnp.dtype("float32" if wide else "bfloat16")
    defaults, record = Defaults(**manifest["defaults"]), manifest["record"]
    return ModelParts(name, tokenizer, lm, defaults, record, activations, audio, describer, thesaurus)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise RequestError(f"{folder} is no model folder: it has no {MANIFEST}; `reelm export` makes one")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is damaged ({error}); fetch the model again") from error
    if version != FORMAT:
        raise RequestError(f"{path} is of format {version}, this version of reelm reads format {FORMAT}")
    return manifest


def _files(folder: Path, manifest: dict[str, Any]) -> dict[str, bytes]:
    """The files of a folder by name, once they are known to be those that its manifest names."""
    data = {}
    for file, digest in manifest["files"].items():
        path = folder / file
        if not path.is_file():
            raise RequestError(f"{path} is missing; fetch the model again")
        data[file] = path.read_bytes()
        if hashlib.sha256(data[file]).hexdigest() != digest:
            raise RequestError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}; fetch the model again")
    return data
