"""Read the packages of any_sound, which the user fetches with apt: speech, music, effects.

In: a folder with the archives that `fetch_sounds.py` fetches. Out: recordings, each with its kind, its split and its
file. A package, a speaker or a language is in one split, and so are all pieces of one recording. The sounds are not
part of reelm; the file `copyright` of each package has their licences.
"""

import io
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from reelm.errors import RequestError
from reelm.storage.home import home

from .archives import members

Kind = Literal["speech", "music", "effects"]
KINDS: tuple[Kind, ...] = ("speech", "music", "effects")
Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")

_SUFFIXES = (".wav", ".ogg", ".oga", ".opus", ".mp3", ".flac", ".g722")


@dataclass(frozen=True)
class _Rule:
    """The kind and the split of the files of a package whose path matches `pattern`."""

    package: str
    split: Split
    kind: Kind
    pattern: str = ""


# The first rule that matches counts.
_RULES = (
    _Rule("asterisk-core-sounds-it-g722", "test", "speech"),
    _Rule("fillets-ng-data-nl", "test", "speech"),
    _Rule("klettres-data", "test", "speech", r"klettres/(he|hu)/"),
    _Rule("tuxpaint-stamps-default", "test", "speech", r"_desc_(be|da|el)\."),
    _Rule("drascula-music", "test", "music"),
    _Rule("extremetuxracer-data", "test", "music", r"/music/"),
    _Rule("frozen-bubble-data", "test", "music", r"/snd/(introzik|frozen-mainzik)"),
    _Rule("pathological", "test", "music", r"/music/"),
    _Rule("asterisk-moh-opsound-g722", "test", "music"),
    _Rule("extremetuxracer-data", "test", "effects"),
    _Rule("frozen-bubble-data", "test", "effects"),
    _Rule("pathological", "test", "effects"),
    _Rule("sound-theme-freedesktop", "test", "effects"),
    _Rule("yaru-theme-sound", "test", "effects"),
    _Rule("psi-plus-sounds", "test", "effects"),
    _Rule("wordwarvi-sound", "test", "effects"),
    _Rule("asterisk-core-sounds-en-g722", "train", "speech"),
    _Rule("asterisk-core-sounds-es-g722", "train", "speech"),
    _Rule("asterisk-core-sounds-fr-g722", "train", "speech"),
    _Rule("asterisk-core-sounds-ru-g722", "train", "speech"),
    _Rule("fillets-ng-data-cs", "train", "speech"),
    _Rule("gcin-voice", "train", "speech"),
    _Rule("klettres-data", "train", "speech"),
    _Rule("ktuberling-data", "train", "speech"),
    _Rule("tuxpaint-stamps-default", "train", "speech", r"_desc"),
    _Rule("tuxpaint-stamps-default", "test", "effects"),
    _Rule("hedgewars-data", "train", "speech", r"/voices/"),
    _Rule("warmux-data", "train", "speech", r"/voices/"),
    _Rule("wesnoth-1.16-music", "train", "music"),
    _Rule("singularity-music", "train", "music"),
    _Rule("planetblupi-music-ogg", "train", "music"),
    _Rule("hyperrogue-music", "train", "music", r"/music/"),
    _Rule("warzone2100-music", "train", "music"),
    _Rule("asc-music", "train", "music"),
    _Rule("hedgewars-data", "train", "music", r"/Music/"),
    _Rule("warmux-data", "train", "music", r"/music/"),
    _Rule("colobot-common-sounds", "train", "music", r"/music/"),
    _Rule("lomiri-sounds", "train", "music", r"/ringtones/"),
    _Rule("hedgewars-data", "train", "effects"),
    _Rule("warmux-data", "train", "effects"),
    _Rule("colobot-common-sounds", "train", "effects"),
    _Rule("lomiri-sounds", "train", "effects"),
    _Rule("hyperrogue-music", "train", "effects"),
    _Rule("openarena-data", "train", "effects"),
    _Rule("ufoai-sound", "train", "effects"),
    _Rule("endless-sky-data", "train", "effects"),
    _Rule("minetest-data", "train", "effects"),
    _Rule("oxygen-sounds", "train", "effects"),
    _Rule("kanagram", "train", "effects"),
    _Rule("khangman", "train", "effects"),
)

PACKAGES = tuple(sorted({rule.package for rule in _RULES}))


def contents(package: str) -> tuple[str, ...]:
    """Return the kinds of sound that are used from a package, such as "speech (test)"."""
    return tuple(f"{rule.kind} ({rule.split})" for rule in _RULES if rule.package == package)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One file with sound: `source` is its package and its path in it, `data` its bytes."""

    source: str
    split: Split
    kind: Kind
    data: bytes = field(repr=False)

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.source).suffix


def default_source() -> Path:
    """Return the default folder of the packages: `$REELM_HOME/any_sound`."""
    return home() / "any_sound"


def read_packages(source: Path | None, split: Split, kind: Kind) -> Iterator[Recording]:
    """Yield all recordings of a split and a kind, package by package; RequestError names missing packages."""
    source = source or default_source()
    found = {package: next(iter(sorted(source.glob(f"{package}_*.deb"))), None) for package in PACKAGES}
    if missing := [package for package, path in found.items() if path is None]:
        raise RequestError(
            f"{len(missing)} of the {len(found)} packages of any_sound are not in {source}; fetch them there with "
            f"`apt-get download {' '.join(missing)}`, or all with "
            f"`python -m reelm.zoo.natural.fetch_sounds -o {source}`"
        )
    for package, path in found.items():
        rules = [rule for rule in _RULES if rule.package == package]
        if path is None or not any((rule.split, rule.kind) == (split, kind) for rule in rules):
            continue
        try:
            yield from _recordings(path, package, rules, split, kind)
        except (OSError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
            raise RequestError(
                f"{path} cannot be read ({error}); fetch it again: apt-get download {package}"
            ) from error


def _recordings(path: Path, package: str, rules: list[_Rule], split: Split, kind: Kind) -> Iterator[Recording]:
    for name, read in _files(path):
        if not name.lower().endswith(_SUFFIXES):
            continue
        rule = next((rule for rule in rules if re.search(rule.pattern, name)), None)
        if rule is not None and (rule.split, rule.kind) == (split, kind):
            yield Recording(source=f"{package}/{name}", split=split, kind=kind, data=read())


def _files(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the files of a package, including those in the zip archives of games."""
    for name, read in members(path):
        if name.endswith(".pk3"):
            with zipfile.ZipFile(io.BytesIO(read())) as archive:
                for inside in archive.namelist():
                    yield f"{name}/{inside}", partial(archive.read, inside)
        else:
            yield name, read
