"""Describe a model, for `reelm info` and the model card."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from reelm.lm.language_model import LanguageModel
from reelm.lm.net.config import LMConfig
from reelm.lm.scope import Scope
from reelm.sampling.parts import ModelParts

from . import text_parts


def info(model: ModelParts) -> dict[str, Any]:
    """Return sizes, valid shapes and numbers of codes, as JSON values."""
    video = model.video_tokenizer.config
    about: dict[str, Any] = {
        "video tokenizer": {
            "parameters": _parameters(model.video_tokenizer.params),
            "bits": video.bits,
            "frames": f"1 + {video.time_stride}k",
            "height and width": f"multiples of {video.space_stride}",
            **video.memory_notes(),
            "hash": model.video_tokenizer.hash,
        },
    }
    if model.audio_tokenizer is not None:
        audio = model.audio_tokenizer.config
        about["audio tokenizer"] = {
            "parameters": _parameters(model.audio_tokenizer.params),
            "sound": f"{audio.sample_rate} Hz, {'mono' if audio.channels == 1 else 'stereo'}",
            "audio frames a second": float(audio.frame_rate),
            "codes of an audio frame": f"{audio.levels} of {audio.bits} bits",
            "bits a second": ", ".join(
                f"{float(audio.frame_rate) * levels * audio.bits:g} ({levels} levels)"
                for levels in (*audio.fewer_levels, audio.levels)
            ),
            "hash": model.audio_tokenizer.hash,
        }
    if model.lm is not None:
        about |= _language_model(model, model.lm)
    for number, specialist in enumerate(model.specialists, 1):
        about[f"specialist {number}"] = {"parameters": _parameters(specialist.params), **_trained_for(specialist)}
    if model.upscaler is not None:
        about["upscaler"] = {
            "parameters": _parameters(model.upscaler.params),
            "scales": ", ".join(map(str, model.scales)),
            "frames looked at": model.upscaler.config.past + 1,
        }
    total = sum(part.get("parameters", 0) for part in about.values())
    named = {"name": model.name, "parameters": total, **about}
    return named | ({"record": model.record} if model.record else {})


def _trained_for(lm: LanguageModel) -> dict[str, str]:
    """Return the tasks, the keys and the steering that a language model was trained for."""
    about = {
        "tasks": ", ".join(lm.tasks),
        "keys": ", ".join(lm.config.keys),
        "steered by": ", ".join(_steered_by(lm.config)),
    }
    return {name: text for name, text in about.items() if text}


def _steered_by(config: LMConfig) -> Iterator[str]:
    """Yield what steers the pictures besides keys, in the words of the options."""
    if config.tracks:
        yield f"tracks of {config.tracks} subjects"
    yield from (f"control ({kind})" for kind in config.structures)
    yield from (name for name in ("camera", "motion") if getattr(config, name))


def _language_model(model: ModelParts, lm: LanguageModel) -> dict[str, Any]:
    defaults, config = model.defaults, lm.config
    rows, columns = model.video_tokenizer.config.latent_shape(1, defaults.height, defaults.width)[1:]
    window = config.layout(config.frames, rows, columns)
    cache = 2 * config.layers * window.slots * config.kv_heads * config.head_width
    about: dict[str, Any] = {
        "language model": {
            "parameters": _parameters(lm.params),
            **_trained_for(lm),
            "window": f"{model.longest} frames",
            "codes of a default clip": window.end(model.latent_frames(defaults.num_frames)),
            "memory of its weights": f"{4 * _parameters(lm.params) / 2**20:.1f} MiB in float32",
            "memory of its cache": f"{4 * cache / 2**20:.1f} MiB in float32",
        }
    }
    if trained := _trained(lm.scope):
        about["trained on"] = trained
    if model.describer is not None:
        about["describer"] = {
            "parameters": _parameters(model.describer.params),
            "words": ", ".join(map("/".join, model.describer.config.words)),
        }
    about["text"] = text_parts.about(lm.text)
    if model.thesaurus is not None:
        captions, names = len(model.thesaurus.captions), len(model.thesaurus.names)
        about["text"]["thesaurus"] = f"{captions} captions, {names} more names"
        about["text"]["thesaurus reads through"] = model.thesaurus.encoder.kind
    about["defaults"] = asdict(defaults)
    return about


def _trained(scope: Scope) -> dict[str, str]:
    """Return what the training saw, as far as it was recorded."""
    about = {
        "sizes": ", ".join(f"{columns}x{rows}" for rows, columns in scope.sizes),
        "frames a second": ", ".join(f"{rate:g}" for rate in scope.rates),
        "longest clip": f"{scope.frames} frames" if scope.frames else "",
        "words": ", ".join(scope.words),
        "least similarity of a prompt": "" if scope.likeness is None else f"{scope.likeness:.3f}",
    }
    return {name: text for name, text in about.items() if text}


def _parameters(params: dict) -> int:
    return sum(np.size(leaf) for leaf in jax.tree.leaves(params))
