"""`reelm data tokenize`: encode the clips of a data set, once, into a token set that language models train on."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import numpy as np

from reelm.data.catalog import open_clips
from reelm.data.clips import CaptionedClip, ClipSource
from reelm.errors import RequestError
from reelm.lm.layout import audio_frames, portrait_size
from reelm.media.outlines import STRUCTURES, motion
from reelm.media.portrait import portrait
from reelm.media.sound import resample, with_channels
from reelm.programs.each_device import on_each_device
from reelm.progress import Progress, silent
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .index import KeyIndex, SoundIndex, TokenIndex, TokenRun
from .sample import TokenSample
from .write import write_tokens

_BATCH = 32
# Controls that are computed from the pixels of a clip, and those that a clip has itself.
DERIVED = ("edges", "silhouette", "motion")
_OWN = ("tracks", "camera")
_STILLS = 4  # frames of each clip that are tokenized by themselves, too


def tokenize(
    clips: str | ClipSource,
    tokenizer: VideoTokenizer,
    output: Path,
    *,
    audio_tokenizer: AudioTokenizer | None = None,
    sound_levels: int | None = None,
    split: str = "train",
    num_clips: int | None = None,
    num_frames: int | None = None,
    controls: Sequence[str] = (),
    process: int = 0,
    processes: int = 1,
    progress: Progress = silent,
) -> TokenIndex:
    """Encode clips, once, on all devices of this process. A second call continues an unfinished set.

    Some frames of each clip are encoded by themselves, too: they train a language model to make clips from pictures.

    Args:
        clips: a data set by its name or by the folder of one that was built, or open clips.
        output: folder for the token set.
        audio_tokenizer: encodes the sound of clips that have some; None leaves sound out.
        sound_levels: how many of its levels are kept, from the first on; None for all.
        split, num_clips, num_frames: of a data set: its split, the number of clips (None for all) and the frames of
            each; None for its own length, 33 of moving_digits.
        controls: to compute, of `DERIVED`, or to encode, of the clips' own `controls`. Tracks and camera moves of clips
            are always kept.
        process, processes: number of this process, and of all that share the work; see `write_tokens`.
        progress: called with the shards written and the number of shards.

    Raises:
        RequestError: no such data set, sound whose rate does not fit that of the frames, or other files in `output`.
    """
    if isinstance(clips, str):
        clips = open_clips(clips, split, num_frames=num_frames, num_clips=num_clips)
    _check_controls(controls, clips[0])
    encoder = _Encoder(tokenizer, audio_tokenizer, sound_levels, clips[0]["fps"])
    ends = list(accumulate(run.clips for run in clips.shapes))

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        # The batches of a shard depend only on the shard: its bytes are the same, whichever process or device makes it.
        read = ((first, [clips[i] for i in range(first, last)]) for first, last in _batches(start, stop, ends))
        for samples in on_each_device(lambda batch: [*encoder.samples(batch[1], batch[0], controls)], read):
            yield from samples

    return write_tokens(
        output,
        samples_of,
        runs=[TokenRun(*run) for run in clips.shapes],
        tokenizer_hash=tokenizer.hash,
        scale=scale_of(tokenizer),
        fps=encoder.fps,
        time_stride=tokenizer.config.time_stride,
        source=clips.description,
        sound=encoder.sound,
        keys=_key_index(clips.description),
        controls=[*(own for own in _OWN if own in clips[0]), *controls],
        process=process,
        processes=processes,
        progress=progress,
    )


def scale_of(tokenizer: VideoTokenizer) -> int:
    """Return the size of a tokenizer's clips divided by the size that its encoder sees."""
    return tokenizer.config.decoder_scale if isinstance(tokenizer.config, VideoTokenizerConfig) else 1


def _check_controls(controls: Sequence[str], clip: CaptionedClip) -> None:
    known = (*DERIVED, *clip.get("controls", {}))
    if unknown := [control for control in controls if control not in known]:
        raise RequestError(f"{unknown[0]!r} is not seen in these clips; controls are {', '.join(dict.fromkeys(known))}")


class _Encoder:
    """Makes samples of clips with the tokenizers. `sound` says how sound is stored; None without sound."""

    def __init__(self, video: VideoTokenizer, audio: AudioTokenizer | None, levels: int | None, fps: float):
        self.fps, self.sound = fps, None
        self._video, self._audio = video, audio
        if audio is None:
            return
        frames = (audio.config.frames_beside(1, fps), audio.config.frames_beside(video.config.time_stride, fps))
        levels, bits = levels or audio.config.levels, audio.config.bits
        if not audio.config.decodes(levels, bits):
            known = " or ".join(map(str, (*audio.config.fewer_levels, audio.config.levels)))
            raise RequestError(f"this audio tokenizer decodes {known} levels, not {levels}")
        self.sound = SoundIndex(audio.hash, levels, bits, frames)

    def samples(
        self, batch: Sequence[CaptionedClip], first: int, controls: Sequence[str] = ()
    ) -> Iterator[TokenSample]:
        """Yield the samples of clips of one shape, at most `_BATCH`.

        Args:
            batch: the clips.
            first: number of the first one.
            controls: see `tokenize`.
        """
        # A short batch is padded, so that it does not compile another program.
        videos = np.stack([clip["video"] for clip in batch] + [batch[-1]["video"]] * (_BATCH - len(batch)))
        frames = np.stack([_still_frames(first + i, videos.shape[1]) for i in range(_BATCH)])
        chosen = np.take_along_axis(videos, frames[..., None, None, None], axis=1)
        codes, stills = self._video.encode(videos), self._video.encode(chosen.reshape(-1, 1, *videos.shape[2:]))
        stills = stills.reshape(*frames.shape, *codes.shape[2:])
        derived = {control: self._derived(control, videos, batch) for control in controls}
        tracks = [np.zeros((0, 0), np.int32)] * len(batch)
        if self._audio is not None and self.sound is not None:
            tracks = _sounds(self._audio, batch, self.sound, self.fps, codes.shape[1])
        references = iter(self._portraits([picture for clip in batch for picture in clip.get("references", ())]))
        next_shots = self._next_shots(batch, first)
        for i, clip in enumerate(batch):
            sample: TokenSample = {
                "video": codes[i],
                "captions": clip["captions"],
                "stills": stills[i],
                "still_frames": frames[i],
                "sound": tracks[i],
            }
            if "keys" in clip:
                sample["keys"] = _of_latent_frames(clip["keys"], self._video.config.time_stride)
            if "references" in clip:
                sample["references"] = np.stack([next(references) for _ in clip["references"]])
            if "reference_captions" in clip:
                sample["reference_captions"] = clip["reference_captions"]
            steers: Any = {name: values[i] for name, values in derived.items()}
            steers |= {name: np.asarray(value, np.float32) for name, value in clip.items() if name in _OWN}
            yield cast(TokenSample, {**sample, **steers, **next_shots[i]})

    def _derived(self, control: str, videos: np.ndarray, batch: Sequence[CaptionedClip]) -> np.ndarray:
        """Return the values of a control for each of the clips `[B, T, H, W, 3]`."""
        if control == "motion":
            return np.array([[motion(clip["video"], self.fps)] for clip in batch], np.float32)
        films = [clip.get("controls", {}).get(control) for clip in batch]
        films += films[-1:] * (_BATCH - len(films))  # a short batch was padded
        shown = [STRUCTURES[control](v) if film is None else film for v, film in zip(videos, films, strict=True)]
        return self._video.encode(np.stack(shown))

    def _portraits(self, pictures: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the codes int32 [p, q] of portraits of the subjects of pictures, each tokenized by itself."""
        for first in range(0, len(pictures), _BATCH):
            height, width = pictures[first].shape[:2]
            size = portrait_size(height, width, self._video.config.space_stride)
            part = [portrait(each, *size) for each in pictures[first : first + _BATCH]]
            # A short batch is padded, so that it does not compile another program.
            yield from self._video.encode(np.stack(part + part[-1:] * (_BATCH - len(part)))[:, None])[: len(part), 0]

    def _next_shots(self, batch: Sequence[CaptionedClip], first: int) -> list[Any]:
        """Return the fields of samples about the shots that follow their clips; empty dicts if none follow."""
        shots = [clip["next_shot"] for clip in batch if "next_shot" in clip]
        if len(shots) < len(batch):
            return [{}] * len(batch)
        kept = TokenSample.__annotations__
        made = ({f"next_{name}": value for name, value in each.items()} for each in self.samples(shots, first))
        return [{name: value for name, value in each.items() if name in kept} for each in made]


def _sounds(
    tokenizer: AudioTokenizer, batch: Sequence[CaptionedClip], index: SoundIndex, fps: float, latent_frames: int
) -> list[np.ndarray]:
    """Return the codes int32 [F, L] of the sound of each clip, for all its latent frames; F = 0 without a track."""
    codes = [np.zeros((0, index.levels), np.int32)] * len(batch)
    heard = [i for i, clip in enumerate(batch) if len(clip.get("audio", ()))]
    if not heard:
        return codes
    wanted = audio_frames(index.frames, latent_frames) * tokenizer.config.hop
    rate = tokenizer.config.rate_beside(fps)
    # A short batch is padded with silence, so that it does not compile another program.
    tracks = np.zeros((_BATCH, wanted, tokenizer.config.channels), np.float32)
    for i in heard:
        clip = batch[i]
        assert "audio" in clip and "sample_rate" in clip
        sound = with_channels(clip["audio"][None], tokenizer.config.channels)
        sound = resample(sound, clip["sample_rate"], rate)[0, :wanted]
        tracks[i, : len(sound)] = sound
    ids = tokenizer.encode(tracks, tokenizer.config.sample_rate)
    for i in heard:
        codes[i] = ids[i, :, : index.levels]
    return codes


def _key_index(description: Mapping[str, Any]) -> KeyIndex | None:
    return KeyIndex(tuple(description["keys"]), description["keys_at_once"]) if "keys" in description else None


def _of_latent_frames(keys: np.ndarray, stride: int) -> np.ndarray:
    """Return the keys bool [t, K] held in any frame of each latent frame, from those of frames bool [T, K]."""
    return np.concatenate([keys[:1], keys[1:].reshape(-1, stride, keys.shape[1]).any(axis=1)])


def _batches(start: int, stop: int, ends: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of each batch between `start` and `stop`; none crosses one of `ends`."""
    while start < stop:
        end = min(start + _BATCH, stop, next(end for end in ends if end > start))
        yield start, end
        start = end


def _still_frames(clip: int, num_frames: int) -> np.ndarray:
    """Return the numbers of the frames of clip `clip` to tokenize by themselves: last, middle, and some random ones."""
    drawn = np.random.default_rng([1, clip]).integers(0, num_frames, _STILLS - 2)
    return np.array([num_frames - 1, (num_frames - 1) // 2, *drawn], np.int32)
