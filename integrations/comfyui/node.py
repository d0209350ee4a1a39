"""The node: from widgets to a clip on disk, its frames and its sound.

The clip is made by `reelm serve`, here or elsewhere. ComfyUI needs no new package.
"""

from __future__ import annotations

import os
from typing import Any

from .client import LOCAL, Client
from .frames import read_clip, write_png


class MakeVideo:
    """Makes a clip from words and, optionally, a first picture. The same seed gives the same clip."""

    CATEGORY = "video"
    DESCRIPTION = "Makes a clip with sound from words, by a server of reelm."
    FUNCTION = "make"
    OUTPUT_NODE = True
    RETURN_TYPES = ("IMAGE", "AUDIO", "FLOAT", "STRING")
    RETURN_NAMES = ("images", "audio", "fps", "path")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  (ComfyUI's name)
        """Return the inputs, as ComfyUI reads them."""
        server = f"Address of the server. Empty: REELM_SERVER in the environment, or {LOCAL}."
        key = "Only if the server asks for one. A workflow stores this value: REELM_KEY in the environment is safer."
        return {
            "required": {
                "prompt": ("STRING", {"multiline": True, "default": "a red seven moves right"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": True}),
                "num_frames": ("INT", {"default": 17, "min": 1, "max": 100_000, "tooltip": "Frames of the clip."}),
            },
            "optional": {
                "model": ("STRING", {"default": "", "tooltip": "Empty: the server's first model."}),
                "image": ("IMAGE", {"tooltip": "The first frame."}),
                "server": ("STRING", {"default": "", "tooltip": server}),
                "key": ("STRING", {"default": "", "tooltip": key}),
            },
        }

    def make(
        self,
        prompt: str,
        seed: int,
        num_frames: int,
        model: str = "",
        image: Any = None,
        server: str = "",
        key: str = "",
    ) -> dict[str, Any]:
        """Make the clip and write it to ComfyUI's output folder.

        Returns:
            The preview that ComfyUI shows below the node, and the outputs: frames as float32 [N, H, W, 3] in [0, 1],
            sound as {"waveform": float32 [1, C, S], "sample_rate"} or None, frames a second, the path of the mp4.
        """
        import folder_paths
        from comfy.model_management import throw_exception_if_processing_interrupted
        from comfy.utils import ProgressBar

        bar = ProgressBar(100)

        def follow(percent: int) -> None:
            throw_exception_if_processing_interrupted()
            bar.update_absolute(percent)

        settings = {"prompt": prompt, "seed": seed, "num_frames": num_frames, **({"model": model} if model else {})}
        files = {} if image is None else {"image": write_png(image)}
        _, content = Client(server, key).make(settings, files, follow)
        folder, name, number, below, _ = folder_paths.get_save_image_path("reelm", folder_paths.get_output_directory())
        file = f"{name}_{number:05}_.mp4"
        path = os.path.join(folder, file)
        with open(path, "xb") as written:
            written.write(content)
        images, audio, fps = read_clip(path)
        shown = {"images": [{"filename": file, "subfolder": below, "type": "output"}], "animated": (True,)}
        return {"ui": shown, "result": (images, audio, fps, path)}
