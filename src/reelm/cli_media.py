"""`reelm reconstruct`, `tokenize` and `detokenize`: files through the tokenizer of a model.

A token file is an .npz of `video` int32 [t,h,w], `fps`, `frames`, `height`, `width` (of the clip as it was, before it
was filled up to whole codes), `tokenizer_hash` and `model` (the name or folder given; empty for the default). Sound is
left as it is by `reconstruct`, and left out by the other two.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import tyro

from reelm.cli_paths import check_clip_output, check_input, check_model, check_output
from reelm.tokenizer.request import RequestError

_TOKEN_FIELDS = ("video", "fps", "frames", "height", "width", "tokenizer_hash", "model")


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Send a video through the tokenizer and back. Prints PSNR and SSIM."""

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """File to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif or .webp."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""

    def run(self) -> None:
        check_input(self.video)
        check_clip_output(self.output)
        check_model(self.model)

        import reelm
        from reelm.train.scores import psnr, ssim

        clip = reelm.Clip.open(self.video)
        rebuilt = reelm.load(self.model).video_tokenizer.reconstruct(clip.video)
        reelm.Clip(video=rebuilt, fps=clip.fps, audio=clip.audio, sample_rate=clip.sample_rate).save(self.output)
        print(f"PSNR {psnr(clip.video, rebuilt):.2f} dB  SSIM {ssim(clip.video, rebuilt):.4f}")


@dataclass(frozen=True, kw_only=True)
class Tokenize:
    """Turn a video into codes."""

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """File to read."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .npz."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""

    def run(self) -> None:
        check_input(self.video)
        check_output(self.output, (".npz",))
        check_model(self.model)

        import numpy as np

        import reelm

        clip = reelm.Clip.open(self.video)
        tokenizer = reelm.load(self.model).video_tokenizer
        frames, height, width = clip.video.shape[:3]
        time, space = tokenizer.config.time_stride, tokenizer.config.space_stride
        # Filled up by the last frame, row and column, as `reconstruct` does.
        fill = [(0, -(frames - 1) % time), (0, -height % space), (0, -width % space), (0, 0)]
        tokens = {
            "video": tokenizer.encode(np.pad(clip.video, fill, mode="edge"))[0],
            "fps": np.float64(clip.fps),
            "frames": np.int64(frames),
            "height": np.int64(height),
            "width": np.int64(width),
            "tokenizer_hash": np.str_(tokenizer.hash),
            "model": np.str_(self.model or ""),
        }
        _write_npz(self.output, tokens)
        print(self.output)


@dataclass(frozen=True, kw_only=True)
class Detokenize:
    """Turn codes back into a video."""

    tokens: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TOKENS")]
    """File that `reelm tokenize` wrote."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4, .gif or .webp."""
    model: str | None = None
    """Shipped model or model folder; the default is the one that the file names."""

    def run(self) -> None:
        check_input(self.tokens)
        check_clip_output(self.output)
        tokens = _read_npz(self.tokens)
        name = self.model or str(tokens["model"]) or None
        check_model(name)

        import reelm

        tokenizer = reelm.load(name).video_tokenizer
        if tokenizer.hash != str(tokens["tokenizer_hash"]):
            raise RequestError(
                f"{self.tokens} was written with the tokenizer {tokens['tokenizer_hash']}, and "
                f"{name or 'demo'} has {tokenizer.hash}; name the right one with --model"
            )
        frames, height, width = (int(tokens[name]) for name in ("frames", "height", "width"))
        video = tokenizer.decode(tokens["video"])[0, :frames, :height, :width]
        reelm.Clip(video=video, fps=float(tokens["fps"]), tokens={"video": tokens["video"], "audio": None}).save(
            self.output
        )
        print(self.output)


def _write_npz(path: Path, arrays: dict[str, Any]) -> None:
    import numpy as np

    with NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.stem}-", suffix=".npz", delete=False) as file:
        try:
            np.savez_compressed(file, **arrays)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _read_npz(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive raises as many kinds of error as it has parts
        raise RequestError(f"{path} is no token file, or a damaged one; `reelm tokenize` writes them") from error
    missing = [name for name in _TOKEN_FIELDS if name not in arrays]
    if missing:
        raise RequestError(f"{path} is no token file: it lacks {', '.join(missing)}; `reelm tokenize` writes them")
    return arrays
