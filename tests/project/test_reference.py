"""The reference: every public name that the documents mention stands in it."""

import inspect
import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

import reelm

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LISTED = re.findall(r"^\.\. auto(\w+):: (reelm[\w.]*)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
PRESETS = {f"reelm.configs.{path.stem}" for path in (ROOT / "configs").glob("*.py")}


def mentioned(text: str) -> set[str]:
    """The dotted names of the package in a page, and those that its examples import; programs and files are none."""
    text = re.sub(r"python\s+-m\s+reelm[\w.]*|reelm\.json|`reelm\.[\w.]*\.py`", "", text)
    names = set(re.findall(r"\breelm(?:\.\w+)+", text))
    for module, what in re.findall(r"^from (reelm[\w.]*) import (.+)$", text, re.MULTILINE):
        names |= {f"{module}.{name.split(' as ')[0].strip()}" for name in what.split(",")}
    return names


def is_described(name: str) -> bool:
    """Whether the reference lists a name, its class or its module, or names inside the package that it is."""
    listed = {path for _, path in LISTED}
    return any(name == path or name.startswith(f"{path}.") or path.startswith(f"{name}.") for path in listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_name_that_a_page_mentions_is_in_the_reference(page):
    assert not {name for name in mentioned(page.read_text()) if not is_described(name) and name not in PRESETS}


def test_every_name_of_the_facade_is_in_the_reference():
    assert not {name for name in reelm.__all__ if not name.startswith("__") and not is_described(f"reelm.{name}")}


@pytest.mark.parametrize("path", [path for _, path in LISTED])
def test_what_the_reference_lists_is_there_and_says_what_it_is(path):
    assert len(inspect.getdoc(resolve_name(path)) or "") > 20
