"""Convert the colours of a still or an animation to sRGB.

In: an image of Pillow with its ICC profile, and the file that it names, in which Pillow overlooks the codes of ITU-T
H.273 (`cICP` of PNG, `nclx` of AVIF). Out: the image in sRGB. A profile that cannot be read is a warning.
"""

import contextlib
import io
import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from reelm.errors import RequestError
from reelm.media.wide_colour import HIGH_RANGE, SAYS_HIGH_RANGE, is_wide, to_srgb

from .container_file import open_container

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger("reelm")

_NEAR = 2  # a profile that changes no 8-bit value by more counts as sRGB
_MODES = {"GRAY": "L"}  # Pillow's modes for the colour spaces of profiles, if they have other names
_READS = {"L": ("1", "L", "LA"), "RGB": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"), "CMYK": ("CMYK",)}


class PictureColours:
    """The colour space of one file's pixels; messages call the file `name`."""

    def __init__(self, image: "Image", name: str) -> None:
        self._codes = _codes(image, name)
        self._mode = "RGB"  # of the pixels that the profile reads
        self._transform: Any = None
        if self._codes is not None:
            if (kind := HIGH_RANGE.get(self._codes[0])) is not None:
                _log.warning(SAYS_HIGH_RANGE, name, kind)
        elif image.info.get("icc_profile") and not image.mode.startswith(("I", "F")):
            self._mode, self._transform = _from_profile(image, name)

    def to_srgb(self, image: "Image") -> "Image":
        """Return the image, or one in RGB or RGBA of 8 bits in its place."""
        from PIL import Image, ImageCms

        if self._codes is None and self._transform is None:
            return image
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        if self._codes is not None:
            shown = Image.fromarray(to_srgb(np.asarray(image.convert("RGB")), *self._codes))
        else:
            shown = ImageCms.applyTransform(image.convert(self._mode), self._transform)
            assert shown is not None  # it is None only if the image is changed in place
        if alpha is not None:
            shown.putalpha(alpha)
        return shown


def _from_profile(image: "Image", name: str) -> tuple[str, Any]:
    """Return the mode of pixels that the profile reads, and the transform to sRGB, None if it changes nothing."""
    from PIL import Image, ImageCms

    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(image.info["icc_profile"]))
        core: Any = profile.profile
        space = str(core.xcolor_space).strip()
        mode: str = _MODES.get(space, space)
        if image.mode not in _READS.get(mode, ()):
            raise ValueError(f"it is one of {space}, the picture is {image.mode}")
        made = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        _log.warning("%s has a colour profile that cannot be used (%s): it is read without", name, reason)
        return "RGB", None
    if mode == "CMYK":
        return mode, made
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 1, 3)
    probe = Image.fromarray(cube if mode == "RGB" else cube[:, :, 0])
    off = np.asarray(ImageCms.applyTransform(probe, made), int) - np.asarray(probe.convert("RGB"))
    return mode, None if np.abs(off).max() <= _NEAR else made


def _codes(image: "Image", name: str) -> tuple[int, int] | None:
    """Return the codes of transfer function and primaries; None if they are those of sRGB, or missing."""
    found, path = None, getattr(image, "filename", "")  # "" for an image that no file holds
    if not os.path.isfile(path):
        return None
    if image.format == "PNG":
        found = _codes_of_png(path)
    elif image.format == "AVIF":
        found = _codes_of_avif(path, name)
    return found if found is not None and is_wide(*found) else None


def _codes_of_png(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    with open(path, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"cICP" and len(codes := file.read(4)) == 4:
                return codes[1], codes[0]
            file.seek(length + 4, os.SEEK_CUR)
    return None


def _codes_of_avif(path: str | os.PathLike[str], name: str) -> tuple[int, int] | None:
    with contextlib.suppress(RequestError), open_container(path, name) as container:
        for stream in container.streams.video:
            if stream.codec_context is not None:
                return int(stream.codec_context.color_trc), int(stream.codec_context.color_primaries)
    return None
