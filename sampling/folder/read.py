"""Read a model folder and check its files.

model.json                    format, configs of the parts, defaults, sha256 of the other files, training record
video_tokenizer.safetensors
audio_tokenizer.safetensors   only of models with sound
lm.safetensors, text.model    together or not at all: a folder without them has tokenizers only
lm_2.safetensors, ...         only of models with specialists: language models for what the first one never learned,
                              whole or as differences from it
text_encoder.safetensors      only of models with a small frozen text encoder; see text_parts.py for large ones
prompt_retrieval.safetensors  only of models that reword prompts
prompt_retrieval_encoder.safetensors  its sentence encoder, whose pieces are in prompt_retrieval.model
describer.safetensors         only of models that describe clips
upscaler.safetensors          only of models that enlarge clips
README.md                     the model card, for people
"""

from pathlib import Path

import jax.numpy as jnp
from jax.sharding import Mesh

from reelm.device import device
from reelm.lm.describer import Describer
from reelm.lm.language_model import LanguageModel
from reelm.lm.parameters import NumberFormat, check_mesh
from reelm.sampling.parts import ModelParts
from reelm.storage.tensors import unpack
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from . import shipped, text_parts
from .manifest import AUDIO_FILE, DESCRIBER_FILE, LM_FILE, UPSCALER_FILE, VIDEO_FILE, read_files, read_manifest
from .shapes import check_shapes


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
        RequestError: another format, a missing or altered file, tensors or fields that do not fit together, another
            text encoder than the model names, an unknown number format, or a mesh that does not fit the model.
    """
    number_format = number_format or device().number_format
    manifest = read_manifest(folder)
    data, parts = read_files(folder, manifest), manifest.parts
    params = _params(folder, data)
    if not shipped.holds(folder):
        check_shapes(folder, manifest, params)
    tokenizer = VideoTokenizer(parts.video_tokenizer.config, params[VIDEO_FILE], parts.video_tokenizer.hash)
    audio, lms, describer, retrieval, upscaler = None, list[LanguageModel](), None, None, None
    if parts.audio_tokenizer is not None:
        audio = AudioTokenizer(parts.audio_tokenizer.config, params[AUDIO_FILE], parts.audio_tokenizer.hash)
    if parts.lm is not None:
        text = text_parts.opened(parts.lm.config, parts.text_encoder, data, params, text_encoder)
        for file, part in parts.language_models.items():
            if mesh is not None:
                check_mesh(part.config, dict(mesh.shape))
            lms.append(
                LanguageModel(part.config, params[file], text, part.tasks, number_format, mesh, part.training_domain)
            )
    if parts.describer is not None:
        describer = Describer(parts.describer.config, params[DESCRIBER_FILE])
    if parts.prompt_retrieval is not None:
        read = lms[0].text if lms else None
        retrieval = text_parts.opened_prompt_retrieval(parts.prompt_retrieval, data, params, read)
    if parts.upscaler is not None:
        upscaler = Upscaler(parts.upscaler.config, params[UPSCALER_FILE])
    activations = jnp.dtype(device().int8_activations if number_format == "int8" else number_format)
    return ModelParts(
        name=name,
        video_tokenizer=tokenizer,
        lm=lms[0] if lms else None,
        defaults=manifest.defaults,
        record=manifest.record,
        dtype=activations,
        audio_tokenizer=audio,
        describer=describer,
        prompt_retrieval=retrieval,
        specialists=tuple(lms[1:]),
        upscaler=upscaler,
    )


def _params(folder: Path, data: dict[str, bytes]) -> dict[str, dict]:
    """Return the parameters of each file that holds some. Specialists may be differences from the language model."""
    lm = unpack(data[LM_FILE], folder / LM_FILE) if LM_FILE in data else {}
    names = [name for name in data if name.endswith(".safetensors") and name != LM_FILE]
    return {LM_FILE: lm} | {name: unpack(data[name], folder / name, base=lm) for name in names}
