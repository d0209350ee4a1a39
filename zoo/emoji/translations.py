"""Names of emoji in other languages: names and keywords of Unicode's CLDR from npm's emojibase-data.

In: the folder of the package, languages. Out: for each emoji its name and keywords in each language; skin tones and
colours in Chinese. The data are MIT-licensed, and not part of this package.
"""

import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reelm.errors import RequestError, reason

from .packages import files_of, find_package, key_of

PACKAGE = "emojibase-data@17.0.0"

TONES: Mapping[str, tuple[str, ...]] = {
    "light": ("较浅肤色", "浅肤色", "淺膚色"),
    "medium-light": ("中等-浅肤色", "中浅肤色", "中淺膚色"),
    "medium": ("中等肤色", "中等膚色"),
    "medium-dark": ("中等-深肤色", "中深肤色", "中深膚色"),
    "dark": ("较深肤色", "深肤色", "深膚色"),
}
COLOURS: Mapping[str, str] = {
    "white": "白", "black": "黑", "grey": "灰", "red": "红紅", "orange": "橙", "yellow": "黄黃", "green": "绿綠",
    "blue": "蓝藍", "purple": "紫", "pink": "粉",
}  # fmt: skip


class Translation(NamedTuple):
    """The name of an emoji in a language, and words for it."""

    name: str
    keywords: tuple[str, ...]


def read_translations(source: Path, languages: Sequence[str]) -> dict[str, tuple[Translation, ...]]:
    """Return the translations of each emoji, by its `base`.

    languages: codes of the package, such as "zh" and "zh-hant".

    Raises RequestError when the package is missing or damaged, or lacks a language.
    """
    path = find_package(source, PACKAGE)
    if path is None:
        raise RequestError(f"{PACKAGE} is not in {source}; fetch it there with `npm pack {PACKAGE}`")
    found: dict[str, tuple[Translation, ...]] = {}
    try:
        for language in languages:
            file = f"{language}/data.json"
            for row in json.loads(files_of(path, file)[file]):
                base = "-".join(f"{point:x}" for point in key_of(row["hexcode"]))
                translation = Translation(row["label"], tuple(row.get("tags") or ()))
                found[base] = (*found.get(base, ()), translation)
    except (OSError, EOFError, zlib.error, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        raise RequestError(f"{path} cannot be read ({reason(error)}); fetch it again: npm pack {PACKAGE}") from error
    return found
