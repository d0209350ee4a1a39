"""The facade: a model's parts, with a method for everything that can be done with them.

In: words, pictures, sound, options by name. Out: clips, words, figures. Each method calls the module that does it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from reelm.energy import Meter
from reelm.errors import RequestError, RequestWarning
from reelm.guesses import OF_MODEL
from reelm.media.clip import Clip
from reelm.progress import Progress
from reelm.sampling.conditions.read import read_conditions
from reelm.sampling.conditions.sources import SoundSource, Sources, VideoSource
from reelm.storage.tensors import StoredType

from .arguments import Arguments, read_arguments, spelled_out
from .best_of import fittest
from .finishing import Enlarge, finish, steps
from .folder.write import about, write
from .generate import joined, stream
from .parts import ModelParts
from .planning.describe import describe
from .planning.plan import plan
from .play import PlaySession
from .request import Prompt, Request
from .score import score


class Model(ModelParts):
    """A loaded model: generates, scores and describes clips. `ModelParts` says what it consists of."""

    @overload
    def generate(
        self, prompt: list[str], *, callback: Progress | None = None, **arguments: Unpack[Arguments]
    ) -> list[Clip]: ...

    @overload
    def generate(
        self, prompt: Prompt | None = None, *, callback: Progress | None = None, **arguments: Unpack[Arguments]
    ) -> Any: ...

    @spelled_out
    def generate(
        self,
        prompt: Prompt | list[str] | None = None,
        *,
        callback: Progress | None = None,
        **arguments: Unpack[Arguments],
    ) -> Clip | list[Clip]:
        """Make clips from words, pictures, clips and sounds; with sound if the model has it.

        Pictures and clips are arrays (uint8, or float in [-1, 1]) or paths. Other sizes are scaled and cropped about
        the centre. They appear as the tokenizer rebuilds them.

        Args:
            prompt: What to show. A list of strings is a batch; a list of (seconds, words) is one prompt that changes.
                Prompt retrieval may reword it (`read_as`). Without a prompt, a describer finds words for a given clip.
            callback: Called with (latent frames done, in all); returning False ends the clip there.
            arguments: the fields of `Sources` and `Options`.

        Returns:
            A Clip; a flat list, prompt by prompt, when `prompt` is a list of strings or `num_samples` is above 1. The
            energy of the call, in equal parts, is in `Clip.info`.

        Raises:
            RequestError (a ValueError): a request that cannot be met; the message says what can.
            RequestWarning, by `warnings`: a request that the model was not trained for; `Clip.info` has it, too.
            TypeError: an unknown argument; the message names the nearest one.
        """
        meter = Meter()

        def progress(done: int, total: int) -> object:
            meter.read()
            return None if callback is None else callback(done, total)

        request = plan(self, prompt, *read_arguments(arguments))
        _warn(request)
        assert request.stream.length is not None
        clips = joined(stream(request), request.stream.length, progress)
        if request.choice.settings.best_of > 1:
            clips = fittest(request, clips)
        joules = meter.read()
        energy = meter.info(None if joules is None else joules / len(clips))
        clips = [replace(clip, info=clip.info | {"energy": energy}) for clip in clips]
        return clips if request.inputs.many else clips[0]

    @spelled_out
    def stream(self, prompt: Prompt | list[str] | None = None, **arguments: Unpack[Arguments]) -> Iterator[Any]:
        """Make the clip of `generate` in pieces, as it comes.

        Neither time nor memory of a piece depends on the length of the clip. Without `num_frames` it never ends.

        Args:
            prompt: As for `generate`.
            arguments: the fields of `Sources` and `Options`.

        Returns:
            An iterator of Clips, one for each latent frame, whose frames joined are the clip; of lists of them where
            `generate` gives a list. `tokens` are those of the piece.

        Raises:
            As `generate`.
        """
        request = plan(self, prompt, *read_arguments(arguments), endless=True)
        _warn(request)
        pieces = stream(request)
        return pieces if request.inputs.many else (clips[0] for clips in pieces)

    @spelled_out
    def play(self, prompt: Prompt | None = None, **arguments: Unpack[Arguments]) -> PlaySession:
        """Begin an endless clip that is steered while it is made, by the keys of a world or by words.

        Args:
            prompt: As for `generate`.
            arguments: the fields of `Sources` and `Options`. `image` or `video` is what it begins with.

        Returns:
            A session, whose `step(keys=["left"])` makes the next latent frame.

        Raises:
            As `generate`; and RequestError for more than one clip.
        """
        if arguments.get("keys") is not None:
            raise RequestError("a session takes its keys step by step: play().step(keys=[...])")
        request = plan(self, prompt, *read_arguments(arguments), endless=True)
        if request.inputs.many:
            raise RequestError("one clip is played at a time; leave num_samples out and give one prompt")
        _warn(request)
        return PlaySession(request)

    @overload
    def score(self, clip: Clip, prompt: str | None = None) -> np.ndarray: ...

    @overload
    def score(self, clip: list[Clip], prompt: list[str] | str | None = None) -> list[np.ndarray]: ...

    def score(self, clip: Clip | list[Clip], prompt: list[str] | str | None = None) -> np.ndarray | list[np.ndarray]:
        """Return float32 `[t, h, w]`, the log-likelihood in nats of each code of a clip's pictures.

        It is the likelihood given the prompt and the codes before. A model with sound reads the clip's sound, too, or
        that it has none. A list of clips gives a list: with a list of as many prompts, or with one prompt for all.
        """
        if isinstance(clip, list):
            prompts = prompt if isinstance(prompt, list) else [prompt or ""] * len(clip)
            if len(prompts) != len(clip):
                raise RequestError(f"there are {len(prompts)} prompts for {len(clip)} clips; give one for each")
            return [score(self, each, self.read_as(words)) for each, words in zip(clip, prompts, strict=True)]
        if isinstance(prompt, list):
            raise RequestError("a list of prompts goes with a list of as many clips, not with one clip")
        return score(self, clip, self.read_as(prompt or ""))

    def describe(self, video: VideoSource | None = None, *, audio: SoundSource | None = None) -> str:
        """Return words for a clip or a sound, which can be its prompt.

        Args:
            video: a clip, a path, or frames `[T, H, W, 3]`. The describer reads its first frames, five for `demo`, and
                their sound.
            audio: a sound without a clip, as for `generate`. The describer reads as much of it.

        Returns:
            Words that the model's describer finds likely, in the order that its language model finds likeliest, such
            as "red right seven"; "" if none is likely.

        Raises:
            RequestError: neither or both, a file that cannot be read, or a model without a describer.
        """
        if (video is None) == (audio is None):
            raise RequestError("give a video or an audio to describe, and not both")
        defaults, sources = self.defaults, Sources(video=video, audio=audio)
        size: dict[str, Any] = {"height": defaults.height, "width": defaults.width, "fps": defaults.fps}
        conditions = read_conditions(
            self.video_tokenizer, self.soundtrack, sources, **size, num_frames=None, default=None
        )
        return describe(self, conditions.known, conditions.sound, fps=defaults.fps)

    def upscale(self, clip: Clip | str | Path, scale: int = 2) -> Clip:
        """Return a clip with `scale` times the height and the width; its sound and its codes stay.

        A frame depends only on the pixels around and on two frames before, so neither tiles nor pieces show.

        Args:
            clip: a clip, or a file that `Clip.open` reads. `reelm upscale` enlarges films that memory does not hold.
            scale: 2 or 4.

        Raises:
            RequestError: another scale, a file that cannot be read, or a model without an upscaler.
        """
        larger = steps(enlarge=Enlarge(self.enlarger(), scale))
        opened = clip if isinstance(clip, Clip) else Clip.open(clip)
        return replace(opened, video=finish(larger, opened.video[None])[0], info=opened.info | {"upscale": scale})

    def info(self) -> dict[str, Any]:
        """Return sizes, valid shapes and numbers of codes, as JSON values."""
        return about(self)

    def save(self, directory: str | Path, *, dtype: StoredType = "float32", differences: bool = False) -> None:
        """Write a model folder that `reelm.load` reads.

        Args:
            directory: the folder; it is made if missing.
            dtype: number format of the stored matrices.
            differences: whether specialists are stored as four-bit differences from the language model that they were
                trained from: half the size of int8.

        Raises:
            RequestError: the folder cannot be written, or another `dtype`.
            OSError: the disk is full.
        """
        write(self, directory, dtype=dtype, differences=differences)

    if not TYPE_CHECKING:  # to a type checker, any attribute would be right

        def __getattr__(self, name: str) -> Any:
            if name in OF_MODEL:
                raise AttributeError(f"a model has no attribute {name!r}; {OF_MODEL[name]}")
            return object.__getattribute__(self, name)


def _warn(request: Request) -> None:
    for sentence in dict.fromkeys(sentence for each in request.choice.warnings for sentence in each):
        warnings.warn(sentence, RequestWarning, stacklevel=3)
