"""The distribution: the tree is what is installed, imports point one way, versions are locked and name no host."""

import ast
import fnmatch
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}

# A folder imports itself and those to the left of it; configs hold values of the types that all four define.
ORDER = ("tokenizer", "lm", "sampling", "train", "configs")


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("*.py"))


def test_the_package_list_equals_the_tree():
    in_folders = {path.parent for name in ORDER for path in (ROOT / name).rglob("*.py")}
    in_facade = {path.parent for path in (ROOT / "src").rglob("*.py") if not path.is_relative_to(ROOT / "build")}
    facade = {path for path in in_facade if path.name not in ORDER}
    assert in_folders | facade == set(FOLDERS.values())
    assert sorted(SETUPTOOLS["packages"]) == sorted(FOLDERS)


@pytest.mark.parametrize("name", ORDER)
def test_the_symlink_shows_the_folder(name):
    link = ROOT / "src" / "reelm" / name
    if not link.is_symlink():
        pytest.skip("a checkout without symlinks")
    assert not link.readlink().is_absolute()
    assert link.resolve() == (ROOT / name).resolve()


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_every_package_says_what_it_is(package):
    assert ast.get_docstring(ast.parse((FOLDERS[package] / "__init__.py").read_text()))


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_data_files_are_shipped(package):
    folder = FOLDERS[package]
    patterns = SETUPTOOLS["package-data"].get(package, [])
    nested = {path for name in ORDER for path in (folder / name).rglob("*")} if package == "reelm" else set()
    data = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path not in nested and path.suffix not in (".py", ".pyc")
    ]
    missing = [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    assert not missing, f"no pattern of package-data names {missing}"


def imports(path: Path) -> list[tuple[int, str]]:
    """(relative level, dotted name) of each import in a file, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "reelm":
            found += [(0, f"reelm.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


@pytest.mark.parametrize(
    "path", [path for name in ORDER for path in python_files(name)], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_imports_point_one_way(path):
    here = path.parent.name
    below = ORDER[: ORDER.index(here)]
    for level, name in imports(path):
        assert level <= 1, "relative imports stay inside a folder"
        if level == 0 and name.split(".")[0] == "reelm":
            target = name.split(".")[1] if "." in name else "the facade"
            assert target != here, f"{name} lies in the same folder: import it relatively"
            assert target in below, f"{here} may import {', '.join(below) or 'no other folder'}, not {target}"


def test_every_import_is_a_declared_dependency():
    distributions = {"PIL": "pillow", "orbax": "orbax-checkpoint", "tensorboardX": "tensorboardx"}
    needed = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["hub"]]
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in needed}
    files = [path for folder in FOLDERS.values() for path in folder.glob("*.py")]
    used = {name.split(".")[0] for path in files for level, name in imports(path) if level == 0}
    used -= {"reelm", *sys.stdlib_module_names}
    assert {distributions.get(name, name.replace("_", "-")) for name in used} <= declared


def test_everything_needed_is_locked():
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    needed = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert {re.split(r"[^\w-]", requirement)[0] for requirement in needed} <= locked


def test_the_lock_names_no_host():
    text = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in text
    assert not re.search(r"://|@|--index|--find-links", text)


def test_the_changelog_opens_with_this_version():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == PROJECT["project"]["version"]
