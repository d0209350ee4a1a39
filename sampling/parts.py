"""The parts of a model: tokenizers, language models over their codes, defaults.

Everything in `sampling` that works with a model takes `ModelParts`. Only `model.py`, the facade, adds methods that do
the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.lm.control.keys import held
from reelm.lm.describer import Describer
from reelm.lm.language_model import LanguageModel
from reelm.lm.prompts import check_fits
from reelm.lm.tasks import TASKS
from reelm.sampling.folder import shipped
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval, Similarity
from reelm.tokenizer.text.words import visible
from reelm.tokenizer.upscaling.config import SCALES
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .conditions.soundtrack import Soundtrack
from .options import Defaults


@dataclass(frozen=True)
class ModelParts:
    """A video tokenizer and the parts around it.

    Attributes:
        name: what it was loaded by.
        video_tokenizer: pixels to codes and back.
        lm: language model over the codes; None for a model that only tokenizes.
        defaults: values for what a request leaves out.
        record: how the weights were made, as JSON values.
        dtype: number format of activations in decoding.
        audio_tokenizer: sound to codes and back; the language model may be silent all the same.
        describer: finds words for clips and sounds; None for a model without one.
        prompt_retrieval: turns prompts into the words of the training captions; None for none.
        specialists: further language models over the same codes, which read the same words. A request goes to the
            first of `lm` and these that was trained for every input of it.
        upscaler: enlarges clips; None for a model without one.

    Raises:
        RequestError: parts that do not fit each other.
    """

    name: str
    video_tokenizer: VideoTokenizer
    lm: LanguageModel | None = None
    defaults: Defaults = Defaults()
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    dtype: Any = jnp.float32
    audio_tokenizer: AudioTokenizer | None = None
    describer: Describer | None = None
    prompt_retrieval: PromptRetrieval | None = None
    specialists: tuple[LanguageModel, ...] = ()
    upscaler: Upscaler | None = None

    def __post_init__(self):
        if self.lm is None:
            return
        if any(_shared(each) != _shared(self.lm) or each.text is not self.lm.text for each in self.specialists):
            raise RequestError("a specialist knows other codes than the language model, or reads other words")
        config, audio = self.lm.config, self.audio_tokenizer and self.audio_tokenizer.config
        if config.bits != (bits := self.video_tokenizer.config.bits):
            raise RequestError(f"the language model knows codes of {config.bits} bits, the video tokenizer has {bits}")
        if config.sound_levels and (audio is None or not audio.decodes(config.sound_levels, config.sound_bits)):
            raise RequestError(
                f"the language model knows {config.sound_levels} levels of sound of {config.sound_bits} bits, the "
                + (f"audio tokenizer has {audio.levels} of {audio.bits}" if audio else "model has no audio tokenizer")
            )
        if self.describer is not None and self.describer.config.bits != bits:
            raise RequestError(
                f"the describer knows codes of {self.describer.config.bits} bits, the video tokenizer has {bits}"
            )
        self.video_tokenizer.config.latent_shape(1, self.defaults.height, self.defaults.width)
        if self.soundtrack is not None:
            self.soundtrack.check_fps(self.defaults.fps)

    @property
    def soundtrack(self) -> Soundtrack | None:
        """The audio tokenizer, with the number of audio frames of each latent frame; None for a silent model."""
        if self.audio_tokenizer is None or self.lm is None or not self.lm.config.sound_levels:
            return None
        config, frames = self.audio_tokenizer.config, self.lm.config.sound_frames
        rate = config.rate_beside(self.defaults.fps)
        fps = rate / (config.hop * frames[0])
        return Soundtrack(self.audio_tokenizer, frames, rate, fps, self.lm.config.sound_levels)

    def anew(self) -> Self:
        """Return the same parts with nothing on a device yet."""
        lms = [replace(each) for each in self.language_models]
        return replace(self, lm=lms[0] if lms else None, specialists=tuple(lms[1:]))

    @property
    def longest(self) -> int:
        """Frames of the longest clip that fits the context window; longer clips slide it."""
        return self.video_tokenizer.config.frames_of(self.language_model().config.frames)

    @property
    def language_models(self) -> tuple[LanguageModel, ...]:
        """The language model and the specialists; () for a model that only tokenizes."""
        return () if self.lm is None else (self.lm, *self.specialists)

    def language_model(self) -> LanguageModel:
        """Return the language model; RequestError when there is none."""
        if self.lm is None:
            raise RequestError(f"the model {self.name!r} is a tokenizer without a language model and cannot generate")
        return self.lm

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales by which the model can enlarge clips; () for one without an upscaler."""
        return () if self.upscaler is None else SCALES

    @property
    def reads_words(self) -> bool:
        """Whether the model reads words; a world whose training is recorded, and had none, knows its keys alone."""
        domain = self.language_model().training_domain
        only_played = all(each.tasks == ("world",) for each in self.language_models)
        return not (only_played and domain.sizes and not domain.words)

    def enlarger(self) -> Upscaler:
        """Return the upscaler; RequestError when there is none."""
        if self.upscaler is None:
            others = [name for name in shipped.names() if shipped.has_upscaler(name)]
            can = f"{', '.join(others)} can" if others else "no model that ships can"
            raise RequestError(f"the model {self.name!r} has no upscaler and cannot enlarge clips; {can}")
        return self.upscaler

    def latent_frames(self, num_frames: int) -> int:
        """Return the number of latent frames of a clip of `num_frames` frames, an incomplete last one included."""
        return self.video_tokenizer.config.latent_frames(num_frames)

    def held(self, keys: Sequence[str]) -> np.ndarray:
        """Return bool `[K]`: which of the keys of a world are held.

        RequestError for a model that is not a world, for keys that it does not have, and for too many at a time.
        """
        config = self.language_model().config
        if not config.keys:
            raise RequestError(f"{self.name!r} was not trained {TASKS['world'].refusal}")
        return held(config.keys, config.keys_at_once, keys)

    def read_as(self, prompt: str) -> str:
        """Return the words that the language model reads for a prompt.

        Without prompt retrieval they are the prompt itself, less the characters that show nothing. RequestError when
        the prompt is too long, or not valid Unicode, or the model reads no words.
        """
        if not isinstance(prompt, str):
            raise RequestError(f"a prompt is a {type(prompt).__name__}; it must be text")
        prompt = visible(prompt)
        if self.lm is None or not prompt.strip():
            return prompt
        if not self.reads_words:
            raise RequestError(f"{self.name!r} reads no words: leave the prompt out, and play it by its keys")
        if self.prompt_retrieval is not None:
            prompt = self.prompt_retrieval.read(prompt)
        check_fits(self.lm.config, self.lm.text, prompt)
        return prompt

    def similarity(self, prompt: str) -> Similarity:
        """Return how like a prompt is to the training captions, by prompt retrieval; 1 without it."""
        if self.lm is None or self.prompt_retrieval is None or not prompt.strip():
            return Similarity(1.0, prompt)
        return self.prompt_retrieval.similarity(visible(prompt))


_SHARED = ("bits", "frames", "text_vocabulary", "text_width", "prefix", "sound_levels", "sound_bits", "sound_frames")


def _shared(lm: LanguageModel) -> list[Any]:
    """Return what the language models of one model have in common."""
    return [getattr(lm.config, name) for name in _SHARED]
