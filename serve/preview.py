"""The newest frame of a job, for those who follow it."""

import base64
import io
from threading import Lock

import numpy as np
from PIL import Image


class Preview:
    """A frame uint8 [H, W, 3], encoded once for all who look at it. Any thread may use it."""

    def __init__(self, frame: np.ndarray):
        self._frame, self._encoded, self._lock = frame, "", Lock()

    def encoded(self) -> str:
        """Return the frame as a PNG in a `data:` address."""
        with self._lock:
            if not self._encoded:
                written = io.BytesIO()
                Image.fromarray(self._frame).save(written, "png")
                self._encoded = f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"
            return self._encoded
