"""A trained model: tokenizers, and unless it has none a language model over their codes, to generate and score with.

In: words, pictures, sound, settings by name. Out: clips. Knows nothing of folders and files (`model_folder.py`).
"""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.lm.describer import Describer
from reelm.media.clip import Clip
from reelm.sampling.conditions.conditions import Picture, Source
from reelm.sampling.conditions.read import conditions
from reelm.sampling.conditions.soundtrack import SoundSource, Soundtrack
from reelm.sampling.folder import text_parts
from reelm.storage.tensors import StoredType
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.tokenizer.text.thesaurus import Thesaurus
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from . import best_of as best
from .describe import describe
from .generate import joined, stream
from .parts import Defaults, LanguageModel
from .plan import request
from .request import Prompt
from .score import score
from .settings import Callback, Decoding


@dataclass(frozen=True)
class Model:
    """A video tokenizer and, unless `lm` is None, the language model over its codes.

    Attributes:
        name: what was loaded.
        audio_tokenizer: what the sound of clips goes through; the language model may be silent all the same.
        describer: what finds words for clips and sounds that have none.
        thesaurus: what says prompts in the words of the captions that the language model learned from.
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
    describer: Describer | None = None
    thesaurus: Thesaurus | None = None

    def __post_init__(self):
        if self.lm is None:
            return
        if self.thesaurus is not None:
            self.thesaurus.check(self.lm.text)
        config, audio = self.lm.config, self.audio_tokenizer and self.audio_tokenizer.config
        if config.bits != (bits := self.video_tokenizer.config.bits):
            raise RequestError(f"the language model knows codes of {config.bits} bits, the video tokenizer has {bits}")
        if config.sound_levels and (
            audio is None or (audio.levels, audio.bits) != (config.sound_levels, config.sound_bits)
        ):
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
        best_of: int = 1,
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
            prompt: what to show, read through the model's thesaurus if it has one (`read_as`; `Clip.info` says how);
                a list of strings is a batch; a list of (seconds, words) is one prompt that changes;
                None leaves it to the model, which first describes the beginning that it is given, a picture or a
                video, or the sound that is to get its pictures, if it can.
            image: the first frame.
            last_image: the last frame.
            keyframes: frame number, from 0, -> picture.
            video: goes on after its last whole latent frame; with `mask`, a part of it is made anew; one without sound
                that is not to go on gets its sound, from a model with sound.
            mask: bool `[T, H, W]` or `[H, W]`, True where `video` is to be filled in, or a picture, white there; all
                other pixels stay what they are.
            audio: what is heard: a path, a Clip, or samples float32 `[S]` or `[S, C]` at the audio tokenizer's rate. It
                is cut, or continued by silence, to the length of the picture.
            negative_prompt: words that guidance leads away from, in place of none at all.
            num_frames: frames of the returned clip, given ones included, any number. None is as many as the `video` or
                the `audio` has, otherwise 17, or `longest` if that is less. Beyond `longest` a window slides.
            height, width: in pixels; the size of the training clips when None.
            fps: frames a second; that of the training clips when None.
            num_samples: clips of each prompt; sample k is the clip of seed + k.
            best_of: clips drawn for each that is returned: the one that fits best what was asked, by the words that the
                model's describer finds in what is seen and in what is heard, and by given pictures after frame 0.
            seed: from 0. In float32 the same seed gives the same clip in any batch.
            temperature: 0 always takes the likeliest value.
            top_k: draw among the k likeliest; 0 for all.
            top_p: draw among the fewest likeliest that hold this share of the probability.
            min_p: draw among those at least this share as likely as the likeliest; the model's own
                when None, or 0 where neither words nor pictures tell of what is to be drawn.
            cfg_scale: guidance by all that is asked, in words, given frames, masks and sound: 1 is none, and more
                leads further, to what is at least a tenth as likely as the likeliest without it; one number for each
                latent frame makes a schedule, the last one going on; the model's own when None.
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
            **{
                "num_samples": num_samples,
                "best_of": best_of,
                "seed": seed,
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
            },
            **{"min_p": min_p, "cfg_scale": cfg_scale, "decoding": decoding},
        }
        asked = request(self, prompt, num_frames, options)
        total = asked.settings.num_frames
        assert total is not None
        clips = joined(stream(self, asked), self.latent_frames(total), callback)
        if asked.best_of > 1:
            clips = best.fittest(self, asked, clips)
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
        return score(self, clip, self.read_as(prompt or ""))

    def read_as(self, prompt: str) -> str:
        """The words that the language model reads in place of a prompt: those themselves, without a thesaurus.

        RequestError when the prompt is too long, or no valid Unicode.
        """
        if self.lm is None or self.thesaurus is None or not prompt.strip():
            return prompt
        assert isinstance(self.lm.text, SentenceEncoder)  # the thesaurus was checked against it
        return self.thesaurus.read(self.lm.text, prompt)

    def describe(self, video: Source | None = None, *, audio: SoundSource | None = None) -> str:
        """Words for a clip or a sound that has none: a prompt for it.

        Args:
            video: a clip, a path, or frames `[T, H, W, 3]`; the first five frames of `demo` are looked at, or fewer,
                and what sounds beside them is heard.
            audio: a sound alone, as for `generate`, of which as much is heard.

        Returns:
            Words that the model's describer finds likely, in the order that its language model likes best, such as
            "red right seven"; "" where none is likely.

        Raises:
            RequestError: neither or both, a file that cannot be read, or a model without a describer.
        """
        if (video is None) == (audio is None):
            raise RequestError("give a video or an audio to describe, and not both")
        defaults = self.defaults
        size: dict[str, Any] = {"height": defaults.height, "width": defaults.width, "fps": defaults.fps}
        given = conditions(
            self.video_tokenizer, self.soundtrack, **size, num_frames=None, default=None, video=video, audio=audio
        )
        return describe(self, given.known, given.sound, fps=defaults.fps)

    @property
    def soundtrack(self) -> Soundtrack | None:
        """What makes codes of sound; None for a silent model."""
        if self.audio_tokenizer is None or self.lm is None or not self.lm.config.sound_levels:
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
            if self.describer is not None:
                about["describer"] = {
                    "parameters": count(self.describer.params),
                    "words": ", ".join(map("/".join, self.describer.config.words)),
                }
            about["text"] = text_parts.about(self.lm.text)
            if self.thesaurus is not None:
                about["text"]["thesaurus"] = f"{len(self.thesaurus.captions)} captions"
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
        """Writes a model folder that `reelm.load` reads; `dtype` is that of the stored matrices."""
        from reelm.sampling.folder.write import save  # which knows this class

        save(self, directory, dtype=dtype)


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
