"""A trained model and its folder: `load` a shipped name or a directory, `generate`, `save`.

model.json                    format, configs of the parts, defaults, sha256 of the other files, training record
video_tokenizer.safetensors
audio_tokenizer.safetensors   only of models with sound
lm.safetensors, text.model    together or not at all: a folder without them has tokenizers only
README.md                     the model card, for people
"""

import difflib
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.lm.mesh import MeshSpec
from reelm.lm.stream import Task
from reelm.lm.transformer import LMConfig
from reelm.lm.weights import Weights, check_mesh, for_decoding
from reelm.tokenizer.audio import AudioTokenizer, AudioTokenizerConfig
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig

from . import hub, shipped
from .card import card
from .clip import Clip
from .conditions import Picture, Source
from .generate import joined, score, stream
from .request import Prompt, request
from .room import check_weights
from .settings import Callback, Decoding
from .soundtrack import SoundSource, Soundtrack
from .weights import StoredType, pack, unpack

FORMAT = 3
DEFAULT = "demo"
CARD = "README.md"
MANIFEST, VIDEO_FILE, AUDIO_FILE = "model.json", "video_tokenizer.safetensors", "audio_tokenizer.safetensors"
LM_FILE, TEXT_FILE = "lm.safetensors", "text.model"


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What `generate` uses where nothing is said: size in pixels, rate, length, guidance, how unlikely a draw may be.

    `window` is the number of codes that parallel decoding reads at once; None for what suits the device.
    """

    height: int = 64
    width: int = 64
    fps: float = 8.0
    num_frames: int = 17
    cfg_scale: float = 1.0
    min_p: float = 0.0
    window: int | None = None


@dataclass(frozen=True)
class LanguageModel:
    """The language model with its words.

    Attributes:
        params: layers stacked, matrices whole and in float32.
        tasks: what it was trained for.
        weights: number format of the matrices that decoding reads.
        mesh: the devices that decoding runs on; None for one.
    """

    config: LMConfig
    params: dict = field(repr=False)
    text: TextTokenizer = field(repr=False)
    tasks: tuple[Task, ...] = ("begins",)
    weights: Weights = "float32"
    mesh: Mesh | None = None

    @cached_property
    def decoding_params(self) -> dict:
        """The parameters with unrolled layers, on the devices; RequestError when they do not fit."""
        check_weights(self)
        return for_decoding(self.config, self.params, self.weights, self.mesh)

    def on_mesh(self) -> AbstractContextManager:
        """Programs that are called in this context run on the mesh."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)


@dataclass(frozen=True)
class Model:
    """A video tokenizer and, unless `lm` is None, the language model over its codes.

    Attributes:
        name: what was loaded.
        audio_tokenizer: of a model with sound; None for a silent one.
        dtype: number format of activations in decoding.
        record: how the weights came about, as JSON values.
    """

    name: str
    video_tokenizer: VideoTokenizer
    lm: LanguageModel | None = None
    defaults: Defaults = Defaults()
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    dtype: Any = jnp.float32
    audio_tokenizer: AudioTokenizer | None = None

    def __post_init__(self):
        if self.lm is None:
            return
        config, audio = self.lm.config, self.audio_tokenizer and self.audio_tokenizer.config
        made = (audio.levels, audio.bits) if audio else (0, config.sound_bits)
        if made != (config.sound_levels, config.sound_bits):
            raise RequestError(
                f"the language model knows {config.sound_levels} levels of sound of {config.sound_bits} bits, the "
                + (f"audio tokenizer has {audio.levels} of {audio.bits}" if audio else "model has no audio tokenizer")
            )
        if self.soundtrack is not None:
            self.soundtrack.check_fps(self.defaults.fps)

    @overload
    def generate(self, prompt: list[str], **settings: Any) -> list[Clip]: ...

    @overload
    def generate(self, prompt: Prompt | None = None, **settings: Any) -> Any: ...

    def generate(
        self,
        prompt: Prompt | list[str] | None = None,
        *,
        image: Picture | None = None,
        last_image: Picture | None = None,
        keyframes: Mapping[int, Picture] | None = None,
        video: Source | None = None,
        mask: Picture | None = None,
        audio: SoundSource | None = None,
        negative_prompt: str | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        fps: float | None = None,
        num_samples: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float | None = None,
        cfg_scale: float | Sequence[float] | None = None,
        overlap: float = 1.0,
        decoding: Decoding = "auto",
        callback: Callback | None = None,
        **unknown: Any,
    ) -> Clip | list[Clip]:
        """Clips from words, pictures, clips and sounds, with sound if the model has it.

        Pictures and clips are arrays (uint8, or float in [-1, 1]) or paths; those of another size are scaled and
        cropped about their centre. They are shown as the tokenizer rebuilds them.

        Args:
            prompt: what to show; a list of strings is a batch; a list of (seconds, words) is one prompt that changes;
                None leaves it to the model.
            image: the first frame.
            last_image: the last frame.
            keyframes: frame number, from 0, -> picture.
            video: goes on after its last whole latent frame; with `mask`, a part of it is made anew; one without sound
                that is not to go on gets its sound, from a model with sound.
            mask: bool `[T, H, W]` or `[H, W]`, True where `video` is to be filled in, or a picture, white there; all
                other pixels stay what they are.
            audio: what is heard: a path, a Clip, or samples float32 `[S]` or `[S, C]` at the audio tokenizer's rate. It
                is cut, or continued by silence, to the length of the picture.
            negative_prompt: what guidance leads away from, in place of no prompt at all.
            num_frames: frames of the returned clip, given ones included, any number. None is as many as the `video` or
                the `audio` has, otherwise 17, or `longest` if that is less. Beyond `longest` a window slides.
            height, width: in pixels; the size of the training clips when None.
            fps: frames a second; that of the training clips when None.
            num_samples: clips of each prompt; sample k is the clip of seed + k.
            seed: from 0. In float32 the same seed gives the same clip in any batch.
            temperature: 0 always takes the likeliest value.
            top_k: draw among the k likeliest; 0 for all.
            top_p: draw among the fewest likeliest that hold this share of the probability.
            min_p: draw among those at least this share as likely as the likeliest; the model's own when None.
            cfg_scale: guidance by the prompt: 1 is none; one number for each latent frame makes a schedule, the last
                one going on; the model's own when None.
            overlap: seconds that a sliding window reads again of what it made.
            decoding: "sequential" reads one code at a time; "parallel" guesses some, reads them at once and keeps those
                that reading one at a time would have drawn, so in float32 the clip is the same; "auto" takes the
                faster, which is "parallel".
            callback: called with (latent frames done, in all); returning False ends the clip there.

        Returns:
            A Clip; a flat list, prompt by prompt, when `prompt` is a list of strings or `num_samples` is above 1.

        Raises:
            RequestError (a ValueError): a request that cannot be met; the message says what would be.
            TypeError: an argument that there is not; the message names the nearest one.
        """
        if unknown:
            raise TypeError(_unknown_argument(next(iter(unknown))))
        options = {
            **{"image": image, "last_image": last_image, "keyframes": keyframes, "video": video, "mask": mask},
            **{"audio": audio},
            **{"negative_prompt": negative_prompt, "height": height, "width": width, "fps": fps, "overlap": overlap},
            **{"num_samples": num_samples, "seed": seed, "temperature": temperature, "top_k": top_k, "top_p": top_p},
            **{"min_p": min_p, "cfg_scale": cfg_scale, "decoding": decoding},
        }
        asked = request(self, prompt, num_frames, options)
        total = asked.settings.num_frames
        assert total is not None
        clips = joined(stream(self, asked), self.latent_frames(total), callback)
        return clips if asked.many else clips[0]

    def stream(self, prompt: Prompt | list[str] | None = None, *, num_frames: int | None = None, **options: Any) -> Any:
        """The clip of `generate` in pieces, as it comes.

        Args:
            prompt: as for `generate`.
            num_frames: frames in all; None never ends. Neither time nor memory of a piece depends on it.
            options: the other arguments of `generate`, but for `callback`.

        Returns:
            An iterator of Clips, one a latent frame, whose frames joined are the clip; of lists of them where
            `generate` gives a list. `tokens` are those of the piece.
        """
        for name in options:
            if name not in _OPTIONS:
                raise TypeError(_unknown_argument(name))
        asked = request(self, prompt, num_frames, _OPTIONS | options, endless=True)
        pieces = stream(self, asked)
        return pieces if asked.many else (clips[0] for clips in pieces)

    def score(self, clip: Clip, prompt: str | None = None) -> np.ndarray:
        """float32 `[t, h, w]`: log-likelihood in nats of each code of a clip's pictures, given prompt and codes before.

        Between them a model with sound reads the clip's sound, or that there is none.
        """
        return score(self, clip, prompt)

    @property
    def soundtrack(self) -> Soundtrack | None:
        """What makes codes of sound; None for a silent model."""
        if self.audio_tokenizer is None or self.lm is None:
            return None
        return Soundtrack(self.audio_tokenizer, self.lm.config.sound_frames)

    def language_model(self) -> LanguageModel:
        """The language model; RequestError when there is none."""
        if self.lm is None:
            raise RequestError(f"the model {self.name!r} is a tokenizer without a language model and cannot generate")
        return self.lm

    def info(self) -> dict[str, Any]:
        """Sizes, valid shapes and code counts, as JSON values."""
        count = lambda params: sum(np.size(leaf) for leaf in jax.tree.leaves(params))  # noqa: E731
        time, space = self.video_tokenizer.config.time_stride, self.video_tokenizer.config.space_stride
        about: dict[str, Any] = {
            "name": self.name,
            "video tokenizer": {
                "parameters": count(self.video_tokenizer.params),
                "bits": self.video_tokenizer.config.bits,
                "frames": f"1 + {time}k",
                "height and width": f"multiples of {space}",
                **self.video_tokenizer.config.memory_notes(),
                "hash": self.video_tokenizer.hash,
            },
        }
        if self.audio_tokenizer is not None:
            audio = self.audio_tokenizer.config
            about["audio tokenizer"] = {
                "parameters": count(self.audio_tokenizer.params),
                "sound": f"{audio.sample_rate} Hz, {'mono' if audio.channels == 1 else 'stereo'}",
                "audio frames a second": float(audio.frame_rate),
                "codes of an audio frame": f"{audio.levels} of {audio.bits} bits",
                "hash": self.audio_tokenizer.hash,
            }
        if self.lm is not None:
            defaults, config = self.defaults, self.lm.config
            rows, columns = self.video_tokenizer.config.latent_shape(1, defaults.height, defaults.width)[1:]
            window = config.layout(config.frames, rows, columns)
            cache = 2 * config.layers * window.slots * config.kv_heads * config.head_width
            about["language model"] = {
                "parameters": count(self.lm.params),
                "tasks": ", ".join(self.lm.tasks),
                "window": f"{self.longest} frames",
                "codes of a default clip": window.end(self.latent_frames(defaults.num_frames)),
                "memory of its weights": f"{4 * count(self.lm.params) / 2**20:.1f} MiB in float32",
                "memory of its cache": f"{4 * cache / 2**20:.1f} MiB in float32",
            }
            about["defaults"] = asdict(defaults)
        return about | ({"record": self.record} if self.record else {})

    def latent_frames(self, num_frames: int) -> int:
        """Latent frames of a clip of `num_frames` frames, which need not be 1 + 4k."""
        return self.video_tokenizer.config.latent_frames(num_frames)

    @property
    def longest(self) -> int:
        """Frames of the longest clip that fits one window: longer ones slide it."""
        return 1 + self.video_tokenizer.config.time_stride * (self.language_model().config.frames - 1)

    def save(self, directory: str | Path, *, dtype: StoredType = "float32") -> None:
        """Writes a model folder that `load` reads; `dtype` is that of the stored matrices."""
        files = {VIDEO_FILE: pack(self.video_tokenizer.params, dtype)}
        parts: dict[str, Any] = {
            "video_tokenizer": {"config": asdict(self.video_tokenizer.config), "hash": self.video_tokenizer.hash}
        }
        if self.audio_tokenizer is not None:
            files[AUDIO_FILE] = pack(self.audio_tokenizer.params, dtype)
            parts["audio_tokenizer"] = {
                "config": asdict(self.audio_tokenizer.config),
                "hash": self.audio_tokenizer.hash,
            }
        if self.lm is not None:
            files |= {LM_FILE: pack(self.lm.params, dtype), TEXT_FILE: self.lm.text.model}
            parts["lm"] = {"config": asdict(self.lm.config), "tasks": self.lm.tasks}
        manifest = {
            "format": FORMAT,
            "dtype": dtype,
            "parts": parts,
            "defaults": asdict(self.defaults),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            "record": self.record,
        }
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        files[CARD] = card(replace(self, name=folder.resolve().name).info()).encode()
        # The manifest comes last: a folder without one is no model, so a broken write is never mistaken for one.
        for name, data in (*files.items(), (MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")):
            temporary = folder / (name + ".tmp")
            temporary.write_bytes(data)
            temporary.replace(folder / name)


def load(name: str | None = None, *, mesh: str | MeshSpec | Mesh | None = None, dtype: Weights | None = None) -> Model:
    """A model by the name of a shipped one ("demo" when None), its folder, or its id on the Hugging Face hub.

    Args:
        name: shipped name, directory, or an id such as "owner/name" where huggingface_hub is installed.
        mesh: the devices that the language model is cut over, such as "tensor=4"; None for one device.
        dtype: "float32", "bfloat16" or "int8": of the matrices that decoding reads. Activations are bfloat16 beside
            the latter two, but float32 beside int8 on a CPU. By default what suits the device.

    Raises:
        RequestError: no such model, another format, a missing or altered file, a mesh that does not fit the devices or
            the model.
    """
    if dtype not in (None, *get_args(Weights)):
        raise RequestError(f"dtype is {dtype!r}; choose one of {', '.join(get_args(Weights))}")
    mesh = MeshSpec.parse(mesh) if isinstance(mesh, str) else mesh
    mesh = mesh.build() if isinstance(mesh, MeshSpec) else mesh
    on_cpu = jax.default_backend() == "cpu"
    weights: Weights = dtype or ("float32" if on_cpu else "bfloat16")
    folder = _folder(name)
    manifest = _manifest(folder)
    data = {}
    for file, digest in manifest["files"].items():
        path = folder / file
        if not path.is_file():
            raise RequestError(f"{path} is missing; fetch the model again")
        data[file] = path.read_bytes()
        if hashlib.sha256(data[file]).hexdigest() != digest:
            raise RequestError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}; fetch the model again")
    video = manifest["parts"]["video_tokenizer"]
    tokenizer = VideoTokenizer(
        VideoTokenizerConfig(**video["config"]), unpack(data[VIDEO_FILE], VIDEO_FILE), video["hash"]
    )
    audio = None
    if "audio_tokenizer" in manifest["parts"]:
        part, params = manifest["parts"]["audio_tokenizer"], unpack(data[AUDIO_FILE], AUDIO_FILE)
        audio = AudioTokenizer(
            AudioTokenizerConfig(**part["config"]), unpack(data[AUDIO_FILE], AUDIO_FILE), part["hash"]
        )
    lm = None
    if "lm" in manifest["parts"]:
        part = manifest["parts"]["lm"]
        params, text = unpack(data[LM_FILE], LM_FILE), TextTokenizer(data[TEXT_FILE])
        config = LMConfig(**part["config"])
        if mesh is not None:
            check_mesh(config, dict(mesh.shape))
        lm = LanguageModel(config, params, text, tuple(part["tasks"]), weights, mesh)
    activations = jnp.dtype("float32" if weights == "float32" or (weights == "int8" and on_cpu) else "bfloat16")
    defaults, record = Defaults(**manifest["defaults"]), manifest["record"]
    return Model(name or DEFAULT, tokenizer, lm, defaults, record, activations, audio)


_ARGUMENTS = inspect.signature(Model.generate).parameters
# What `stream` may leave out.
_OPTIONS = {
    name: argument.default
    for name, argument in _ARGUMENTS.items()
    if argument.kind is argument.KEYWORD_ONLY and name not in ("num_frames", "callback")
}


def _unknown_argument(name: str) -> str:
    known = [each for each in _ARGUMENTS if each not in ("self", "unknown")]
    # What users of other video pipelines type first.
    guesses = {"guidance_scale": "cfg_scale", "num_videos_per_prompt": "num_samples", "generator": "seed"}
    near = guesses.get(name) or next(iter(difflib.get_close_matches(name, known)), None)
    return f"generate() has no argument {name!r}" + (
        f"; did you mean {near!r}?" if near else f"; it has {', '.join(known)}"
    )


def _folder(name: str | None) -> Path:
    name = DEFAULT if name is None else name
    if name in shipped.names():
        return shipped.folder(name)
    if Path(name).is_dir():
        return Path(name)
    if hub.is_hub_id(name):
        return hub.fetch(name)
    raise RequestError(f"no model or folder is named {name!r}; shipped are {', '.join(shipped.names()) or 'none'}")


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
