"""Generation: a request in, clips out.

request -> latent frames, one at a time -> the renderer -> pieces of Clips -> Clips
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reelm.media.clip import Clip
from reelm.progress import Progress
from reelm.sampling.decoding.windows import LatentFrame, Stream
from reelm.tokenizer.codes import to_host

from .parts import ModelParts
from .renderer import Renderer
from .request import Prompt, Request, Script


def stream(
    request: Request, source: Iterator[LatentFrame] | None = None, *, ahead: bool = True
) -> Iterator[list[Clip]]:
    """Yield the frames of one latent frame after another, as a clip for each prompt and seed.

    Args:
        request: what is made, and the model that makes it.
        source: of the latent frames, where the request is decoded together with others.
        ahead: whether a latent frame is begun before the one before it is handed over. Not where it is still to be said
            what it shall show.
    """
    model, settings, soundtrack = request.model, request.choice.settings, request.model.soundtrack
    rows = _infos(request)
    renderer = Renderer(
        model.video_tokenizer,
        soundtrack,
        request.inputs.conditions,
        clips=len(rows),
        height=settings.height,
        width=settings.width,
        fps=settings.fps,
        length=settings.num_frames,
        cuts={shot.begins for shot in request.stream.shots if shot.cut},
        # Of several clips the best is chosen first.
        enlarged=None if settings.upscale is None or settings.best_of > 1 else (model.enlarger(), settings.upscale),
    )
    source = Stream(request.drawer, request.stream) if source is None else source
    forwards, sound_forwards = (np.zeros(len(rows), int) for _ in range(2))
    begun_ahead: LatentFrame | None = None
    number, last = 0, False
    while not last:
        codes = next(source) if begun_ahead is None else begun_ahead
        begun = renderer.begin(codes)
        last = renderer.ends(begun)
        # The next latent frame is under way on the device while the host waits for this one. The first frame is handed
        # over at once.
        begun_ahead = next(source) if ahead and renderer.done and not last else None
        video, heard = renderer.finish(begun)
        counts = {"forwards": (forwards := forwards + np.asarray(codes.forwards[0]))}
        pressed = _pressed(request, number)
        number += 1
        if heard is not None:
            counts["sound_forwards"] = sound_forwards = sound_forwards + np.asarray(codes.forwards[1])
        # To the host as they are: taking a row of them on the device would be a program of its own.
        ids = to_host(codes.video, model.video_tokenizer.config.bits)
        sound_ids = None if codes.sound is None else np.asarray(codes.sound)
        yield [
            Clip(
                video=video[i],
                fps=settings.fps,
                tokens={"video": ids[i : i + 1], "audio": None if sound_ids is None else sound_ids[i]},
                info=info[0] | {name: int(each[i]) for name, each in counts.items()} | info[1] | pressed,
                audio=None if heard is None else heard[i],
                sample_rate=None if soundtrack is None else soundtrack.sample_rate,
            )
            for i, info in enumerate(rows)
        ]


def _pressed(request: Request, number: int) -> dict[str, Any]:
    """Return what `Clip.info` says of the keys of a latent frame: none made one that is given, nor the first."""
    keys = request.inputs.summary.get("keys")
    if keys is None:
        return {}
    at = number - max(1, len(request.inputs.conditions.known))
    return {"keys": [] if at < 0 else [*keys[at : at + 1]] or [[]]}


def _infos(request: Request) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what `Clip.info` says about each clip, in front of its counts and behind them."""
    model, inputs, settings = request.model, request.inputs, request.choice.settings
    about = settings.info() | {"model": model.name, "tokenizer": model.video_tokenizer.hash, "dtype": str(model.dtype)}
    about |= {name: value for name, value in inputs.summary.items() if name != "keys"}
    if inputs.described is not None:
        about["described"] = inputs.described
    if model.soundtrack is not None:
        about["audio_tokenizer"] = model.soundtrack.tokenizer.hash
    asked = zip(inputs.prompts, inputs.scripts, request.choice.warnings, strict=True)
    prompts = [_prompt_info(model, *each) for each in asked]
    return [(prompt | {"seed": seed}, about) for prompt in prompts for seed in request.choice.seeds]


def _prompt_info(model: ModelParts, prompt: Prompt, script: Script, amiss: Sequence[str]) -> dict[str, Any]:
    """Return what `Clip.info` says about a prompt: if they may be others also the words that the model reads."""
    read = [stretch.words for stretch in script]
    info = {"prompt": prompt} | ({"read_as": read[0] if len(read) == 1 else read} if model.thesaurus else {})
    return info | ({"warnings": list(amiss)} if amiss else {})


def joined(pieces: Iterator[list[Clip]], frames: int, callback: Progress | None = None) -> list[Clip]:
    """Return whole clips from the pieces that `stream` yields.

    Args:
        pieces: one for each latent frame.
        frames: latent frames in all.
        callback: called with (latent frames done, in all); returning False ends the clips there.
    """
    parts = []
    for piece in pieces:
        parts.append(piece)
        if callback is not None and callback(len(parts), frames) is False:
            break
    return [Clip.join(clips) for clips in zip(*parts, strict=True)]
