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
        request: a planned request.
        source: its latent frames, for a request in a batch. None draws them here.
        ahead: whether to begin a latent frame before the previous one is yielded. False for live play, where the next
            keys are not known yet.
    """
    model, settings = request.model, request.choice.settings
    rows = _infos(request)
    renderer = Renderer(
        model.video_tokenizer,
        model.soundtrack,
        request.inputs.conditions,
        clips=len(rows),
        height=settings.height,
        width=settings.width,
        fps=settings.fps,
        length=settings.num_frames,
        cuts={shot.begins for shot in request.stream.shots if shot.cut},
        # With `best_of`, only the chosen clip is enlarged, and later.
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
        # The device works on the next latent frame while the host waits for this one. The first one is yielded at once.
        begun_ahead = next(source) if ahead and renderer.done and not last else None
        video, heard = renderer.finish(begun)
        counts = {"forwards": (forwards := forwards + np.asarray(codes.forwards[0]))}
        keys = _keys_info(request, number)
        number += 1
        if codes.sound is not None:
            counts["sound_forwards"] = sound_forwards = sound_forwards + np.asarray(codes.forwards[1])
        # Copied to the host whole: slicing a row on the device would compile another program.
        ids = to_host(codes.video, model.video_tokenizer.config.bits)
        sound_ids = None if codes.sound is None else np.asarray(codes.sound)
        yield [
            Clip(
                video=video[i],
                fps=settings.fps,
                tokens={"video": ids[i : i + 1], "audio": None if sound_ids is None else sound_ids[i]},
                info=info[0] | {name: int(each[i]) for name, each in counts.items()} | info[1] | keys,
                audio=None if heard is None else heard[i],
                sample_rate=request.sound.sample_rate,
            )
            for i, info in enumerate(rows)
        ]


def _keys_info(request: Request, number: int) -> dict[str, Any]:
    """Return the keys of a latent frame for `Clip.info`. The first one, and those that are given, have none."""
    keys = request.inputs.summary.get("keys")
    if keys is None:
        return {}
    at = number - max(1, len(request.inputs.conditions.known))
    return {"keys": [] if at < 0 else [*keys[at : at + 1]] or [[]]}


def _infos(request: Request) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return two parts of `Clip.info` for each clip. The counts of forward passes come between them."""
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


def _prompt_info(model: ModelParts, prompt: Prompt, script: Script, warnings: Sequence[str]) -> dict[str, Any]:
    """Return the part of `Clip.info` about a prompt. Prompt retrieval adds the words that the model reads."""
    read = [stretch.words for stretch in script]
    info = {"prompt": prompt} | ({"read_as": read[0] if len(read) == 1 else read} if model.prompt_retrieval else {})
    return info | ({"warnings": list(warnings)} if warnings else {})


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
