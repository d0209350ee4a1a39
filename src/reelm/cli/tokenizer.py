"""`reelm reconstruct`, `tokenize` and `detokenize`: files through the tokenizer of a model.

A token file is an .npz of `video` int32 [t,h,w], `fps`, `frames`, `height`, `width` (of the clip as it was, before it
was filled up to whole codes), `times` float64 [frames + 1] (the second at which each frame begins, and that at which
the last one ends), `tokenizer_hash` and `model` (the name or folder of it). Where the clip has sound and the model a
tokenizer for it, also of `audio` int32 [F,levels], `sample_rate` (of the clip, in Hz) and `audio_tokenizer_hash`.
`reconstruct` leaves sound as it is.
"""

from dataclasses import asdict, dataclass
from itertools import tee
from pathlib import Path
from typing import Annotated

import tyro

from reelm.errors import RequestError
from reelm.media.formats.token_file import read_token_file
from reelm.storage.fields import shown

from .checks import check_clip_output, check_input, check_model, check_output, is_at_hand


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How frames that do not fit into memory are cut."""

    tile: int | None = None
    """Side of a tile in pixels: a multiple of 8, above overlap. Default: whole frames."""
    overlap: int = 64
    """Pixels that neighbouring tiles share."""


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Encode a video, decode it again and print PSNR and SSIM. Sound is copied.

    Example: reelm reconstruct film.mp4 -o rebuilt.mp4
    """

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """Video file to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif or .webp."""
    model: str = "natural"
    """Shipped model or model folder."""
    tiling: Tiling = Tiling()

    def run(self) -> None:
        check_input(self.video)
        check_clip_output(self.output)
        check_model(self.model)

        import reelm
        from reelm.evaluation.scores.pictures import Likeness
        from reelm.media.film import open_film, save_film
        from reelm.media.timing import TimedFrame
        from reelm.tokenizer.video.stream import reconstruct_stream

        film, likeness = open_film(self.video), Likeness()
        tokenizer = reelm.load(self.model).video_tokenizer

        def rebuilt():
            timed, given = tee(film.frames)
            pairs = reconstruct_stream(tokenizer, (frame.pixels for frame in given), **asdict(self.tiling))
            for frame, (original, made) in zip(timed, pairs, strict=True):
                likeness.add(original, made)
                yield TimedFrame(frame.start, frame.end, made)

        save_film(self.output, film._replace(frames=rebuilt()))
        print(f"PSNR {likeness.psnr:.2f} dB  SSIM {likeness.ssim:.4f}")


@dataclass(frozen=True, kw_only=True)
class Tokenize:
    """Encode a video, and its sound if the model has an audio tokenizer.

    Example: reelm tokenize film.mp4 -o tokens.npz
    """

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """Video file to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Token file to write, .npz."""
    model: str = "natural"
    """Shipped model or model folder."""
    tiling: Tiling = Tiling()

    def run(self) -> None:
        check_input(self.video)
        check_output(self.output, (".npz",))
        check_model(self.model)

        import numpy as np

        import reelm
        from reelm.media.film import open_film
        from reelm.media.sound import fitted
        from reelm.storage.arrays import write_arrays
        from reelm.tokenizer.video.stream import encode_stream

        film, model = open_film(self.video), reelm.load(self.model)
        tokenizer, audio_tokenizer = model.video_tokenizer, model.audio_tokenizer
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
            "model": np.str_(self.model),
        }
        sound = None if audio_tokenizer is None else film.whole_sound()
        if audio_tokenizer is not None and sound is not None and film.sample_rate is not None:
            samples = round(times[-1] * film.sample_rate)
            tokens |= {
                "audio": audio_tokenizer.encode(fitted(sound, samples), film.sample_rate)[0],
                "sample_rate": np.int64(film.sample_rate),
                "audio_tokenizer_hash": np.str_(audio_tokenizer.hash),
            }
        write_arrays(self.output, tokens)
        print(self.output)


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
        # The last latent frame may have been filled up.
        decoded = decode_stream(tokenizer, tokens.video, **asdict(self.tiling))
        rebuilt = zip(times, times[1:], decoded, strict=False)
        film = Film((TimedFrame(a, b, frame[:height, :width]) for a, b, frame in rebuilt), tokens.fps)
        if tokens.audio is not None and tokens.audio_tokenizer_hash is not None:
            audio_tokenizer = model.audio_tokenizer
            held = None if audio_tokenizer is None else audio_tokenizer.hash
            _check_made_by(self.tokens, tokens.audio_tokenizer_hash, held, name)
            assert audio_tokenizer is not None
            rate = audio_tokenizer.config.sample_rate
            film = film._replace(sound=iter(audio_tokenizer.decode(tokens.audio)), sample_rate=rate)
        save_film(self.output, film)
        print(self.output)


def _check_made_by(path: Path, made_by: str, tokenizer: str | None, model: str) -> None:
    if tokenizer != made_by:
        has = tokenizer or "none for sound"
        raise RequestError(
            f"{path} was written with the tokenizer {shown(made_by)}, and {model} has {has}; name the right one with "
            "--model"
        )
