"""Bars of eight colours, in the codes of films of a high dynamic range and under profiles of pictures."""

import io
import struct
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from PIL import Image, ImageCms

BARS = np.array(
    [(255, 255, 255), (200, 200, 0), (0, 200, 200), (0, 200, 0), (200, 0, 200), (200, 0, 0), (0, 0, 200), (64, 64, 64)]
)
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087


def drawn(colours):
    """[64,128,3], a bar for each of eight colours."""
    return np.repeat(np.repeat(colours[None], 64, 0), 16, 1)


def seen(picture):
    """The colour in the middle of each bar."""
    return picture[picture.shape[0] // 2, 8::16].astype(int)


def pq(light):
    """ST 2084 of light that is 1 at 203 nits."""
    power = (np.asarray(light) * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light):
    """BT.2100's hybrid log-gamma of light [N,3] that is 1 at 203 nits, for a screen of 1000."""
    shown = np.asarray(light) * 0.203
    scene = shown * ((shown @ [0.2627, 0.6780, 0.0593]) ** (-0.2 / 1.2))[:, None]
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def wide_film(path, values, transfer, *, codec="libx264", primaries=9, frames=2, **options):
    """Two frames of bars [8,3] in [0, 1], 10 bits, with the tags of BT.2020 and a transfer function."""
    picture = np.round(drawn(values) * 65535).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=8, options=options)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p10le"
        tags = stream.codec_context
        tags.color_primaries, tags.color_trc, tags.colorspace, tags.color_range = primaries, transfer, 9, 1
        for index in range(frames):
            frame: Any = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=Colorspace.BT2020)
            frame.pts, frame.color_trc, frame.color_primaries = index, transfer, primaries
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def display_p3():
    """A profile of Display P3: matrix and curves, as cameras write it."""
    x, y = np.array([(0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)]).T
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    white, cones = (
        np.array([0.9642, 1, 0.8249]),
        np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]),
    )
    adapted = np.linalg.inv(cones) @ np.diag(cones @ white / (cones @ xyz[:, 3])) @ cones
    columns = adapted @ (xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3]))
    value = np.linspace(0, 1, 1024)
    curve = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    def fixed(numbers):
        return struct.pack(f">{len(numbers)}i", *np.round(65536 * np.asarray(numbers)).astype(int))

    tags = {name: b"XYZ \0\0\0\0" + fixed(columns[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + fixed(white)
    steps = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(65535 * curve).astype(">u2").tobytes()
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), steps)
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(79)
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    head = struct.pack(">I4xI", start + len(data), 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    return head + bytes(28) + fixed(white) + bytes(48) + table + data


def in_profile(picture, profile):
    """The Pillow image whose colours under the profile are those of the picture in sRGB."""
    under = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = ImageCms.profileToProfile(Image.fromarray(picture), ImageCms.createProfile("sRGB"), under)
    assert image is not None
    return image
