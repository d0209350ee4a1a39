"""Generation: a request in, clips out. The one place where codes become pixels and sound.

request -> latent_frames, one at a time -> the tokenizers, one latent frame at a time -> pieces of Clips -> Clips
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from reelm.media.clip import Clip
from reelm.media.sound import samples_beside
from reelm.progress import Progress
from reelm.sampling.conditions.soundtrack import Soundtrack
from reelm.sampling.decoding.windows import LatentFrame, latent_frames

from .parts import ModelParts
from .request import Prompt, Request, Script


def stream(model: ModelParts, request: Request, source: Iterator[LatentFrame] | None = None) -> Iterator[list[Clip]]:
    """Yield the frames of one latent frame after another, as a clip for each prompt and seed.

    source: of the latent frames, where the request is decoded together with others.
    """
    tokenizer, settings, given = model.video_tokenizer, request.settings, request.given
    length = settings.num_frames
    asked = zip(request.prompts, request.scripts, request.warnings, strict=True)
    rows = [(_prompt_info(model, *each), seed) for each in asked for seed in request.seeds]
    about = settings.info() | {"model": model.name, "tokenizer": tokenizer.hash, "dtype": str(model.dtype)}
    about |= request.sources
    if request.described is not None:
        about["described"] = request.described
    if model.soundtrack is not None:
        about["audio_tokenizer"] = model.soundtrack.tokenizer.hash
    size = {"batch": len(rows), "height": settings.height, "width": settings.width}
    if length != 1:
        tokenizer.prepare_decoding(**size)
    chunks = tokenizer.init_decode_state(**size)
    track = None if model.soundtrack is None else _Track(model.soundtrack, len(rows), settings.fps, length)

    done = 0
    forwards, sound_forwards = (np.zeros(len(rows), int) for _ in range(2))
    source = latent_frames(model, request) if source is None else source
    ahead: LatentFrame | None = None
    while length is None or done < length:
        codes, sound, (of_picture, of_sound) = next(source) if ahead is None else ahead
        video, chunks = tokenizer.decode_ahead(codes, chunks)
        made = None if track is None or sound is None else track.decode_ahead(sound)
        ahead = None
        if done and (length is None or done + video.shape[1] < length):
            # The next latent frame is under way on the device while the host waits for this one. The first frame is
            # handed over at once.
            ahead = next(source)
        forwards += np.asarray(of_picture)
        frames = given.paste(np.asarray(video), done)
        frames = frames if length is None else frames[:, : length - done]
        counts, heard = {"forwards": forwards}, None
        # To the host as they are: taking a row of them on the device would be a program of its own.
        ids, sound_ids = np.asarray(codes), None if sound is None else np.asarray(sound)
        if track is not None and made is not None:
            sound_forwards += np.asarray(of_sound)
            counts["sound_forwards"] = sound_forwards
            heard = track.beside(np.asarray(made), done, frames.shape[1])
        done += frames.shape[1]
        yield [
            Clip(
                video=frames[i],
                fps=settings.fps,
                tokens={"video": ids[i : i + 1], "audio": None if sound_ids is None else sound_ids[i]},
                info={**words, "seed": seed, **{name: int(each[i]) for name, each in counts.items()}, **about},
                audio=None if heard is None else heard[i],
                sample_rate=None if track is None else track.sample_rate,
            )
            for i, (words, seed) in enumerate(rows)
        ]


def _prompt_info(model: ModelParts, prompt: Prompt, script: Script, amiss: Sequence[str]) -> dict[str, Any]:
    """Return what `Clip.info` says about a prompt: with a thesaurus also the words that the model reads."""
    read = [shot.words for shot in script]
    info = {"prompt": prompt} | ({"read_as": read[0] if len(read) == 1 else read} if model.thesaurus else {})
    return info | ({"warnings": list(amiss)} if amiss else {})


class _Track:
    """Decode the sound of some clips piece by piece, each piece as long as its frames."""

    def __init__(self, soundtrack: Soundtrack, clips: int, fps: float, length: int | None):
        self._tokenizer, self._fps = soundtrack.tokenizer, fps
        tokenizer = self._tokenizer
        self._state = tokenizer.init_decode_state(batch=clips)
        self.sample_rate = soundtrack.sample_rate
        for frames in set(soundtrack.frames if length != 1 else ()):
            tokenizer.prepare_decoding(frames, batch=clips)

    def decode_ahead(self, codes: jax.Array) -> jax.Array:
        """Return sound float32 `[B, S, C]` of the next codes int32 `[B, s, L]`, without waiting for it."""
        sound, self._state = self._tokenizer.decode_ahead(codes, self._state)
        return sound

    def beside(self, sound: np.ndarray, done: int, frames: int) -> np.ndarray:
        """Return the part of a piece of sound that belongs to `frames` frames after the first `done`."""
        begin, end = (samples_beside(n, self._fps, self.sample_rate) for n in (done, done + frames))
        return sound[:, : end - begin]


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
    return [_join(clips) for clips in zip(*parts, strict=True)]


def _join(clips: Sequence[Clip]) -> Clip:
    """Return one clip of successive ones."""

    def whole(parts: list[np.ndarray | None]) -> np.ndarray | None:
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known else None

    tokens = [clip.tokens or {} for clip in clips]
    return replace(
        clips[-1],
        video=np.concatenate([clip.video for clip in clips]),
        audio=whole([clip.audio for clip in clips]),
        tokens={name: whole([each[name] for each in tokens]) for name in ("video", "audio")},
    )
