"""model.json, the manifest of a model folder, as dataclasses with the fields of the file.

In: a folder. Out: its `Manifest`, each field checked, and the bytes of the files that it names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.lm.describer_config import DescriberConfig
from reelm.lm.net.config import LMConfig
from reelm.lm.tasks import Task
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.options import Defaults
from reelm.storage.fields import check_format, parsed, read_json, shown
from reelm.storage.tensors import StoredType
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.text_encoders import KINDS, EncoderKind
from reelm.tokenizer.upscaling.config import UpscalerConfig

FORMAT = 5
CARD = "README.md"
MANIFEST, VIDEO_FILE, AUDIO_FILE = "model.json", "video_tokenizer.safetensors", "audio_tokenizer.safetensors"
LM_FILE, DESCRIBER_FILE = "lm.safetensors", "describer.safetensors"
PROMPT_RETRIEVAL_FILE = "prompt_retrieval.safetensors"
PIECES_FILE, ENCODER_FILE = "text.model", "text_encoder.safetensors"
RETRIEVAL_PIECES_FILE, RETRIEVAL_ENCODER_FILE = "prompt_retrieval.model", "prompt_retrieval_encoder.safetensors"
UPSCALER_FILE = "upscaler.safetensors"
_FILES = (VIDEO_FILE, AUDIO_FILE, LM_FILE, DESCRIBER_FILE, PROMPT_RETRIEVAL_FILE, PIECES_FILE, ENCODER_FILE)
_FILES += (RETRIEVAL_PIECES_FILE, RETRIEVAL_ENCODER_FILE, UPSCALER_FILE)
_MOST_SPECIALISTS = 8


def lm_files(count: int) -> list[str]:
    """Return the files of so many language models of one model: the first, then its specialists."""
    return [LM_FILE, *(f"lm_{number}.safetensors" for number in range(2, count + 1))][:count]


@dataclass(frozen=True, kw_only=True)
class VideoPart:
    """A video tokenizer; `hash` is that of its codes."""

    config: VideoConfig
    hash: str


@dataclass(frozen=True, kw_only=True)
class AudioPart:
    """An audio tokenizer; `hash` is that of its codes."""

    config: AudioTokenizerConfig
    hash: str


@dataclass(frozen=True, kw_only=True)
class LMPart:
    """A language model or a specialist, the tasks that it was trained for, and what else its training saw."""

    config: LMConfig
    tasks: tuple[Task, ...]
    training_domain: TrainingDomain = TrainingDomain()


@dataclass(frozen=True, kw_only=True)
class TextEncoderPart:
    """The frozen encoder that reads the prompts: one that the folder holds, or one that it names by its hash."""

    kind: EncoderKind
    hash: str

    @property
    def is_carried(self) -> bool:
        """Whether the folder holds it."""
        return bool(KINDS[self.kind].carried)


@dataclass(frozen=True, kw_only=True)
class DescriberPart:
    """A describer."""

    config: DescriberConfig


@dataclass(frozen=True, kw_only=True)
class UpscalerPart:
    """An upscaler."""

    config: UpscalerConfig


@dataclass(frozen=True, kw_only=True)
class PromptRetrievalPart:
    """The words of a `PromptRetrieval`, and its sentence encoder; None for that of the language model."""

    captions: tuple[str, ...]
    modifiers: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    encoder: TextEncoderPart | None = None

    def __post_init__(self):
        if wrong := sorted({*self.names.values()} - {*self.captions}):
            raise RequestError(f"names of prompt retrieval are of captions that it has, not of {wrong[0]!r}")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a model; None for one that it lacks."""

    video_tokenizer: VideoPart
    audio_tokenizer: AudioPart | None = None
    lm: LMPart | None = None
    specialists: tuple[LMPart, ...] = ()
    text_encoder: TextEncoderPart | None = None
    describer: DescriberPart | None = None
    prompt_retrieval: PromptRetrievalPart | None = None
    upscaler: UpscalerPart | None = None

    def __post_init__(self):
        if self.specialists and self.lm is None:
            raise RequestError("specialists need a language model, and there is none")
        if len(self.specialists) > _MOST_SPECIALISTS:
            raise RequestError(f"a model has {_MOST_SPECIALISTS} specialists at most, not {len(self.specialists)}")

    @property
    def language_models(self) -> "Mapping[str, LMPart]":
        """The language model and the specialists, by their files."""
        parts = () if self.lm is None else (self.lm, *self.specialists)
        return dict(zip(lm_files(len(parts)), parts, strict=True))

    @property
    def reads_pieces(self) -> bool:
        """Whether the language model learned pieces of words of its own."""
        return self.lm is not None and self.text_encoder is None

    def files(self) -> set[str]:
        """Return the names of the files that hold these parts."""
        carried = self.text_encoder is not None and self.text_encoder.is_carried
        takes = {
            VIDEO_FILE: True,
            AUDIO_FILE: self.audio_tokenizer is not None,
            PIECES_FILE: self.lm is not None and (self.text_encoder is None or carried),
            ENCODER_FILE: self.lm is not None and carried,
            DESCRIBER_FILE: self.describer is not None,
            PROMPT_RETRIEVAL_FILE: self.prompt_retrieval is not None,
            UPSCALER_FILE: self.upscaler is not None,
            RETRIEVAL_ENCODER_FILE: self.prompt_retrieval is not None and self.prompt_retrieval.encoder is not None,
            RETRIEVAL_PIECES_FILE: self.prompt_retrieval is not None and self.prompt_retrieval.encoder is not None,
        }
        return {*self.language_models, *(name for name, taken in takes.items() if taken)}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of model.json.

    Attributes:
        dtype: number format of the stored matrices.
        parts: configurations and hashes.
        defaults: of requests.
        files: sha256 of each other file.
        record: how the weights were made.
    """

    dtype: StoredType
    parts: Parts
    defaults: Defaults
    files: Mapping[str, str]
    record: dict[str, Any]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a model folder; RequestError when there is none, or a field is not what it must be."""
    path = folder / MANIFEST
    if not path.is_file():
        raise RequestError(f"{folder} is not a model folder: it has no {MANIFEST}; `reelm export` makes one")
    manifest = parsed(Manifest, check_format(read_json(path), FORMAT, str(path)), str(path))
    wanted, named = manifest.parts.files(), {*manifest.files}
    if unknown := sorted(named - {*_FILES} - wanted):
        raise RequestError(f"{path} names the file {shown(unknown[0])}, which no model has")
    if missing := sorted(wanted - named):
        raise RequestError(f"{path} is damaged: it does not name the file {missing[0]} of a part that it has")
    return manifest


def read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Return the files of a folder by name, each checked against the digest in the manifest."""
    data = {}
    for file, digest in manifest.files.items():
        path = folder / file
        if not path.is_file():
            raise RequestError(f"{path} is missing; fetch the model again")
        data[file] = path.read_bytes()
        if hashlib.sha256(data[file]).hexdigest() != digest:
            raise RequestError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}; fetch the model again")
    return data
