"""`reelm reconstruct`, `tokenize` and `detokenize`: encode and decode files with the tokenizer of a model.

A token file is an .npz of `video` int32 [t,h,w], `fps`, `frames`, `height`, `width` (of the clip before it was padded
to whole codes), `times` float64 [frames + 1] (the second at which each frame begins, and that at which the last one
ends), `tokenizer_hash` and `model` (its name or folder). If the clip has sound and the model an audio tokenizer, it
also has `audio` int32 [F,levels], `sample_rate` (of the clip, in Hz) and `audio_tokenizer_hash`. Pictures and sound are
streamed, so memory does not grow with the length.
"""

from dataclasses import asdict, dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from reelm.cli.checks import check_clip_output, check_input, check_model, check_output, is_at_hand
from reelm.cli.printable import print_path
from reelm.errors import RequestError
from reelm.media.formats.token_file import read_token_file
from reelm.sampling.folder import shipped
from reelm.storage.fields import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reelm.media.sound import Sound
    from reelm.tokenizer.audio.tokenizer import AudioTokenizer


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How to cut frames that do not fit into memory into tiles."""

    tile: int | None = None
    """Side of a tile in pixels: a multiple of 8, above overlap. Default: whole frames."""
    overlap: int = 64
    """Pixels that neighbouring tiles share."""


def model_behind(video: Path) -> str:
    """Return the shipped model that a clip names as the one that made it; natural for any other file."""
    from reelm.media.file_info import of_comment
    from reelm.media.read import read_note

    made_by = of_comment(read_note(video))[1].get("model")
    return made_by if made_by in shipped.names() else "natural"


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Encode a video and its sound, decode them again and print how close they are to the original.

    PSNR and SSIM are of the pictures. SI-SDR in dB and the mel distance in decades are of the sound.

    Example: reelm reconstruct film.mp4 -o rebuilt.mp4
    """

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """Video file to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif or .webp."""
    model: str | None = None
    """Shipped model or model folder. Default: the shipped model that made the video, natural for any other."""
    copy_sound: bool = False
    """Copy the sound as it is. A model without an audio tokenizer always does."""
    sound_levels: int | None = None
    """Levels of the sound's codes to decode, from the first on: a lower bit rate. Default: all."""
    tiling: Tiling = Tiling()

    def run(self) -> None:
        check_input(self.video)
        check_clip_output(self.output)
        name = self.model or model_behind(self.video)
        check_model(name)

        import reelm
        from reelm.evaluation.scores.pictures import Similarity
        from reelm.evaluation.scores.sound import SoundSimilarity
        from reelm.media.film import open_film, save_film
        from reelm.media.timing import TimedFrame
        from reelm.tokenizer.audio.stream import reconstruct_stream as rebuild_sound
        from reelm.tokenizer.video.stream import reconstruct_stream

        model = reelm.load(name)
        tokenizer = model.video_tokenizer
        audio = None if self.copy_sound else model.audio_tokenizer
        film = open_film(self.video, sound_as=audio and (audio.config.sample_rate, audio.config.channels))
        similarity, sound_similarity = Similarity(), SoundSimilarity()

        def rebuilt():
            timed, read = tee(film.frames)
            pairs = reconstruct_stream(tokenizer, (frame.pixels for frame in read), **asdict(self.tiling))
            for frame, (original, made) in zip(timed, pairs, strict=True):
                similarity.add(original, made)
                yield TimedFrame(frame.start, frame.end, made)

        def rebuilt_audio(audio_tokenizer: "AudioTokenizer", sound: "Iterator[Sound]"):
            levels = _levels(audio_tokenizer, self.sound_levels)
            for original, made in rebuild_sound(audio_tokenizer, sound, levels=levels):
                sound_similarity.add(original, made, audio_tokenizer.config.sample_rate)
                yield made

        sound = film.sound if audio is None or film.sound is None else rebuilt_audio(audio, film.sound)
        save_film(self.output, film._replace(frames=rebuilt(), sound=sound))
        print(f"PSNR {similarity.psnr:.2f} dB  SSIM {similarity.ssim:.4f}")
        if sound_similarity.seconds:
            print(f"SI-SDR {sound_similarity.si_sdr:.2f} dB  mel distance {sound_similarity.mel_distance:.4f}")


@dataclass(frozen=True, kw_only=True)
class Tokenize:
    """Encode a video, and its sound if the model has an audio tokenizer.

    Example: reelm tokenize film.mp4 -o tokens.npz
    """

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """Video file to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Token file to write, .npz."""
    model: str | None = None
    """Shipped model or model folder. Default: the shipped model that made the video, natural for any other."""
    sound_levels: int | None = None
    """Levels of the sound's codes to keep, from the first on: a lower bit rate. Default: all."""
    tiling: Tiling = Tiling()

    def run(self) -> None:
        check_input(self.video)
        check_output(self.output, (".npz",))
        name = self.model or model_behind(self.video)
        check_model(name)

        import numpy as np

        import reelm
        from reelm.media.film import open_film
        from reelm.media.read import read_tracks
        from reelm.media.sound import fitted_pieces
        from reelm.storage.arrays import write_arrays
        from reelm.tokenizer.audio.stream import encode_stream as encode_sound
        from reelm.tokenizer.video.stream import encode_stream

        model = reelm.load(name)
        tokenizer, audio = model.video_tokenizer, model.audio_tokenizer
        film = open_film(self.video, sound_as=audio and (audio.config.sample_rate, audio.config.channels))
        times, height, width = [0.0], 0, 0

        def pixels():
            nonlocal height, width
            for frame in film.frames:
                times[-1:] = frame.start, frame.end
                height, width, _ = frame.pixels.shape
                yield frame.pixels

        tokens = {
            "video": np.stack([*encode_stream(tokenizer, pixels(), **asdict(self.tiling))]),
            "fps": np.float64(film.fps),
            "frames": np.int64(len(times) - 1),
            "height": np.int64(height),
            "width": np.int64(width),
            "times": np.array(times),
            "tokenizer_hash": np.str_(tokenizer.hash),
            "model": np.str_(name),
        }
        if audio is not None and film.sound is not None:
            _, _, own = read_tracks(self.video)
            assert own is not None
            samples = round(times[-1] * audio.config.sample_rate)
            pieces = fitted_pieces(film.sound, samples, audio.config.channels)
            levels = _levels(audio, self.sound_levels)
            tokens |= {
                "audio": np.concatenate([codes[:, :levels] for codes in encode_sound(audio, pieces)]),
                "sample_rate": np.int64(own[0]),
                "audio_tokenizer_hash": np.str_(audio.hash),
            }
        write_arrays(self.output, tokens)
        print_path(self.output)


@dataclass(frozen=True, kw_only=True)
class Detokenize:
    """Decode a token file into a video.

    Example: reelm detokenize tokens.npz -o film.mp4
    """

    tokens: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TOKENS")]
    """File that `reelm tokenize` wrote."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif or .webp."""
    model: str | None = None
    """Shipped model or model folder. Default: the model that the token file names."""
    tiling: Tiling = Tiling()

    def run(self) -> None:
        check_input(self.tokens)
        check_clip_output(self.output)
        tokens = read_token_file(self.tokens)
        name = self.model or tokens.model
        if self.model is None and not is_at_hand(name):
            raise RequestError(
                f"{self.tokens} names the model {shown(name)}, which is not on this machine; name it with --model"
            )
        check_model(name)

        import reelm
        from reelm.media.film import Film, save_film
        from reelm.media.timing import TimedFrame
        from reelm.tokenizer.audio.stream import decode_stream as decode_sound
        from reelm.tokenizer.video.stream import decode_stream

        model = reelm.load(name)
        tokenizer, (height, width) = model.video_tokenizer, (tokens.height, tokens.width)
        _check_made_by(self.tokens, tokens.tokenizer_hash, tokenizer.hash, name)
        frames, stride = len(tokens.times) - 1, tokenizer.config.space_stride
        shape = tokenizer.config.latent_frames(frames), -(-height // stride), -(-width // stride)
        if tokens.video.shape != shape:
            raise RequestError(
                f"{self.tokens} holds codes of the shape {list(tokens.video.shape)}; {frames} frames of "
                f"{width}x{height} have {list(shape)}"
            )
        times = tokens.times.tolist()
        # The last latent frame may have padding.
        decoded = decode_stream(tokenizer, tokens.video, **asdict(self.tiling))
        rebuilt = zip(times, times[1:], decoded, strict=False)
        film = Film((TimedFrame(a, b, frame[:height, :width]) for a, b, frame in rebuilt), tokens.fps)
        if tokens.audio is not None and tokens.audio_tokenizer_hash is not None:
            audio_tokenizer = model.audio_tokenizer
            held = None if audio_tokenizer is None else audio_tokenizer.hash
            _check_made_by(self.tokens, tokens.audio_tokenizer_hash, held, name)
            assert audio_tokenizer is not None
            sound = decode_sound(audio_tokenizer, tokens.audio)
            film = film._replace(sound=sound, sample_rate=audio_tokenizer.config.sample_rate)
        save_film(self.output, film)
        print_path(self.output)


def _levels(tokenizer: "AudioTokenizer", wanted: int | None) -> int:
    """Return the number of levels to keep; RequestError for a number that the tokenizer does not decode."""
    config = tokenizer.config
    if wanted is not None and not config.decodes(wanted, config.bits):
        known = " or ".join(map(str, (*config.fewer_levels, config.levels)))
        raise RequestError(f"--sound-levels is {wanted}; this audio tokenizer decodes {known}")
    return wanted or config.levels


def _check_made_by(path: Path, made_by: str, tokenizer: str | None, model: str) -> None:
    if tokenizer != made_by:
        has = tokenizer or "none for sound"
        raise RequestError(
            f"{path} was written with the tokenizer {shown(made_by)}, and {model} has {has}; name the right one with "
            "--model"
        )
