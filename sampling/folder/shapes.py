"""Check that the tensors in a model folder are those that its configurations ask for.

In: configurations and parameters. Out: nothing, or a RequestError that names a tensor. The shapes come from the nets
themselves, which takes a second. So a folder that was found right, or was written here, is remembered and not checked
again.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from reelm.errors import RequestError, reason
from reelm.storage.atomic import write_bytes
from reelm.storage.home import home
from reelm.storage.tensors import flattened
from reelm.tokenizer.text_encoders import KINDS, Kind

from .manifest import (
    AUDIO_FILE,
    DESCRIBER_FILE,
    ENCODER_FILE,
    MANIFEST,
    PROMPT_RETRIEVAL_FILE,
    RETRIEVAL_ENCODER_FILE,
    UPSCALER_FILE,
    VIDEO_FILE,
    Manifest,
    PromptRetrievalPart,
)

_MOST = 2**20  # of anything that a configuration counts: above it a net could not even be described
_REPEATED = ("encoder_blocks", "decoder_blocks", "blocks", "levels", "groups", "sound_levels")


def check_shapes(folder: Path, manifest: Manifest, params: Mapping[str, dict]) -> None:
    """Check the parameters of a folder, by the names of their files.

    Raises:
        RequestError: a tensor is missing, is too much or has another shape, or a configuration describes no net.
    """
    if _mark(folder).is_file():
        return
    from reelm.lm import describer_net
    from reelm.lm.net import transformer
    from reelm.tokenizer.audio import tokenizer as audio_tokenizer
    from reelm.tokenizer.upscaling import net as upscaler_net
    from reelm.tokenizer.video import tokenizer as video_tokenizer

    parts = manifest.parts
    nets: list[tuple[str, Any, Callable[..., dict]]] = [
        (VIDEO_FILE, parts.video_tokenizer, video_tokenizer.init_params),
        (AUDIO_FILE, parts.audio_tokenizer, audio_tokenizer.init_params),
        *((file, part, transformer.init_params) for file, part in parts.language_models.items()),
        (DESCRIBER_FILE, parts.describer, describer_net.init_params),
        (UPSCALER_FILE, parts.upscaler, upscaler_net.init_params),
    ]
    for file, part, init in nets:
        if part is not None:
            _check(folder / file, part.config, init, params[file])
    if parts.prompt_retrieval is not None:
        _check_prompt_retrieval(folder, parts.prompt_retrieval, params)
    if parts.text_encoder is not None and ENCODER_FILE in params:
        _check_encoder(folder / ENCODER_FILE, KINDS[parts.text_encoder.kind], params[ENCODER_FILE])
    remember(folder)


def _check_prompt_retrieval(folder: Path, part: PromptRetrievalPart, params: Mapping[str, dict]) -> None:
    captions = len(part.captions)
    # The width of embeddings and that of the net are known only from this tensor.
    inner = flattened(params[PROMPT_RETRIEVAL_FILE]).get("known/in/kernel")
    width, hidden = (None, None) if inner is None or inner.ndim != 2 else inner.shape
    wanted = {"kernel": (width, captions), "bias": (captions,), "known/in/kernel": (width, hidden)}
    wanted |= {"known/in/bias": (hidden,), "known/out/kernel": (hidden, 1), "known/out/bias": (1,)}
    _compare(folder / PROMPT_RETRIEVAL_FILE, wanted, params[PROMPT_RETRIEVAL_FILE])
    if part.encoder is not None:
        _check_encoder(folder / RETRIEVAL_ENCODER_FILE, KINDS[part.encoder.kind], params[RETRIEVAL_ENCODER_FILE])


def remember(folder: Path) -> None:
    """Remember that the folder, as it is now, is right."""
    with suppress(OSError, RequestError):  # a home that cannot be written costs a second at the next opening
        _mark(folder).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(_mark(folder), b"")


def _mark(folder: Path) -> Path:
    """Return the file that marks a folder as checked. model.json has the digests of all its other files."""
    return home() / "checked" / hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _check(path: Path, config: Any, init: Callable[..., dict], params: dict) -> None:
    counts = asdict(config)
    where = f"{path.parent / MANIFEST} is damaged: the configuration of {path.name}"
    if large := [count for count in jax.tree.leaves(counts) if isinstance(count, int) and abs(count) > _MOST]:
        raise RequestError(f"{where} has a size of {large[0]}; at most {_MOST} is read")
    if many := [name for name in _REPEATED if _number(counts.get(name, 0)) > len(flattened(params))]:
        raise RequestError(f"{where} has {many[0]} of {counts[many[0]]}, more than the file has tensors")
    try:
        wanted = jax.eval_shape(partial(init, config), jax.random.key(0))
    except Exception as error:  # nets raise errors of many types for sizes that do not fit together
        raise RequestError(f"{where} describes no net ({type(error).__name__}: {reason(error)})") from error
    _compare(path, {name: leaf.shape for name, leaf in flattened(wanted).items()}, params)


def _number(count: Any) -> int:
    """Return a count, or 0 for a field with the same name that is not a count, such as the levels of a video code."""
    return count if isinstance(count, int) else 0


def _compare(path: Path, wanted: Mapping[str, tuple[int | None, ...]], params: dict) -> None:
    there = {name: leaf.shape for name, leaf in flattened(params).items()}
    for name in sorted({*wanted, *there}):
        if wanted.get(name) != there.get(name):
            asked, found = (str(list(shapes[name])) if name in shapes else "absent" for shapes in (wanted, there))
            raise RequestError(
                f"{path} does not fit {MANIFEST}: the tensor {name} is {found}, the configuration asks for {asked}"
            )


def _check_encoder(path: Path, kind: Kind, params: dict) -> None:
    if not kind.carried:
        return
    ids, mask = jnp.zeros((1, 2), jnp.int32), jnp.ones((1, 2), bool)
    try:
        jax.eval_shape(kind.forward, params, ids, mask)
    except Exception as error:  # a tensor that is missing or of another shape shows where it is used
        raise RequestError(f"{path} holds no {kind.name} ({type(error).__name__}: {reason(error)})") from error
