"""Describe a model, for `reelm info` and the model card.

In: the manifest of a model, and how much each of its files holds. Out: JSON values. No net is made, so nothing here
needs JAX.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reelm.lm.net.config import LMConfig
from reelm.lm.training_domain import TrainingDomain
from reelm.media.formats.allowed import summary
from reelm.storage.tensors import shapes
from reelm.tokenizer.upscaling.config import SCALES

from .manifest import (
    AUDIO_FILE,
    DESCRIBER_FILE,
    LM_FILE,
    PIECES_FILE,
    UPSCALER_FILE,
    VIDEO_FILE,
    LMPart,
    Manifest,
    TextEncoderPart,
    read_manifest,
)
from .text_parts import opened_pieces


def read_info(folder: Path, name: str) -> dict[str, Any]:
    """Return the description of the model in a folder, called `name`; see `info`.

    RequestError when there is no such model, or the header of one of its files cannot be read.
    """
    manifest = read_manifest(folder)
    files = [file for file in manifest.parts.files() if file.endswith(".safetensors")]
    base = shapes(folder / LM_FILE) if LM_FILE in files else {}
    found = {file: base if file == LM_FILE else shapes(folder / file, base) for file in files}
    counts = {file: sum(map(math.prod, each.values())) for file, each in found.items()}
    if manifest.parts.reads_pieces:
        counts[PIECES_FILE] = opened_pieces((folder / PIECES_FILE).read_bytes()).vocabulary
    return info(name, manifest, counts)


def info(name: str, manifest: Manifest, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return sizes, valid shapes and numbers of codes, as JSON values.

    Args:
        name: of the model.
        manifest: of the model.
        counts: parameters in each file of a net, and pieces in `PIECES_FILE` where a model learned its own.
    """
    parts = manifest.parts
    video = parts.video_tokenizer.config
    about: dict[str, Any] = {
        "video tokenizer": {
            "parameters": counts[VIDEO_FILE],
            "bits": video.bits,
            "frames": f"1 + {video.time_stride}k",
            "height and width": f"multiples of {video.space_stride}",
            **video.memory_notes(),
            "hash": parts.video_tokenizer.hash,
        },
    }
    if parts.audio_tokenizer is not None:
        audio = parts.audio_tokenizer.config
        about["audio tokenizer"] = {
            "parameters": counts[AUDIO_FILE],
            "sound": f"{audio.sample_rate} Hz, {'mono' if audio.channels == 1 else 'stereo'}",
            "audio frames a second": float(audio.frame_rate),
            "codes of an audio frame": f"{audio.levels} of {audio.bits} bits",
            "bits a second": ", ".join(
                f"{float(audio.frame_rate) * levels * audio.bits:g} ({levels} levels)"
                for levels in (*audio.fewer_levels, audio.levels)
            ),
            "hash": parts.audio_tokenizer.hash,
        }
    if parts.lm is not None:
        about |= _language_model(manifest, parts.lm, counts)
    for number, (file, part) in enumerate(list(parts.language_models.items())[1:], 1):
        about[f"specialist {number}"] = {"parameters": counts[file], **_trained_for(part)}
    if parts.upscaler is not None:
        about["upscaler"] = {
            "parameters": counts[UPSCALER_FILE],
            "scales": ", ".join(map(str, SCALES)),
            "frames looked at": parts.upscaler.config.past + 1,
        }
    total = sum(part.get("parameters", 0) for part in about.values())
    named = {"name": name, "parameters": total, **about, "files that are read": summary()}
    return named | ({"record": manifest.record} if manifest.record else {})


def _trained_for(part: LMPart) -> dict[str, str]:
    """Return the tasks, the keys and the steering that a language model was trained for."""
    about = {
        "tasks": ", ".join(part.tasks),
        "keys": ", ".join(part.config.keys),
        "steered by": ", ".join(_steered_by(part.config)),
    }
    return {name: text for name, text in about.items() if text}


def _steered_by(config: LMConfig) -> Iterator[str]:
    """Yield what steers the pictures besides keys, in the words of the options."""
    if config.tracks:
        yield f"tracks of {config.tracks} subjects"
    yield from (f"control ({kind})" for kind in config.structures)
    yield from (name for name in ("camera", "motion") if getattr(config, name))


def _language_model(manifest: Manifest, part: LMPart, counts: Mapping[str, int]) -> dict[str, Any]:
    parts, defaults, config = manifest.parts, manifest.defaults, part.config
    video = parts.video_tokenizer.config
    rows, columns = video.latent_shape(1, defaults.height, defaults.width)[1:]
    window = config.layout(config.frames, rows, columns)
    cache = 2 * config.layers * window.slots * config.kv_heads * config.head_width
    about: dict[str, Any] = {
        "language model": {
            "parameters": counts[LM_FILE],
            **_trained_for(part),
            "window": f"{video.frames_of(config.frames)} frames",
            "codes of a default clip": window.end(video.latent_frames(defaults.num_frames)),
            "memory of its weights": f"{4 * counts[LM_FILE] / 2**20:.1f} MiB in float32",
            "memory of its cache": f"{4 * cache / 2**20:.1f} MiB in float32",
        }
    }
    if trained := _trained(part.training_domain):
        about["trained on"] = trained
    if parts.describer is not None:
        about["describer"] = {
            "parameters": counts[DESCRIBER_FILE],
            "words": ", ".join(map("/".join, parts.describer.config.words)),
        }
    about["text"] = _text(config, parts.text_encoder, counts)
    if parts.prompt_retrieval is not None:
        encoder = parts.prompt_retrieval.encoder or parts.text_encoder
        captions, names = len(parts.prompt_retrieval.captions), len(parts.prompt_retrieval.names)
        about["text"]["prompt retrieval"] = f"{captions} captions, {names} more names"
        about["text"]["prompt retrieval reads through"] = "pieces" if encoder is None else encoder.kind
    about["defaults"] = asdict(defaults)
    return about


def _text(config: LMConfig, encoder: TextEncoderPart | None, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return a description of the text tokenizer or encoder of a model."""
    if encoder is None:
        return {"kind": "pieces, learned with the model", "pieces": counts[PIECES_FILE]}
    named = "named when the model is loaded (text_encoder)"
    return {
        "kind": encoder.kind,
        "width": config.text_width,
        "rows": config.text_slots,
        "weights": "in the model's folder" if encoder.is_carried else named,
        "hash": encoder.hash,
    }


def _trained(domain: TrainingDomain) -> dict[str, str]:
    """Return what the training saw, as far as it was recorded."""
    about = {
        "sizes": ", ".join(f"{columns}x{rows}" for rows, columns in domain.sizes),
        "frames a second": ", ".join(f"{rate:g}" for rate in domain.rates),
        "longest clip": f"{domain.frames} frames" if domain.frames else "",
        "words": ", ".join(domain.words),
        "least similarity of a prompt": "" if domain.similarity is None else f"{domain.similarity:.3f}",
    }
    return {name: text for name, text in about.items() if text}
