"""The numbers and clips of a run for TensorBoard, beside its `metrics.jsonl`.

Comes in: metrics of a step; a folder of samples. Goes out: event files that TensorBoard and W&B read. Clips are
animated pictures, which TensorBoard plays. Knows nothing of models.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.proto import summary_pb2

from reelm.media.read import read_image, read_video

_CLIPS = 4  # of a folder of samples


class EventFile:
    """Event files in `directory`, made with the first number."""

    def __init__(self, directory: Path, step: int) -> None:
        """For the metrics after `step`: what an earlier leg wrote beyond it TensorBoard leaves out."""
        self._writer = SummaryWriter(str(directory), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the numbers of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def show(self, step: int, folder: Path) -> None:
        """Adds the first clips and the pictures in a folder of samples."""
        for path in sorted(folder.glob("*.mp4"))[:_CLIPS]:
            footage = read_video(path)
            self._picture(
                f"samples/{path.stem}", step, _animation(footage.video, footage.fps), footage.video.shape[1:3]
            )
        for path in sorted(folder.glob("*.png")):
            self._picture(f"samples/{path.stem}", step, path.read_bytes(), read_image(path).shape[:2])

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()

    def _picture(self, name: str, step: int, data: bytes, size: tuple[int, ...]) -> None:
        kind: Any = summary_pb2.Summary  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
        image = kind.Image(height=size[0], width=size[1], colorspace=3, encoded_image_string=data)
        assert self._writer.file_writer is not None  # until it is closed
        self._writer.file_writer.add_summary(kind(value=[kind.Value(tag=name, image=image)]), step)


def _animation(frames: np.ndarray, fps: float) -> bytes:
    """A GIF that plays for ever: the only moving picture that TensorBoard shows."""
    from PIL import Image

    images = [Image.fromarray(frame).quantize(256) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0)
    return file.getvalue()
