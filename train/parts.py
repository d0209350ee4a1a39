"""Open the trained parts of a model from a training's folder, a model folder, or a shipped model.

In: the location of a part, and the training that makes this kind of part. Out: the part with its averaged parameters.
The checkpoints in a training's folder name their training.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from reelm.data.tokens.index import TokenRun, most_common
from reelm.data.tokens.tokenize import scale_of
from reelm.errors import RequestError
from reelm.lm.control.field import of_source
from reelm.lm.control.sources import SWITCHES
from reelm.lm.describer import Describer
from reelm.lm.describer_config import DescriberConfig
from reelm.lm.language_model import LanguageModel
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.tasks import Task
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.folder.load import load
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.storage.fields import parsed
from reelm.storage.remote import fetched
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.families import parsed_config
from reelm.tokenizer.text.encoder import Text, TextEncoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval
from reelm.tokenizer.text_encoders import load as load_encoder
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.run.checkpoints import Trained, restore_params
from reelm.train.run.config_changes import differences

from .records import is_workdir
from .stages import STAGES, StageName

T = TypeVar("T")

TEXT_FILE = "text.model"
"""File in a language model's workdir that holds its text tokenizer."""


def open_part(where: str | Path, stage: StageName, *, best: bool = False) -> Trained | Model:
    """Return the result in a training's folder, or the model at `where`.

    Args:
        where: the workdir of a training, a model folder, or the name of a shipped model. May be remote.
        stage: the training that the folder must hold.
        best: for a training, take the checkpoint that was best in its evaluations.

    Raises:
        RequestError: the folder holds another training or no checkpoint, or nothing is there.
    """
    where = fetched(where)
    if not is_workdir(where):
        return load(str(where))
    trained = restore_params(Path(where), best=best)
    if trained.stage != stage:
        raise RequestError(f"{where} is a training of stage {trained.stage}, not {STAGES[stage].a_part}")
    return trained


def open_video_tokenizer(where: str | Path, *, best: bool = False) -> VideoTokenizer:
    """Return the video tokenizer at `where`; see `open_part`."""
    part = open_part(where, "video-tokenizer", best=best)
    if isinstance(part, Model):
        return part.video_tokenizer
    return VideoTokenizer(
        parsed_config(part.config.get("model"), f"the record of {where}"),
        part.params,
        part.config.get("codes"),
    )


def open_audio_tokenizer(where: str | Path, *, best: bool = False) -> AudioTokenizer:
    """Return the audio tokenizer at `where`; see `open_part`."""
    part = open_part(where, "audio-tokenizer", best=best)
    if isinstance(part, Model):
        return _present(part.audio_tokenizer, where, "audio-tokenizer")
    config = parsed(AudioTokenizerConfig, part.config.get("model"), f"the record of {where}")
    return AudioTokenizer(config, part.params["tokenizer"], part.config.get("codes"))


def open_describer(where: str | Path, *, best: bool = False) -> tuple[Describer, str | None]:
    """Return (the describer at `where`, the hash of the video tokenizer whose codes it reads); see `open_part`."""
    part = open_part(where, "describer", best=best)
    if isinstance(part, Model):
        return _present(part.describer, where, "describer"), part.video_tokenizer.hash
    describer = Describer(parsed(DescriberConfig, part.config.get("model"), f"the record of {where}"), part.params)
    return describer, part.config["token_sets"][0]["tokenizer_hash"]


def open_upscaler(where: str | Path, *, best: bool = False) -> Upscaler:
    """Return the upscaler at `where`; see `open_part`."""
    part = open_part(where, "upscaler", best=best)
    if isinstance(part, Model):
        return _present(part.upscaler, where, "upscaler")
    return Upscaler(parsed(UpscalerConfig, part.config.get("model"), f"the record of {where}"), part.params)


class OpenedLM(NamedTuple):
    """A language model, with the identity of its codes and the scale of its clips."""

    model: LanguageModel
    size: Defaults
    video_hash: str
    """Hash of the video tokenizer whose codes it was trained on."""
    audio_hash: str | None
    """Hash of the audio tokenizer whose codes it was trained on; None for a silent model."""
    scale: int
    """Factor by which its clips are higher and wider than what the encoder of that video tokenizer sees."""
    prompt_retrieval: PromptRetrieval | None = None
    """Synonyms of its captions; None for a training, which has none."""


def open_lm(where: str | Path, text_encoder: Path | None, *, best: bool = False) -> OpenedLM:
    """Return the language model at `where`; see `open_part`.

    text_encoder: folder of the frozen encoder that reads its captions; None for the one used in training.
    """
    where = fetched(where)
    if not is_workdir(where):
        model = load(str(where), text_encoder=text_encoder)
        lm, audio = model.language_model(), model.audio_tokenizer
        audio_hash = audio.hash if audio and lm.config.sound_levels else None
        video = model.video_tokenizer
        return OpenedLM(lm, model.defaults, video.hash, audio_hash, scale_of(video), model.prompt_retrieval)
    part = open_part(where, "lm", best=best)
    assert isinstance(part, Trained)
    config, token_set = part.config, part.config["token_sets"][0]
    sizes = parsed(LMConfig, config.get("model"), f"the record of {where}")
    text: Text
    if sizes.text_width:
        text = load_encoder(fetched(Path(text_encoder or config["text_encoder"])), max_tokens=sizes.text_slots)
        check_encoder(text, config["text_encoder_hash"], where)
    else:
        text = TextTokenizer((where / TEXT_FILE).read_bytes())
    tasks, domain = _known_to(config, where)
    usual = most_common(TokenRun(*run) for run in token_set["runs"])
    size = Defaults(height=usual.height, width=usual.width, fps=token_set["fps"])
    audio_hash = token_set["sound"][0] if sizes.sound_levels else None
    lm = LanguageModel(sizes, part.params, text, tasks, training_domain=domain)
    return OpenedLM(lm, size, token_set["tokenizer_hash"], audio_hash, token_set.get("scale", 1))


class Start(NamedTuple):
    """A language model to start a training from."""

    params: dict
    """Parameters, layers stacked, with fresh rows where the model to be trained has more."""
    known: dict
    """Which of these values come from the opened model: for each array a bool, or bools `[rows, 1]`."""
    tasks: tuple[Task, ...]
    """The tasks that model was trained for."""
    training_domain: TrainingDomain
    """The domain of its training."""
    text: TextTokenizer | None
    """The text tokenizer of its captions; None if it uses a text encoder."""
    encoder_hash: str
    """Hash of its text encoder; "" if there is none, or if one of another width replaces it."""


def open_start(where: str | Path, model: LMConfig) -> Start:
    """Return the language model at `where`, to start training a `model` from it.

    Of several language models, the first of exactly these sizes is taken, if any. Prefix and clips may have other
    lengths, because no parameter depends on them. A silent model may get sound, and any model more control inputs and
    more kinds of given pictures: it keeps what it has learned. The embeddings of structure are initialised from those
    of the codes. A text encoder of another width may replace the old one; its matrix is fresh. Other differences in
    size raise RequestError.
    """
    part = open_part(where, "lm")
    if isinstance(part, Trained):
        saved, encoder_hash = part.config["model"], part.config.get("text_encoder_hash", "")
        text = None if encoder_hash else TextTokenizer((fetched(Path(where)) / TEXT_FILE).read_bytes())
        params, (tasks, domain) = part.params, _known_to(part.config, where)
    else:
        same = (each for each in part.language_models if each.config == model)
        lm = next(same, _present(part.lm, where, "lm"))
        params, saved, tasks, domain = lm.params, asdict(lm.config), lm.tasks, lm.training_domain
        text, encoder_hash = (lm.text, "") if isinstance(lm.text, TextTokenizer) else (None, lm.text.hash)
    was = _as_json(saved)
    free = {"prefix", "frames"}
    if not was["sound_levels"]:
        free |= {name for name in {**was, **asdict(model)} if name.startswith("sound_")}
    free |= {name for names in SWITCHES.values() if not was.get(names[0]) for name in names}
    if not any(was.get("grid", ())):
        free |= {"grid"}
    if was["picture_kinds"] < model.picture_kinds:
        free |= {"picture_kinds"}
    if 0 < was["text_width"] != model.text_width > 0:
        free |= {"text_width"}
        params, encoder_hash = {name: part for name, part in params.items() if name != "text"}, ""
    check_sizes(where, "lm", was, asdict(model), free)
    known: dict[str, Any] = jax.tree.map(lambda _: True, params)
    known["given"] = {"embedding": (np.arange(model.picture_kinds) < was["picture_kinds"])[:, None]}
    params = {**params, "given": _with_kinds(params["given"], model)}
    if model.structures and "structure" not in params:
        # Clips often copy much of the structure, and the layers already know the meaning of these embeddings.
        params["structure"] = jax.tree.map(jnp.copy, params["codes"])
        known["structure"] = jax.tree.map(lambda _: False, params["structure"])
    if "control" in params:
        channels = {"kernel": np.ones((len(params["control"]["kernel"]), 1))}
        known["control"] = {"kernel": np.asarray(_with_sources(channels, was, model)["kernel"]) > 0}
        params["control"] = _with_sources(params["control"], was, model)
    return Start(params, known, tasks, domain, text, encoder_hash)


def _known_to(config: Mapping[str, Any], where: str | Path) -> tuple[tuple[Task, ...], TrainingDomain]:
    """Return the tasks and the training domain in the record of a training; RequestError when it has none."""
    if not {"tasks", "training_domain"} <= config.keys():
        raise RequestError(f"the record of {where} does not say what was trained; train it again with this version")
    return tuple(config["tasks"]), parsed(TrainingDomain, config["training_domain"], f"the record of {where}")


def _with_kinds(given: dict, model: LMConfig) -> dict:
    """Return the table of kinds of given pictures, with fresh rows for kinds that only `model` has."""
    rows = given["embedding"]
    if len(rows) == model.picture_kinds:
        return given
    fresh = init_params(model, jax.random.key(0))["given"]["embedding"]
    return {"embedding": jnp.concatenate([rows, fresh[len(rows) :]])}


def _with_sources(control: Mapping[str, Any], was: Mapping[str, Any], model: LMConfig) -> dict[str, Any]:
    """Return the matrix of the control field `[C, D]`, with zeros for inputs that `model` has and `was` does not."""
    known = {names[0]: was.get(names[0]) or getattr(LMConfig(), names[0]) for names in SWITCHES.values()}
    old, kernel = replace(model, **known), control["kernel"]
    parts = [
        of_source(old.channels, source, kernel.T).T if source in old.channels else jnp.zeros((count, kernel.shape[1]))
        for source, count in model.channels.items()
    ]
    return {"kernel": jnp.concatenate(parts)}


def check_sizes(
    where: str | Path, stage: StageName, saved: Mapping[str, Any], wanted: Mapping[str, Any], free: Collection[str] = ()
) -> None:
    """Raise RequestError if the part at `where` differs in size from a run, except in the fields `free`."""
    if lines := "; ".join(differences(_as_json(saved), _as_json(wanted), free)):
        raise RequestError(f"{where} has {STAGES[stage].a_part} of other sizes than this run: {lines}")


def _as_json(sizes: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(sizes))


def check_encoder(encoder: TextEncoder, trained_with: str, by: Path) -> None:
    """Raise RequestError unless the training in the folder `by` used this text encoder."""
    if encoder.hash != trained_with:
        raise RequestError(
            f"{by} was trained with the text encoder {trained_with[:16]}, not {encoder.hash[:16]}; name the folder of "
            "that one"
        )


def _present(part: T | None, where: str | Path, stage: StageName) -> T:
    if part is None:
        raise RequestError(f"the model {str(where)!r} has no {STAGES[stage].part}")
    return part
