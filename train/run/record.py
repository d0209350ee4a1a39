"""Write the logs of a run: its metrics as JSON lines and for TensorBoard, and its samples.

In: the numbers of a step, a function that writes samples. Out: `metrics.jsonl`, one object a line with its step; event
files that TensorBoard and W&B read; folders of samples. One process of a run writes them. This module knows nothing of
models or the meaning of the numbers.
"""

import contextlib
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.proto import summary_pb2

from reelm.media.read import read_image, read_video
from reelm.storage.atomic import write_bytes

_CLIPS = 4  # clips of a folder of samples that TensorBoard shows


class Record:
    """The logs of a run from `step` on; if `writes` is false, nothing is written and no samples are made."""

    def __init__(self, workdir: Path, step: int, *, tensorboard: bool, writes: bool) -> None:
        self._workdir, self._open = workdir, contextlib.ExitStack()
        self._log = self._events = None
        if writes:
            self._log = self._open.enter_context(contextlib.closing(MetricsFile(workdir / "metrics.jsonl", step)))
        if writes and tensorboard:
            self._events = self._open.enter_context(contextlib.closing(EventFile(workdir / "tensorboard", step)))

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Add the numbers of a step, made after this many seconds of the run."""
        if self._log is not None:
            self._log.write(step, {"seconds": round(seconds, 3), **values})
        if self._events is not None:
            self._events.write(step, values)

    def sample(self, step: int, samples: Callable[[Path], None], note: Callable[[str], None]) -> None:
        """Call `samples` with a new folder; report a failure to `note`."""
        if self._log is None:
            return
        folder = self._workdir / "samples" / f"step_{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            samples(folder)
        except Exception as error:  # a failed sample must not end hours of training
            note(f"no samples in {folder.name}: {type(error).__name__}: {error}")
        if self._events is not None:
            self._events.show(step, folder)

    def close(self) -> None:
        self._open.close()


class MetricsFile:
    """`metrics.jsonl`, one object a line in the order of steps."""

    def __init__(self, path: Path, step: int) -> None:
        """Open `path` for the metrics after `step`; later lines, and a line cut off by a kill, are dropped."""
        kept = []
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    break
                if not isinstance(record, dict) or record.get("step", step + 1) > step:
                    break
                kept.append(line + "\n")
        write_bytes(path, "".join(kept).encode())
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; it is in the file when this returns."""
        # JSON has no NaN: values that are not finite are written as null.
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class EventFile:
    """Event files in `directory`, created with the first number."""

    def __init__(self, directory: Path, step: int) -> None:
        """Start after `step`: TensorBoard ignores what an earlier leg wrote for later steps."""
        self._writer = SummaryWriter(str(directory), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def show(self, step: int, folder: Path) -> None:
        """Add the first clips and the pictures in a folder of samples."""
        for path in sorted(folder.glob("*.mp4"))[:_CLIPS]:
            footage = read_video(path)
            self._picture(
                f"samples/{path.stem}", step, _animation(footage.video, footage.fps), footage.video.shape[1:3]
            )
        for path in sorted(folder.glob("*.png")):
            self._picture(f"samples/{path.stem}", step, path.read_bytes(), read_image(path).shape[:2])

    def close(self) -> None:
        self._writer.close()

    def _picture(self, name: str, step: int, data: bytes, size: tuple[int, ...]) -> None:
        kind: Any = summary_pb2.Summary  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
        image = kind.Image(height=size[0], width=size[1], colorspace=3, encoded_image_string=data)
        assert self._writer.file_writer is not None  # until it is closed
        self._writer.file_writer.add_summary(kind(value=[kind.Value(tag=name, image=image)]), step)


def _animation(frames: np.ndarray, fps: float) -> bytes:
    """Return a GIF that loops: the only kind of animation that TensorBoard shows."""
    from PIL import Image

    images = [Image.fromarray(frame).quantize(256) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0)
    return file.getvalue()
