"""The facade: a model's parts with everything that can be done with them.

In: words, pictures, sound, options by name. Out: clips, words, figures. Each verb is one call of the file that does it.
"""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.progress import Progress
from reelm.sampling.conditions.conditions import Picture, Source
from reelm.sampling.conditions.read import conditions
from reelm.sampling.conditions.soundtrack import SoundSource
from reelm.storage.tensors import StoredType

from . import best_of as best
from .describe import describe
from .folder.write import write
from .generate import joined, stream
from .info import info
from .parts import ModelParts
from .plan import request
from .request import Prompt
from .score import score
from .settings import Decoding


class Model(ModelParts):
    """A loaded model: generates, scores and describes clips. `ModelParts` says what it consists of."""

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
        callback: Progress | None = None,
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

    def info(self) -> dict[str, Any]:
        """Sizes, valid shapes and code counts, as JSON values."""
        return info(self)

    def save(self, directory: str | Path, *, dtype: StoredType = "float32") -> None:
        """Write a model folder that `reelm.load` reads; `dtype` is that of the stored matrices."""
        write(self, directory, dtype=dtype)


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
