"""A trained model and its folder: `load` a shipped name or a directory, `generate`, `save`.

model.json                    format, configs of the parts, defaults, sha256 of the other files, training record
video_tokenizer.safetensors
lm.safetensors, text.model    together or not at all: a folder without them has a tokenizer only
README.md                     the model card, for people
"""

import difflib
import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.stream import Layout
from reelm.lm.transformer import LMConfig, unroll
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer
from reelm.tokenizer.video import VideoTokenizer, VideoTokenizerConfig

from . import hub, shipped
from .card import card
from .clip import Clip
from .weights import StoredType, pack, unpack

Callback = Callable[[int, int], object]

FORMAT = 1
DEFAULT = "demo"
CARD = "README.md"
MANIFEST, VIDEO_FILE, LM_FILE, TEXT_FILE = "model.json", "video_tokenizer.safetensors", "lm.safetensors", "text.model"


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What `generate` uses where nothing is said: size in pixels, rate, length, strength of guidance."""

    height: int = 64
    width: int = 64
    fps: float = 8.0
    num_frames: int = 17
    cfg_scale: float = 1.0


@dataclass(frozen=True)
class LanguageModel:
    """The language model with its words: config, parameters (layers stacked), text tokenizer."""

    config: LMConfig
    params: dict = field(repr=False)
    text: TextTokenizer = field(repr=False)

    @cached_property
    def decoding_params(self) -> dict:
        """The parameters with unrolled layers, on the device."""
        return jax.tree.map(jnp.asarray, unroll(self.params))


@dataclass(frozen=True)
class Model:
    """A video tokenizer and, unless `lm` is None, the language model over its codes.

    Attributes:
        name: what was loaded.
        dtype: number format of activations in decoding.
        record: how the weights came about, as JSON values.
    """

    name: str
    video_tokenizer: VideoTokenizer
    lm: LanguageModel | None = None
    defaults: Defaults = Defaults()
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    dtype: Any = jnp.float32

    @overload
    def generate(self, prompt: list[str], **settings: Any) -> list[Clip]: ...

    @overload
    def generate(self, prompt: str | None = None, **settings: Any) -> Any: ...

    def generate(
        self,
        prompt: str | list[str] | None = None,
        *,
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
        cfg_scale: float | None = None,
        callback: Callback | None = None,
        **unknown: Any,
    ) -> Clip | list[Clip]:
        """Clips from words.

        Args:
            prompt: what to show; a list is a batch; None leaves it to the model.
            negative_prompt: what guidance leads away from, in place of no prompt at all.
            num_frames: frames of the returned clip, any number up to `longest`; 17, or `longest`, when None.
            height, width: in pixels; the size of the training clips when None.
            fps: frames a second; that of the training clips when None.
            num_samples: clips of each prompt; sample k is the clip of seed + k.
            seed: from 0. In float32 the same seed gives the same clip in any batch.
            temperature: 0 always takes the likeliest value.
            top_k: draw among the k likeliest; 0 for all.
            top_p: draw among the fewest likeliest that hold this share of the probability.
            cfg_scale: guidance by the prompt: 1 is none; the model's own when None.
            callback: called with (latent frames done, in all); returning False ends the clip there.

        Returns:
            A Clip; a flat list, prompt by prompt, when `prompt` is a list or `num_samples` is above 1.

        Raises:
            RequestError (a ValueError): a request that cannot be met; the message says what would be.
            TypeError: an argument that there is not; the message names the nearest one.
        """
        from .generate import Settings, generate

        if unknown:
            raise TypeError(_unknown_argument(next(iter(unknown))))
        if num_samples < 1:
            raise RequestError(f"num_samples is {num_samples}; it must be at least 1")
        prompts = prompt if isinstance(prompt, list) else [prompt or ""]
        if not prompts:
            raise RequestError("the list of prompts is empty; give at least one")
        defaults = self.defaults
        settings = Settings(
            num_frames=min(defaults.num_frames, self.longest) if num_frames is None else num_frames,
            height=height or defaults.height,
            width=width or defaults.width,
            fps=fps or defaults.fps,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            cfg_scale=defaults.cfg_scale if cfg_scale is None else cfg_scale,
            negative_prompt=negative_prompt,
        )
        clips = generate(self, prompts, range(seed, seed + num_samples), settings, callback)
        return clips if isinstance(prompt, list) or num_samples > 1 else clips[0]

    def score(self, clip: Clip, prompt: str | None = None) -> np.ndarray:
        """float32 `[t, h, w]`: log-likelihood in nats of each code of a clip, given the prompt and all before it."""
        from .generate import score

        return score(self, clip, prompt)

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
                "hash": self.video_tokenizer.hash,
            },
        }
        if self.lm is not None:
            defaults, config = self.defaults, self.lm.config
            layout = self.layout(defaults.num_frames, defaults.height, defaults.width)
            cache = 2 * config.layers * layout.slots * config.kv_heads * config.head_width
            about["language model"] = {
                "parameters": count(self.lm.params),
                "longest clip": f"{self.longest} frames",
                "codes of a default clip": layout.codes,
                "memory of its weights": f"{4 * count(self.lm.params) / 2**20:.1f} MiB in float32",
                "memory of its cache": f"{4 * cache / 2**20:.1f} MiB in float32",
            }
            about["defaults"] = asdict(defaults)
        return about | ({"record": self.record} if self.record else {})

    @property
    def longest(self) -> int:
        """Frames of the longest clip the language model was trained on."""
        return 1 + self.video_tokenizer.config.time_stride * (self.language_model().config.frames - 1)

    def layout(self, num_frames: int, height: int, width: int) -> Layout:
        """The stream of a clip of `num_frames` frames, which need not be 1 + 4k."""
        tokenizer = self.video_tokenizer.config
        whole = num_frames + -(num_frames - 1) % tokenizer.time_stride
        return Layout(self.language_model().config.prefix, *tokenizer.latent_shape(whole, height, width))

    def save(self, directory: str | Path, *, dtype: StoredType = "float32") -> None:
        """Writes a model folder that `load` reads; `dtype` is that of the stored matrices."""
        files = {VIDEO_FILE: pack(self.video_tokenizer.params, dtype)}
        parts: dict[str, Any] = {
            "video_tokenizer": {"config": asdict(self.video_tokenizer.config), "hash": self.video_tokenizer.hash}
        }
        if self.lm is not None:
            files |= {LM_FILE: pack(self.lm.params, dtype), TEXT_FILE: self.lm.text.model}
            parts["lm"] = {"config": asdict(self.lm.config)}
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


def load(name: str | None = None, *, mesh: Any = None, dtype: str | None = None) -> Model:
    """A model by the name of a shipped one ("demo" when None), its folder, or its id on the Hugging Face hub.

    Args:
        name: shipped name, directory, or an id such as "owner/name" where huggingface_hub is installed.
        mesh: for models split over devices; this version runs on one device and takes None only.
        dtype: "float32" or "bfloat16" activations; by default what suits the device.

    Raises:
        RequestError: no such model, another format, a missing or altered file.
    """
    if mesh is not None:
        raise RequestError("this version decodes on one device; leave mesh out")
    if dtype not in (None, "float32", "bfloat16"):
        raise RequestError(f'dtype is {dtype!r}; choose "float32" or "bfloat16"')
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
    lm = None
    if "lm" in manifest["parts"]:
        config = LMConfig(**manifest["parts"]["lm"]["config"])
        lm = LanguageModel(config, unpack(data[LM_FILE], LM_FILE), TextTokenizer(data[TEXT_FILE]))
    dtype = dtype or ("float32" if jax.default_backend() == "cpu" else "bfloat16")
    return Model(name or DEFAULT, tokenizer, lm, Defaults(**manifest["defaults"]), manifest["record"], jnp.dtype(dtype))


def _unknown_argument(name: str) -> str:
    known = [each for each in inspect.signature(Model.generate).parameters if each not in ("self", "unknown")]
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
