"""Check names that come from elsewhere: keys of a bucket, members of an archive, files that a manifest lists.

In: a folder and a name in it. Out: the path of a file in that folder. All such names are joined to a folder here.
"""

from pathlib import Path

from reelm.errors import RequestError


def inside(folder: Path, name: object, where: str) -> Path:
    """Return the path of the file `name` in `folder`; it need not exist.

    Args:
        folder: of this machine.
        name: relative, with "/" between its parts.
        where: what names the file, for the message.

    Raises:
        RequestError: `name` is not a relative name, has "..", or leads out of the folder through a link.
    """
    listed = f"{where} names {repr(name)[:200]}"
    if not isinstance(name, str) or "\0" in name or not Path(name).name:
        raise RequestError(f"{listed}, which is not the name of a file")
    path = folder / name
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a name too long or not Unicode, links in a circle
        raise RequestError(f"{listed}, which is not the name of a file ({error})") from error
    if not stays or ".." in Path(name).parts or Path(name).is_absolute():
        raise RequestError(f"{listed}, which lies outside of {folder}; give a relative name that stays inside")
    return path


def directly_in(folder: Path, name: object, where: str) -> Path:
    """Return the path of the file `name` directly in `folder`; the file may be a link, as in the cache of a hub.

    Args:
        folder: of this machine.
        name: bare, without a folder.
        where: what names the file, for the message.

    Raises:
        RequestError: `name` is not a bare name.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name or name != Path(name).name:
        raise RequestError(f"{where} names {repr(name)[:200]}; it must be a bare name, without a folder")
    return folder / name
