"""The distribution: the tree is what is installed, versions are locked and name no host."""

import ast
import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}

ROOMS = {name.removeprefix("reelm."): folder for name, folder in FOLDERS.items() if name.count(".") == 1}
LINKED = tuple(sorted(name for name, folder in ROOMS.items() if folder.parent == ROOT))


def test_the_package_list_equals_the_tree():
    in_rooms = {path.parent for folder in ROOMS.values() for path in folder.rglob("*.py")}
    assert in_rooms | {ROOT / "src/reelm"} == set(FOLDERS.values())
    assert sorted(SETUPTOOLS["packages"]) == sorted(FOLDERS)


@pytest.mark.parametrize("name", LINKED)
def test_the_symlink_shows_the_folder(name):
    link = ROOT / "src" / "reelm" / name
    if not link.is_symlink():
        pytest.skip("a checkout without symlinks")
    assert not link.readlink().is_absolute()
    assert link.resolve() == (ROOT / name).resolve()


def test_every_package_says_what_it_is():
    texts = {name: (folder / "__init__.py").read_text() for name, folder in FOLDERS.items()}
    assert not [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))]


def test_data_files_are_shipped():
    assert not [path for package in FOLDERS for path in left_out(package)]


def left_out(package: str) -> list[Path]:
    """Return the data files of a package that no pattern of package-data names."""
    folder = FOLDERS[package]
    patterns = SETUPTOOLS["package-data"].get(package, [])
    nested = [other for other in FOLDERS.values() if other != folder and other.is_relative_to(folder)]
    nested += [folder / name for name in LINKED]
    data = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not any(map(path.is_relative_to, nested))
    ]
    names = {path: path.relative_to(folder).as_posix() for path in data}
    return [path for path in data if not any(fnmatch.fnmatch(names[path], pattern) for pattern in patterns)]


def absolute_imports(path: Path) -> list[str]:
    """Return the dotted name of each import of a file that is not relative, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(node.module or "")
    return found


def test_every_import_is_a_declared_dependency():
    distributions = {
        "PIL": "pillow",
        "cv2": "opencv-python-headless",
        "orbax": "orbax-checkpoint",
        "tensorboardX": "tensorboardx",
        "yaml": "pyyaml",
    }
    distributions |= {"opentelemetry": "opentelemetry-sdk", "visqol": "visqol-python"}
    extras = PROJECT["project"]["optional-dependencies"]
    names = ("control", "evaluate", "hub", "llm", "otel", "serve", "visqol", "worlds")
    optional = [each for name in names for each in extras[name]]
    needed = [*PROJECT["project"]["dependencies"], *optional]
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in needed}
    files = [path for folder in FOLDERS.values() for path in folder.glob("*.py")]
    used = {name.split(".")[0] for path in files for name in absolute_imports(path)}
    used -= {"reelm", *sys.stdlib_module_names}
    assert {distributions.get(name, name.replace("_", "-")) for name in used} <= declared


# ComfyUI brings these.
COMFY = {"av", "comfy", "folder_paths", "numpy", "PIL", "torch"}


@pytest.mark.parametrize("path", sorted((ROOT / "integrations").rglob("*.py")), ids=lambda path: path.parent.name)
def test_integrations_need_nothing_installed(path):
    used = {name.split(".")[0] for name in absolute_imports(path)} - {"client", *sys.stdlib_module_names}
    assert used <= (COMFY if path.parent.name == "comfyui" else set())
    # Loading them asks for nothing, either: ComfyUI loads every node when it starts.
    at_once = {name for node in ast.parse(path.read_text()).body for name in imported(node)}
    assert not at_once & COMFY


def imported(node: ast.stmt) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []


def test_the_image_is_made_of_all_that_is_installed():
    lines = (ROOT / "integrations/docker/Dockerfile.dockerignore").read_text().splitlines()
    needed = {folder.relative_to(ROOT).parts[0] for folder in FOLDERS.values()}
    needed |= {
        "pyproject.toml",
        "requirements.lock",
        "integrations/docker/hashed.py",
        PROJECT["project"]["readme"],
        *PROJECT["project"]["license-files"],
    }
    assert lines[0] == "*" and {line[1:] for line in lines if line[0] == "!"} == needed


def test_what_the_image_installs_has_its_hashes(tmp_path):
    locked = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted = {name: locked[name] for name in ("pillow", "python-multipart", "av")} | {"reelm": "0.1.0"}
    install = [{"metadata": {"name": name.replace("-", "_"), "version": wanted[name]}} for name in wanted]
    (tmp_path / "report.json").write_text(json.dumps({"install": install}))
    command = [
        sys.executable,
        ROOT / "integrations/docker/hashed.py",
        tmp_path / "report.json",
        ROOT / "requirements.lock",
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^([a-z0-9.-]+)==", printed, re.MULTILINE) == ["pillow", "python-multipart", "av"]
    assert all("--hash=sha256:" in entry for entry in printed.split("\n\n") if entry.strip())
    install[0]["metadata"]["version"] = "0.1"
    (tmp_path / "report.json").write_text(json.dumps({"install": install}))
    assert "lock it first" in subprocess.run(command, capture_output=True, text=True).stderr


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
