"""The place of a hunt: good files to begin with, a folder to work in, and all around it what must stay as it is.

good/             a tiny model, films, pictures, sounds, tokens, data sets: what is mutated
outside/          files that nothing may touch
below/here/case/  the working folder of a case, a copy of good/ when it begins
home/, tmp/       $REELM_HOME and $TMPDIR
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[2] / "tests"
_UNFINISHED = ".reelm-"


class Area:
    """The folders under `root`, which are made where they are missing."""

    def __init__(self, root: Path):
        self.root = root
        self.good, self.outside, self.work = root / "good", root / "outside", root / "below" / "here" / "case"
        for folder in (self.good, self.outside, self.work, root / "home", root / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the variables of a process that works here."""
        home, temporary = str(self.root / "home"), str(self.root / "tmp")
        mine = {"REELM_HOME": home, "HOME": home, "TMPDIR": temporary, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(TESTS)}
        # Programs are kept for every process of the hunt. They run a few times: LLVM's optimizations would not pay.
        mine |= {"REELM_PROGRAMS": f"{home}/programs", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
        return {**os.environ, **mine}

    def begin(self) -> None:
        """Empty the working folder, copy the good files there, and stand in it."""
        os.chdir(self.root)
        shutil.rmtree(self.work)
        shutil.copytree(self.good, self.work)
        os.chdir(self.work)

    def untouched(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of every file that nothing may touch."""
        found = {}
        for folder in (self.good, self.outside):
            for path in folder.rglob("*"):
                status = path.lstat()
                found[str(path)] = (0 if path.is_dir() else status.st_size, 0 if path.is_dir() else status.st_mtime_ns)
        for folder in (self.root, self.work.parent):
            found |= {str(path): (0, 0) for path in folder.iterdir()}
        return found

    def left_behind(self) -> Iterator[str]:
        """Yield the names of unfinished files."""
        for folder in (self.work, self.root / "home", self.root / "tmp"):
            for path, folders, files in os.walk(folder):
                yield from (os.path.join(path, name) for name in (*folders, *files) if name.startswith(_UNFINISHED))


def furnish(area: Area) -> None:
    """Make the good files."""
    import numpy as np
    from array_record.python.array_record_module import ArrayRecordWriter
    from made.models import tiny_model

    from reelm.cli.main import main
    from reelm.data.tokens.index import SoundIndex, TokenRun
    from reelm.data.tokens.write import write_tokens
    from reelm.media.clip import Clip

    from .media import films

    good = area.good
    (area.outside / "note.txt").write_text("stays as it is")
    model: Any = tiny_model(sound=True)
    model.save(good / "tiny")
    clip = model.generate("a red seven", num_frames=9, seed=1)
    for suffix in (".mp4", ".gif", ".webp"):
        clip.save(good / f"clip{suffix}")
    model.generate("a red seven", num_frames=1).save(good / "picture.png")
    (good / "films").mkdir()
    films(good / "films", np.random.default_rng(0))
    _other_media(good, clip)
    (good / "prompts.txt").write_text("a red seven\na blue two\n")
    (good / "keys.txt").write_text("alice aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n")
    noise = np.random.default_rng(0).integers(0, 16, (40, 2), np.int32)
    sample = {"captions": ("a red seven",), "sound": noise, "still_frames": np.zeros(1, np.int32)}
    sample |= {"video": np.zeros((2, 2, 3), np.int32), "stills": np.zeros((1, 2, 3), np.int32)}
    write_tokens(
        good / "tokens",
        lambda start, stop: iter([sample] * (stop - start)),  # type: ignore[arg-type, return-value]
        runs=[TokenRun(6, 5, 16, 24)],
        tokenizer_hash=model.video_tokenizer.hash,
        fps=8.0,
        time_stride=4,
        sound=SoundIndex(model.audio_tokenizer.hash, 2, 4, (5, 20)),
    )
    os.chdir(good)
    for line in (
        "tokenize clip.mp4 -o tokens.npz --model tiny",
        "data build films --name films --data-dir sets --resolution 32 --lengths 1 5",
    ):
        if main(line.split()):
            sys.exit(f"reelm {line}: failed")
    assert Clip.open(good / "clip.mp4").info and ArrayRecordWriter


def _other_media(good: Path, clip: Any) -> None:
    """Write the formats that are read and that `Clip.save` does not write."""
    import av
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(clip.video[0])
    for suffix in ("jpg", "avif", "tiff", "bmp"):
        picture.save(good / f"picture.{suffix}")
    with av.open(str(good / "sound.wav"), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = (8_000 * np.sin(np.arange(16_000) / 9)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    for name, codec in (("clip.mkv", "ffv1"), ("clip.avi", "mjpeg"), ("clip.webm", "libvpx-vp9")):
        with av.open(str(good / name), "w") as container:
            stream = container.add_stream(codec, rate=8)
            stream.height, stream.width = 32, 48
            stream.pix_fmt = {"ffv1": "bgr0", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            for number in range(6):
                pixels = np.full((32, 48, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
