"""The rooms: which folder may import which, and no circle of files."""

import ast
import functools
import sys
import tomllib
from pathlib import Path

from reelm.programs.source import rooms_behind

ROOT = Path(__file__).parents[2]
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
PACKAGES = {name.removeprefix("reelm").lstrip("."): ROOT / folder for name, folder in FOLDERS.items()}

# What a room may import besides itself and the errors. Who generates never loads what only training reads: neither
# `sampling` nor `data` imports the other.
ORDER = (
    "errors",
    "cores",
    "device",
    "energy",
    "extras",
    "guesses",
    "value_checks",
    "progress",
    "registry",
    "slurm",
    "storage",
    "programs",
    "media",
    "tokenizer",
    "lm",
    "sampling",
    "data",
    "evaluation",
    "train",
    "configs",
    "zoo",
    "serve",
)
BELOW: dict[str, set[str]] = {room: set(ORDER[:number]) for number, room in enumerate(ORDER)}
BELOW["data"] -= {"sampling"}
BELOW["serve"] = {"cores", "device", "energy", "extras", "guesses", "value_checks", "storage", "media", "sampling"}
BELOW["serve"] |= {"programs"}
BELOW["functional"] = {"tokenizer", "lm", "sampling", "train"}
BELOW["cli"] = {*ORDER, ""}  # and the facade
# What a sub-folder may import of the sub-folders beside it. A room's own files are its ground floor (types that every
# sub-folder reads) and its roof (what a caller asks for), so between them and a sub-folder imports may run both ways;
# no two files ever import each other.
BESIDE: dict[str, set[str]] = {
    "evaluation.digits": {"evaluation.judges", "evaluation.scores"},
    "evaluation.judges": {"evaluation.features", "evaluation.scores"},
    "evaluation.scores": {"evaluation.features"},
    "lm.net": {"lm.control"},
    "sampling.conditions": {"sampling.folder"},
    "sampling.decoding": {"sampling.conditions"},
    "sampling.planning": {"sampling.conditions", "sampling.decoding", "sampling.folder"},
    "tokenizer.vidtok": {"tokenizer.video"},
    "tokenizer.text.llm": {"tokenizer.text"},
    "train.lm": {"train.run", "train.step"},
    "train.run": {"train.step"},
    "train.tokenizers": {"train.run", "train.step"},
    "train.upscaling": {"train.run", "train.step"},
}
# No model of the zoo is in this table: none knows another.


@functools.cache
def files() -> dict[str, Path]:
    """Return every module of the package by its dotted name without `reelm.`."""
    return {
        f"{package}.{path.stem}".lstrip(".").removesuffix("__init__").rstrip("."): path
        for package, folder in PACKAGES.items()
        for path in folder.glob("*.py")
    }


@functools.cache
def imports() -> dict[str, set[str]]:
    """Return the modules of the package that each module imports: inside functions and for types alone, too."""
    return {name: _imports(name, path) - {name} for name, path in files().items()}


def _imports(name: str, path: Path) -> set[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "reelm"):
            assert node.level <= 1, f"{name}: relative imports stay inside a folder"
            whole = node.module or "" if node.level == 0 else ".".join(filter(None, ["reelm", package, node.module]))
            base = whole.removeprefix("reelm").lstrip(".")
            for alias in node.names:
                module = f"{base}.{alias.name}".lstrip(".")
                target = module if module in files() else base
                assert target in files(), f"{name} imports {module}, which is not there"
                beside = node.level == 0 and package and files()[target].parent == files()[name].parent
                assert not beside or target == package, f"{name}: {target} lies beside it, import it relatively"
                found.add(target)
    return found


def test_imports_point_down():
    assert not [refused for name in sorted(files()) for refused in refusals(name)]


def refusals(name: str) -> list[str]:
    """Return what a module imports and may not, in words."""
    room, package, refused = name.split(".")[0], folder_of(name), []
    for target in imports()[name] if room in BELOW else ():
        if target.split(".")[0] != room:
            allowed = target.split(".")[0] in BELOW[room] | {"errors"}
        else:
            ground = folder_of(target) in (package, room) or package == room
            allowed = ground or folder_of(target) in BESIDE.get(package, set())
        refused += [] if allowed else [f"{name} may not import {target}"]
    return refused


def folder_of(name: str) -> str:
    return name if files()[name].name == "__init__.py" else name.rpartition(".")[0]


def test_every_room_is_in_the_table():
    assert {name.split(".")[0] for name in files()} - {"", "__main__"} == {*BELOW} & {*files(), *PACKAGES}


def test_the_sub_folders_have_an_order():
    assert not circles({name: BESIDE.get(name, set()) for name in PACKAGES})


def test_no_files_import_each_other_in_a_circle():
    modules = {name: {target for target in found if target} for name, found in imports().items() if name}
    assert not circles(modules)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan's algorithm)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in number:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == number[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        for node in graph:
            if node not in number:
                visit(node)
    finally:
        sys.setrecursionlimit(limit)
    return found


def test_a_program_is_named_by_the_source_of_every_room_that_its_own_imports():
    rooms: dict[str, set[str]] = {}
    for name, found in imports().items():
        rooms.setdefault(name.split(".")[0], set()).update(target.split(".")[0] for target in found)
    makers = {name for name, found in imports().items() if "programs.program" in found}
    assert makers
    for name in makers:
        below, left = set(), {name.split(".")[0], "programs"}
        while left:
            below |= left
            left = set.union(*(rooms[room] for room in left)) - below
        assert {*rooms_behind(f"reelm.{name}")} == below, name


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
